/** The tiles that matrix templates come in, which of them suit a kernel, and the choice without measuring. */
import type { ContractParams } from "../schedule/contraction.js";
import {
  addressOf,
  contractionDims,
  type Depth,
  depthOf,
  type MatrixSizes,
} from "../schedule/contraction.js";
import { type ContractKernel, operandOf } from "../schedule/kernel.js";
import type { Target } from "../schedule/target.js";
import { type LoadContext, OperandLoads } from "./contract-loads.js";
import { type Sliding, slidingOf } from "./contract-windows.js";
import { ModuleBuilder } from "./module.js";
import { shaders } from "./shaders.generated.js";

export type ContractVariant = "subgroup" | "register" | "workgroup";

/** A template with its constants: what one workgroup computes. */
export interface ContractTile {
  readonly variant: ContractVariant;
  /** The shader, without "matmul-". */
  readonly template:
    | "subgroup"
    | "subgroup-columns"
    | "subgroup-rows"
    | "subgroup-windows"
    | "register"
    | "workgroup";
  readonly rows: number;
  readonly columns: number;
  readonly constants: Readonly<Record<string, number>>;
}

export const tileName = (t: ContractTile): string => `${t.template} ${t.rows}x${t.columns}`;

/** The depth of a kernel's contraction, as both operands are read best. */
export function depthOfKernel(k: ContractKernel, c: LoadContext): Depth {
  const { eqn } = k;
  const [a, b] = eqn.inputs.map((x) => x.aval.shape) as [readonly number[], readonly number[]];
  const dims = contractionDims(a, b, eqn.params as ContractParams);
  return depthOf(dims, (side, depth) =>
    addressOf(c.defs, eqn.inputs[side]!, operandOf(k, side, depth), (v) => c.storage.isStored(v)),
  );
}

/**
 * What decides how fast the tiles are for a kernel: sizes, how its operands lie, what it stores, and the
 * texts of the templates. Kernels of one class make one choice.
 */
export function contractClass(
  k: ContractKernel,
  c: LoadContext & { readonly target: Target },
): string {
  const { batch, m, n, k: deep } = k.sizes;
  const depth = depthOfKernel(k, c);
  const [a, b] = ([0, 1] as const).map(
    (side) => new OperandLoads(k, c, new ModuleBuilder(), side, depth, 4).form,
  );
  const size = `${batch}x${m}x${n}x${deep} by ${depth.inner}`;
  const lanes = k.across ? `, ${k.across.vars.length} across ${k.across.count} lanes` : "";
  const values = `${k.vars.length} values${lanes}, ${k.stores.size} stored`;
  return `contract ${size}, ${a}, ${b}, ${values}, ${templatesHash()}`;
}

let hash: string | undefined;
/** FNV-1a of all templates: measurements of other texts are not of these. */
function templatesHash(): string {
  if (hash !== undefined) return hash;
  let h = 0x811c9dc5;
  for (const { lines } of shaders) {
    for (const line of lines) {
      for (let i = 0; i < line.length; i++) h = Math.imul(h ^ line.charCodeAt(i), 0x01000193);
    }
  }
  hash = (h >>> 0).toString(16).padStart(8, "0");
  return hash;
}

const subgroupTile = (sg: number, rows: number, lanes: number): ContractTile => ({
  variant: "subgroup",
  template: "subgroup",
  rows: rows * (sg / lanes),
  columns: 4 * lanes,
  constants: { ROWS: rows, LANES: lanes, PARTS: rows / lanes, TEAMS: sg / lanes },
});

const columnsTile = (sg: number, lanes: number): ContractTile => ({
  variant: "subgroup",
  template: "subgroup-columns",
  rows: 4 * lanes * (sg / lanes),
  columns: 4 * lanes,
  constants: { LANES: lanes, TEAMS: sg / lanes },
});

const rowsTile = (sg: number, rows: number, fours: number): ContractTile => ({
  variant: "subgroup",
  template: "subgroup-rows",
  rows: rows * sg,
  columns: 4 * fours,
  constants: { ROWS: rows, FOURS: fours },
});

/** The same tile by windows that slide. */
const windowsTile = (tile: ContractTile, { taps, inner, flip }: Sliding): ContractTile => ({
  ...tile,
  template: "subgroup-windows",
  constants: {
    ...tile.constants,
    TAPS: taps,
    DEEP: Math.min(4, inner),
    FLIP: flip ? 1 : 0,
    SHORT: taps * inner <= 6 ? 1 : 0,
  },
});

const registerTile = (rows: number, lanes: number): ContractTile => ({
  variant: "register",
  template: "register",
  rows,
  columns: 4 * lanes,
  constants: { ROWS: rows, LANES: lanes },
});

const workgroupTile: ContractTile = {
  variant: "workgroup",
  template: "workgroup",
  rows: 64,
  columns: 64,
  constants: {},
};

/** Subgroups whose size is known and that the templates can be written for. */
const hasSubgroups = (target: Target): boolean => [4, 8, 16, 32, 64].includes(target.subgroupSize);

/** Products that take less than a millisecond are not worth long code: drivers take longer to compile it. */
const isSmall = ({ batch, m, n, k }: MatrixSizes): boolean => batch * m * n * k < 2 ** 22;

/** Rows of a team's part of a tile, the best first: as many as registers hold (of 4 lanes half as many), and there are. */
function rowsFor(sg: number, sizes: MatrixSizes, teams: number): readonly number[] {
  if (sizes.m <= 8 * teams || sg <= 4) return [8, 16];
  if (sizes.m <= 16 * teams) return [16, 8];
  return teams > 1 || isSmall(sizes) ? [16, 32, 8] : [32, 16, 8];
}

/** Rows of a lane and fours of columns where lanes stand above each other: 16 vectors, if there are rows. */
function rowsTileFor(sg: number, sizes: MatrixSizes): ContractTile | undefined {
  const fours = Math.ceil(sizes.n / 4);
  if (fours > 4) return undefined;
  const vectors = isSmall(sizes) ? 8 : 16;
  return rowsTile(sg, Math.min(Math.floor(vectors / fours), 8, Math.ceil(sizes.m / sg)), fours);
}

/** Every tile that can compute a kernel, of one variant or all; the heuristic's choice is the first. */
export function tilesFor(
  k: ContractKernel,
  c: LoadContext & { readonly target: Target },
  only?: ContractVariant,
): ContractTile[] {
  const { target } = c;
  const { n } = k.sizes;
  const sg = target.subgroupSize;
  const tiles: ContractTile[] = [];
  if (hasSubgroups(target)) {
    const depth = depthOfKernel(k, c);
    const left = new OperandLoads(k, c, new ModuleBuilder(), 0, depth, 4);
    // As many lanes side by side as there are columns for; more than 8 would make tiles too tall.
    const widest = Math.min(8, sg);
    let lanes = widest;
    while (lanes > 2 && n <= lanes * 2) lanes /= 2;
    const tall = rowsTileFor(sg, k.sizes);
    const sliding = tall && slidingOf(k, c, sg);
    const talls = [...(sliding ? [windowsTile(tall, sliding)] : []), ...(tall ? [tall] : [])];
    // Of 4 lanes, which load as fast as they compute, none needs to be spared a load.
    if (sg > 4) tiles.push(...talls);
    const all = [lanes, ...[widest, widest / 2].filter((x) => x !== lanes && x >= 2)];
    for (const l of all) {
      if (left.vectors(["across"]) !== null && left.vectors(["depth"]) === null) {
        tiles.push(columnsTile(sg, l));
      }
      for (const r of rowsFor(sg, k.sizes, sg / l)) tiles.push(subgroupTile(sg, r, l));
    }
    if (sg <= 4) tiles.push(...talls);
  }
  tiles.push(registerTile(8, 8), registerTile(4, 8), workgroupTile);
  const first = !target.software ? "workgroup" : hasSubgroups(target) ? "subgroup" : "register";
  const ordered = [
    ...tiles.filter((t) => t.variant === first),
    ...tiles.filter((t) => t.variant !== first),
  ];
  return only === undefined ? ordered : ordered.filter((t) => t.variant === only);
}

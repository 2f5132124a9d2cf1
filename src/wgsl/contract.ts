/** Contractions as instances of the matrix templates, with generated loads and epilogue. */

import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxUnflatten, idxVar } from "../ir/index-expr.js";
import { flatIndex, lanePositions, type MatrixIndex } from "../schedule/across.js";
import type { Storage } from "../schedule/analyse.js";
import type { Depth } from "../schedule/contraction.js";
import type { Defs } from "../schedule/defs.js";
import { type ContractKernel, laneOf, rowOf, sizesOf } from "../schedule/kernel.js";
import type { Target } from "../schedule/target.js";
import { Composer, quarterName, type Value, vectorPosition } from "./compose.js";
import { OperandLoads } from "./contract-loads.js";
import { type ContractTile, depthOfKernel } from "./contract-tiles.js";
import { slidingOf, windowLoads } from "./contract-windows.js";
import type { ModuleBuilder, Place } from "./module.js";
import { Scopes } from "./scope.js";
import { instantiate, template } from "./template.js";

export interface ContractContext {
  readonly defs: Defs;
  readonly storage: Storage;
  readonly target: Target;
  place(v: Var): Place;
}

export interface EmittedContract {
  readonly body: string;
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly constants: Readonly<Record<string, number>>;
}

/** What the epilogue computes at one point, or at one point of a lane: where that is, and the values so far. */
interface EpiloguePoint {
  readonly at: Idx;
  readonly values: Map<Var, Value>;
}

/**
 * `fn epilogue(batch, m, n, done, at)`: what becomes of four neighbours of a row of the product, or of a row
 * of all the lanes' products.
 */
function emitEpilogue(k: ContractKernel, c: ContractContext, module: ModuleBuilder): string {
  const { sizes, across } = k;
  const scopes = new Scopes(["batch", "m", "n", quarterName("n")]);
  const { lines } = scopes.root;
  const index: MatrixIndex = { batch: laneOf(k), m: rowOf(k), n: idxVar("n", sizes.n) };
  const whole = across ? sizes : sizesOf(k.eqn);
  const point: EpiloguePoint = { at: flatIndex(whole, index), values: new Map() };
  const lanes = across
    ? lanePositions(sizes, across, index).map((at): EpiloguePoint => ({ at, values: new Map() }))
    : [point];
  const points = across ? [...lanes, point] : lanes;
  const product = k.eqn.outputs[0]!;
  const isOwn = new Set([...k.vars, ...(across?.vars ?? [])]);
  const composer: Composer = new Composer({
    defs: c.defs,
    storage: c.storage,
    module,
    scopes,
    place: (v) => c.place(v),
    own: (v, flat) => {
      if (!isOwn.has(v)) return undefined;
      const computed = points.filter(({ values }) => values.has(v));
      for (const { at, values } of computed) {
        const value = values.get(v)!;
        if (flat.key === at.key) return value;
        const lane = composer.lanes(at).findIndex((e) => e.key === flat.key);
        if (lane < 0) continue;
        return { text: `${value.text}.${"xyzw"[lane]}`, width: 1, dtype: value.dtype };
      }
      if (computed.length === 0) return undefined;
      throw new DawngradError("internal: an epilogue reads its own result at another point");
    },
  });
  composer.vectorName = "n";
  lines.push(`let ${quarterName("n")} = n / 4u;`);
  const compute = (v: Var, { at, values }: EpiloguePoint): void => {
    values.set(v, composer.computed(v, idxUnflatten(at, v.aval.shape)));
  };
  lanes.forEach((lane, i) => {
    const from = i === 0 ? "at" : `${i}u * SUMS + at`;
    const text = module.fresh("sum");
    lines.push(`let ${text} = (*done)[${from}];`);
    lane.values.set(product, { text, width: 4, dtype: "float32" });
  });
  for (const v of k.vars) {
    if (v !== product) for (const lane of lanes) compute(v, lane);
  }
  for (const v of across?.vars ?? []) compute(v, point);
  // What is stored may lie where something above was loaded from.
  const store = (v: Var, { at, values }: EpiloguePoint): void => {
    const text = composer.splat(values.get(v)!, 4);
    const place = c.place(v);
    const flat = place.base ? idxAdd(at, place.base) : at;
    const vector = vectorPosition(composer, flat);
    if (vector !== null) {
      lines.push(module.store(place, v.aval.dtype, 4, vector, text));
      return;
    }
    composer.lanes(flat).forEach((e, j) => {
      const where = composer.index(e);
      const one = module.store(place, v.aval.dtype, 1, where, `${text}.${"xyzw"[j]}`);
      lines.push(`if (n + ${j}u < ${sizes.n}u) { ${one} }`);
    });
  };
  for (const v of k.vars) {
    if (k.stores.has(v)) for (const lane of lanes) store(v, lane);
  }
  for (const v of across?.vars ?? []) if (k.stores.has(v)) store(v, point);
  return [
    `fn epilogue(batch: u32, m: u32, n: u32, done: ptr<function, Done>, at: u32) {`,
    ...lines,
    "}",
  ].join("\n");
}

/** `row_a` and `load_a`: a row at four depths, or four rows. */
function leftLoads(loads: OperandLoads, { template }: ContractTile): Record<string, string> {
  const [row_a, load_a] =
    template === "subgroup-columns" ? loads.block(["row_a", "load_a"]) : loads.row();
  return { row_a: row_a!, load_a: load_a! };
}

export function emitContract(
  k: ContractKernel,
  c: ContractContext,
  module: ModuleBuilder,
  tile: ContractTile,
): EmittedContract {
  const name = `matmul-${tile.template}`;
  const t = template(name);
  const sliding =
    tile.template === "subgroup-windows" ? slidingOf(k, c, c.target.subgroupSize) : undefined;
  // The right operand is asked for every tap.
  const depth: Depth = sliding
    ? { outer: sliding.outer * sliding.taps, inner: sliding.inner }
    : depthOfKernel(k, c);
  const unit = tile.variant === "workgroup" ? 16 : 4;
  const left = sliding
    ? windowLoads(sliding, c, module)
    : leftLoads(new OperandLoads(k, c, module, 0, depth, unit), tile);
  const right = new OperandLoads(k, c, module, 1, depth, unit);
  const [column_b, load_b] = right.block(["column_b", "load_b"]);
  const epilogue = emitEpilogue(k, c, module);
  const { sizes } = k;
  const tilesM = Math.ceil(sizes.m / tile.rows);
  const tiles = tilesM * sizes.batch;
  const layers = Math.ceil(tiles / c.target.maxWorkgroups);
  const gridY = Math.ceil(tiles / layers);
  const tilesN = Math.ceil(sizes.n / tile.columns);
  const layersX = Math.ceil(tilesN / c.target.maxWorkgroups);
  const gridX = Math.ceil(tilesN / layersX);
  const values: Record<string, number> = {
    SG: c.target.subgroupSize,
    M: sizes.m,
    N: sizes.n,
    KO: sliding?.outer ?? depth.outer,
    KI: depth.inner,
    TILES_M: tilesM,
    TILES: tiles,
    GRID_Y: gridY,
    GRID_X: gridX,
    LAYERS_X: layersX,
  };
  const constants = Object.fromEntries(t.overrides.map((v) => [v, values[v]!]));
  const functions = {
    ...left,
    column_b: column_b!,
    load_b: load_b!,
    epilogue,
  };
  return {
    body: instantiate(t, functions, { ...tile.constants, INSIDE: k.across?.count ?? 1 }),
    workgroups: [gridX, gridY, layers * layersX],
    constants,
  };
}

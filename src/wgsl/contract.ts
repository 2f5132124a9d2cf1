/** Contractions as instances of the matrix templates, with generated loads and epilogue. */

import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import {
  type Idx,
  idxAdd,
  idxConst,
  idxScale,
  idxSubstitute,
  idxUnflatten,
  idxVar,
} from "../ir/index-expr.js";
import type { Storage } from "../schedule/analyse.js";
import { addressOf, operandIndex } from "../schedule/contraction.js";
import type { Defs } from "../schedule/defs.js";
import type { ContractKernel } from "../schedule/kernel.js";
import type { Target } from "../schedule/target.js";
import { Composer, quarterName, type Value, vectorPosition } from "./compose.js";
import type { ModuleBuilder, Place } from "./module.js";
import { Scopes } from "./scope.js";
import { instantiate, template } from "./template.js";

export type ContractVariant = "subgroup" | "register" | "workgroup";

export interface ContractContext {
  readonly defs: Defs;
  readonly storage: Storage;
  readonly target: Target;
  place(v: Var): Place;
}

export interface EmittedContract {
  readonly text: string;
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly constants: Readonly<Record<string, number>>;
}

/** Rows and columns of a workgroup's tile. */
function tileOf(
  variant: ContractVariant,
  target: Target,
): readonly [rows: number, columns: number] {
  switch (variant) {
    case "subgroup":
      return [4 * target.subgroupSize, 4 * target.subgroupSize];
    case "register":
      return [8, 32];
    case "workgroup":
      return [64, 64];
  }
}

/** The template for a kernel on an adapter: the one place where this is decided. */
export function chooseVariant(_k: ContractKernel, target: Target): ContractVariant {
  if (!target.software) return "workgroup";
  return target.subgroupSize === 4 || target.subgroupSize === 8 ? "subgroup" : "register";
}

/** `fn NAME(batch, row, column) -> mat4x4f`: four rows, each at four columns, of an operand. */
function emitLoad(
  k: ContractKernel,
  c: ContractContext,
  module: ModuleBuilder,
  side: 0 | 1,
  name: string,
): string {
  const rowName = side === 0 ? "m" : "k";
  const columnName = side === 0 ? "k" : "n";
  const { sizes } = k;
  const batch = idxVar("batch", sizes.batch);
  const vars = { m: idxVar("m", sizes.m), n: idxVar("n", sizes.n), k: idxVar("k", sizes.k) };
  const free = side === 0 ? vars.m : vars.n;
  const address = addressOf(
    c.defs,
    k.eqn.inputs[side]!,
    operandIndex(k.eqn, side, batch, free, vars.k),
    (v) => c.storage.isStored(v),
  );
  if (!address) throw new DawngradError("internal: an operand of a contraction is not stored");
  const { source, flat } = address;
  const place = c.place(source);
  const all = ["batch", "m", "n", "k", ...["m", "n", "k"].map(quarterName)];
  const scopes = new Scopes(all);
  const composer = new Composer({
    defs: c.defs,
    storage: c.storage,
    module,
    scopes,
    place: (v) => c.place(v),
    own: () => undefined,
  });
  /** The address with a step along one variable; the variable stays a multiple of four. */
  const step = (e: Idx, along: string, by: number): Idx =>
    idxSubstitute(e, (n) => {
      if (n !== along) return undefined;
      // A variable that always is zero has no name to step.
      return idxAdd(idxScale(idxVar(quarterName(along), 2 ** 28), 4), by);
    });
  const { lines } = scopes.root;
  lines.push(`let ${quarterName(rowName)} = ${rowName} / 4u;`);
  lines.push(`let ${quarterName(columnName)} = ${columnName} / 4u;`);
  const four = [0, 1, 2, 3];
  const vectorsAlong = (vector: string, other: string): string[] | null => {
    composer.vectorName = vector;
    const texts = four.map((i) => vectorPosition(composer, step(flat, other, i)));
    composer.vectorName = undefined;
    if (texts.some((t) => t === null)) return null;
    return texts.map((t) => module.load(place, "float32", 4, t!));
  };
  const depthGuard = (i: number, text: string): string =>
    sizes.k % 4 === 0 ? text : `select(vec4f(0f), ${text}, k + ${i}u < ${sizes.k}u)`;
  const lanesGuard = (text: string): string =>
    sizes.k % 4 === 0
      ? text
      : `select(vec4f(0f), ${text}, vec4u(k) + vec4u(0u, 1u, 2u, 3u) < vec4u(${sizes.k}u))`;

  const rows = vectorsAlong(columnName, rowName);
  const columns = rows ? null : vectorsAlong(rowName, columnName);
  const matrix = module.fresh("x");
  if (rows) {
    const guarded = rows.map((t, i) => (side === 1 ? depthGuard(i, t) : lanesGuard(t)));
    lines.push(`let ${matrix} = mat4x4f(${guarded.join(", ")});`);
  } else if (columns) {
    const guarded = columns.map((t, i) => (side === 0 ? depthGuard(i, t) : lanesGuard(t)));
    lines.push(`let ${matrix} = transpose(mat4x4f(${guarded.join(", ")}));`);
  } else {
    const element = (i: number, j: number): string => {
      const at = composer.index(step(step(flat, rowName, i), columnName, j));
      const x = module.load(place, "float32", 1, at);
      const depth = side === 0 ? j : i;
      return sizes.k % 4 === 0 || depth === 0 ? x : `select(0f, ${x}, k + ${depth}u < ${sizes.k}u)`;
    };
    const texts = four.map((i) => `vec4f(${four.map((j) => element(i, j)).join(", ")})`);
    lines.push(`let ${matrix} = mat4x4f(${texts.join(", ")});`);
  }
  const signature = side === 0 ? "batch: u32, m: u32, k: u32" : "batch: u32, k: u32, n: u32";
  return [`fn ${name}(${signature}) -> mat4x4f {`, ...lines, `return ${matrix};`, "}"].join("\n");
}

/** `fn epilogue(batch, m, n, value)`: what becomes of four neighbours of a row of the product. */
function emitEpilogue(k: ContractKernel, c: ContractContext, module: ModuleBuilder): string {
  const { sizes } = k;
  const scopes = new Scopes(["batch", "m", "n", quarterName("n")]);
  let point: Idx = idxConst(0);
  point = idxAdd(idxScale(idxVar("batch", sizes.batch), sizes.m * sizes.n), point);
  point = idxAdd(point, idxScale(idxVar("m", sizes.m), sizes.n));
  point = idxAdd(point, idxVar("n", sizes.n));
  const product = k.eqn.outputs[0]!;
  const values = new Map<Var, Value>([[product, { text: "value", width: 4, dtype: "float32" }]]);
  const composer: Composer = new Composer({
    defs: c.defs,
    storage: c.storage,
    module,
    scopes,
    place: (v) => c.place(v),
    own: (v, flat) => {
      const value = values.get(v);
      if (!value) return undefined;
      if (flat.key === point.key) return value;
      const lane = composer.lanes(point).findIndex((e) => e.key === flat.key);
      if (lane < 0) {
        throw new DawngradError("internal: an epilogue reads its own result at another point");
      }
      return { text: `${value.text}.${"xyzw"[lane]}`, width: 1, dtype: value.dtype };
    },
  });
  composer.vectorName = "n";
  const { lines } = scopes.root;
  lines.push(`let ${quarterName("n")} = n / 4u;`);
  for (const v of k.vars) {
    if (v === product) continue;
    values.set(v, composer.computed(v, idxUnflatten(point, v.aval.shape)));
  }
  for (const v of k.vars) {
    if (!k.stores.has(v)) continue;
    const text = composer.splat(values.get(v)!, 4);
    const vector = vectorPosition(composer, point);
    if (vector !== null) {
      lines.push(module.store(c.place(v), v.aval.dtype, 4, vector, text));
      continue;
    }
    composer.lanes(point).forEach((e, j) => {
      const at = composer.index(e);
      const store = module.store(c.place(v), v.aval.dtype, 1, at, `${text}.${"xyzw"[j]}`);
      lines.push(`if (n + ${j}u < ${sizes.n}u) { ${store} }`);
    });
  }
  return ["fn epilogue(batch: u32, m: u32, n: u32, value: vec4f) {", ...lines, "}"].join("\n");
}

export function emitContract(
  k: ContractKernel,
  c: ContractContext,
  module: ModuleBuilder,
  variant: ContractVariant,
): EmittedContract {
  const t = template(`matmul-${variant}`);
  const functions = {
    load_a: emitLoad(k, c, module, 0, "load_a"),
    load_b: emitLoad(k, c, module, 1, "load_b"),
    epilogue: emitEpilogue(k, c, module),
  };
  const { sizes } = k;
  const [rows, columns] = tileOf(variant, c.target);
  const tilesM = Math.ceil(sizes.m / rows);
  const all: Record<string, number> = {
    SG: c.target.subgroupSize,
    M: sizes.m,
    N: sizes.n,
    K: sizes.k,
    TILES_M: tilesM,
  };
  const constants = Object.fromEntries(t.overrides.map((name) => [name, all[name]!]));
  return {
    text: `${instantiate(t, functions)}\n${module.text("")}`,
    workgroups: [Math.ceil(sizes.n / columns), tilesM * sizes.batch, 1],
    constants,
  };
}

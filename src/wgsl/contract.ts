/** Contractions as instances of the matrix templates, with generated loads and epilogue. */

import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxScale, idxUnflatten, idxVar } from "../ir/index-expr.js";
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

/** `fn epilogue(batch, m, n, value)`: what becomes of four neighbours of a row of the product. */
function emitEpilogue(k: ContractKernel, c: ContractContext, module: ModuleBuilder): string {
  const { sizes } = k;
  const whole = sizesOf(k.eqn);
  const scopes = new Scopes(["batch", "m", "n", quarterName("n")]);
  let point: Idx = idxScale(laneOf(k), whole.m * whole.n);
  point = idxAdd(point, idxScale(rowOf(k), whole.n));
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
    const place = c.place(v);
    const flat = place.base ? idxAdd(point, place.base) : point;
    const vector = vectorPosition(composer, flat);
    if (vector !== null) {
      lines.push(module.store(place, v.aval.dtype, 4, vector, text));
      continue;
    }
    composer.lanes(flat).forEach((e, j) => {
      const at = composer.index(e);
      const store = module.store(place, v.aval.dtype, 1, at, `${text}.${"xyzw"[j]}`);
      lines.push(`if (n + ${j}u < ${sizes.n}u) { ${store} }`);
    });
  }
  return ["fn epilogue(batch: u32, m: u32, n: u32, value: vec4f) {", ...lines, "}"].join("\n");
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
  const values: Record<string, number> = {
    SG: c.target.subgroupSize,
    M: sizes.m,
    N: sizes.n,
    KO: sliding?.outer ?? depth.outer,
    KI: depth.inner,
    TILES_M: tilesM,
    TILES: tiles,
    GRID_Y: gridY,
  };
  const constants = Object.fromEntries(t.overrides.map((v) => [v, values[v]!]));
  const functions = {
    ...left,
    column_b: column_b!,
    load_b: load_b!,
    epilogue,
  };
  return {
    body: instantiate(t, functions, tile.constants),
    workgroups: [Math.ceil(sizes.n / tile.columns), gridY, layers],
    constants,
  };
}

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
      return [16, 4 * target.subgroupSize];
    case "register":
      return [8, 32];
    case "workgroup":
      return [64, 64];
  }
}

/** The template for a kernel on an adapter: the one place where this is decided. */
export function chooseVariant(_k: ContractKernel, target: Target): ContractVariant {
  if (!target.software) return "workgroup";
  return [4, 8, 16].includes(target.subgroupSize) ? "subgroup" : "register";
}

/** What the generated load functions share: the address of an operand and its writer. */
class OperandLoads {
  readonly #k: ContractKernel;
  readonly #module: ModuleBuilder;
  readonly #flat: Idx;
  readonly #place: Place;
  readonly #composer: Composer;
  readonly #scopes: Scopes;
  /** Depths that the template takes at a time. */
  readonly #step: number;

  constructor(
    k: ContractKernel,
    c: ContractContext,
    module: ModuleBuilder,
    side: 0 | 1,
    step: number,
  ) {
    this.#k = k;
    this.#step = step;
    this.#module = module;
    const { sizes } = k;
    const free = side === 0 ? idxVar("m", sizes.m) : idxVar("n", sizes.n);
    const batch = idxVar("batch", sizes.batch);
    const address = addressOf(
      c.defs,
      k.eqn.inputs[side]!,
      operandIndex(k.eqn, side, batch, free, idxVar("k", sizes.k)),
      (v) => c.storage.isStored(v),
    );
    if (!address) throw new DawngradError("internal: an operand of a contraction is not stored");
    this.#flat = address.flat;
    this.#place = c.place(address.source);
    this.#scopes = new Scopes(["batch", "m", "n", "k", ...["m", "n", "k"].map(quarterName)]);
    this.#composer = new Composer({
      defs: c.defs,
      storage: c.storage,
      module,
      scopes: this.#scopes,
      place: (v) => c.place(v),
      own: () => undefined,
    });
  }

  /** The address some steps along; a variable with a step is known to be a multiple of four. */
  #at(steps: Readonly<Record<string, number>>): Idx {
    return idxSubstitute(this.#flat, (name) => {
      const by = steps[name];
      if (by === undefined) return undefined;
      return idxAdd(idxScale(idxVar(quarterName(name), 2 ** 28), 4), by);
    });
  }

  /** The aligned vector of four elements along `name`, if they are one. */
  vector(name: string, steps: Readonly<Record<string, number>>): string | null {
    this.#composer.vectorName = name;
    const at = vectorPosition(this.#composer, this.#at(steps));
    this.#composer.vectorName = undefined;
    return at === null ? null : this.#module.load(this.#place, "float32", 4, at);
  }

  element(steps: Readonly<Record<string, number>>): string {
    return this.#module.load(this.#place, "float32", 1, this.#composer.index(this.#at(steps)));
  }

  /** `text`, or zero at depths beyond the end; `lanes` where the depth runs along the vector. */
  guarded(text: string, depth: number, lanes: boolean): string {
    if (!this.#mayEnd(lanes ? 3 : depth)) return text;
    const { k } = this.#k.sizes;
    if (lanes) return `select(vec4f(0f), ${text}, vec4u(k) + vec4u(0u, 1u, 2u, 3u) < vec4u(${k}u))`;
    return `select(vec4f(0f), ${text}, k + ${depth}u < ${k}u)`;
  }

  scalar(text: string, depth: number): string {
    const { k } = this.#k.sizes;
    return this.#mayEnd(depth) ? `select(0f, ${text}, k + ${depth}u < ${k}u)` : text;
  }

  /** Can a depth of `k + depth` be beyond the end, where k goes by the template's steps? */
  #mayEnd(depth: number): boolean {
    const { k } = this.#k.sizes;
    return k % this.#step !== 0 && (this.#step > 4 || depth > 0);
  }

  fn(signature: string, quarters: readonly string[], result: string): string {
    const lets = quarters.map((name) => `let ${quarterName(name)} = ${name} / 4u;`);
    const { lines } = this.#scopes.root;
    return [`fn ${signature} {`, ...lets, ...lines, `return ${result};`, "}"].join("\n");
  }
}

const four = [0, 1, 2, 3] as const;
/** The list, if none of it is missing. */
const all = (list: readonly (string | null)[]): readonly string[] | null =>
  list.every((x) => x !== null) ? (list as readonly string[]) : null;

/** `fn load_a(batch, m, k) -> vec4f`: a row of A at four depths. */
function emitLoadA(
  k: ContractKernel,
  c: ContractContext,
  module: ModuleBuilder,
  step: number,
): string {
  const loads = new OperandLoads(k, c, module, 0, step);
  const signature = "load_a(batch: u32, m: u32, k: u32) -> vec4f";
  const vector = loads.vector("k", {});
  if (vector !== null) return loads.fn(signature, ["k"], loads.guarded(vector, 0, true));
  const parts = four.map((j) => loads.scalar(loads.element({ k: j }), j));
  return loads.fn(signature, ["k"], `vec4f(${parts.join(", ")})`);
}

/** `fn load_b(batch, k, n) -> mat4x4f`: four depths of B, each at four columns. */
function emitLoadB(
  k: ContractKernel,
  c: ContractContext,
  module: ModuleBuilder,
  step: number,
): string {
  const loads = new OperandLoads(k, c, module, 1, step);
  const signature = "load_b(batch: u32, k: u32, n: u32) -> mat4x4f";
  const rows = all(four.map((i) => loads.vector("n", { k: i })));
  if (rows) {
    const texts = rows.map((text, i) => loads.guarded(text, i, false));
    return loads.fn(signature, ["k", "n"], `mat4x4f(${texts.join(", ")})`);
  }
  const columns = all(four.map((i) => loads.vector("k", { n: i })));
  if (columns) {
    const texts = columns.map((text) => loads.guarded(text, 0, true));
    return loads.fn(signature, ["k", "n"], `transpose(mat4x4f(${texts.join(", ")}))`);
  }
  const texts = four.map((i) => {
    const parts = four.map((j) => loads.scalar(loads.element({ k: i, n: j }), i));
    return `vec4f(${parts.join(", ")})`;
  });
  return loads.fn(signature, ["k", "n"], `mat4x4f(${texts.join(", ")})`);
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
  const step = variant === "workgroup" ? 16 : 4;
  const functions = {
    load_a: emitLoadA(k, c, module, step),
    load_b: emitLoadB(k, c, module, step),
    epilogue: emitEpilogue(k, c, module),
  };
  const { sizes } = k;
  const [rows, columns] = tileOf(variant, c.target);
  const tilesM = Math.ceil(sizes.m / rows);
  const values: Record<string, number> = {
    SG: c.target.subgroupSize,
    M: sizes.m,
    N: sizes.n,
    K: sizes.k,
    TILES_M: tilesM,
  };
  const constants = Object.fromEntries(t.overrides.map((name) => [name, values[name]!]));
  return {
    text: `${instantiate(t, functions)}\n${module.text("")}`,
    workgroups: [Math.ceil(sizes.n / columns), tilesM * sizes.batch, 1],
    constants,
  };
}

/**
 * Windows that slide: rows of A of which the next sees at every tap what this one sees a tap later (or
 * earlier), as in convolutions of stride 1 that keep the size. What is loaded for one serves its neighbours.
 */
import type { Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxConst, idxScale, idxSubstitute, idxVar } from "../ir/index-expr.js";
import {
  type Address,
  addressOf,
  type ContractParams,
  contractionDims,
  type Guard,
  stepOf,
} from "../schedule/contraction.js";
import { type ContractKernel, operandOf } from "../schedule/kernel.js";
import { Composer, vectorBase } from "./compose.js";
import type { LoadContext } from "./contract-loads.js";
import type { ModuleBuilder } from "./module.js";
import { Scopes } from "./scope.js";

/** The depth as `outer` steps of `taps`, of `inner` each. */
export interface Sliding {
  readonly outer: number;
  readonly taps: number;
  readonly inner: number;
  /** Do rows further on see earlier taps? */
  readonly flip: boolean;
  /** Where A's elements lie, in terms of batch, m, t (outer), u (tap) and k. */
  readonly address: Address;
  /** What says, tap by tap, whether there is anything, and its change by one tap. */
  readonly edge: { readonly guard: Guard; readonly step: number } | undefined;
}

/** The windows of a kernel's left operand, if they slide by no more than `most` taps. */
export function slidingOf(k: ContractKernel, c: LoadContext, most: number): Sliding | undefined {
  const { eqn, sizes } = k;
  const [a, b] = eqn.inputs.map((x) => x.aval.shape) as [readonly number[], readonly number[]];
  const { contracted } = contractionDims(a, b, eqn.params as ContractParams);
  let outer = 1;
  for (const taps of contracted) {
    const inner = sizes.k / (outer * taps);
    const found = taps >= 2 && taps <= most && slidingBy(k, c, outer, taps, inner);
    if (found) return found;
    outer *= taps;
  }
  return undefined;
}

function slidingBy(
  k: ContractKernel,
  c: LoadContext,
  outer: number,
  taps: number,
  inner: number,
): Sliding | undefined {
  const step = idxAdd(idxScale(idxVar("t", outer), taps), idxVar("u", taps));
  const depth = idxAdd(idxScale(step, inner), idxVar("k", inner));
  const address = addressOf(c.defs, k.eqn.inputs[0]!, operandOf(k, 0, depth), (v: Var) =>
    c.storage.isStored(v),
  );
  if (!address) return undefined;
  const [byTap, byRow] = [stepOf(address.flat, "u"), stepOf(address.flat, "m")];
  if (!byTap || !byRow || Math.abs(byTap) !== Math.abs(byRow)) return undefined;
  if (stepOf(address.flat, "k") === undefined) return undefined;
  const guards = address.guards.map((guard) => ({
    guard,
    step: stepOf(guard.value, "u"),
    within: stepOf(guard.value, "k"),
  }));
  if (guards.some((g) => g.step === undefined || g.within !== 0)) return undefined;
  const edges = guards.filter((g) => g.step !== 0);
  if (edges.length > 1) return undefined;
  const edge = edges[0] && { guard: edges[0].guard, step: edges[0].step! };
  return { outer, taps, inner, flip: byTap === -byRow, address, edge };
}

const u32 = (n: number): string => `${n >>> 0}u`;

/** `row_a`, `load_a` and `tap_a` of matmul-subgroup-windows. */
export function windowLoads(
  s: Sliding,
  c: LoadContext,
  module: ModuleBuilder,
): { readonly row_a: string; readonly load_a: string; readonly tap_a: string } {
  const { address, edge, inner } = s;
  const place = c.place(address.source);
  const scopes = new Scopes(["batch", "m", "t"]);
  const composer = new Composer({
    ...c,
    module,
    scopes,
    place: (v) => c.place(v),
    own: () => undefined,
  });
  const firstTap = s.flip ? s.taps - 1 : 0;
  const start = (e: Idx): Idx =>
    idxSubstitute(e, (name) =>
      name === "u" ? idxConst(firstTap) : name === "k" ? idxConst(0) : undefined,
    );
  const flat = start(place.base ? idxAdd(address.flat, place.base) : address.flat);
  const step = stepOf(address.flat, "k")!;
  const vector = step === 1 && inner % 4 === 0 ? vectorBase(composer, flat) : null;
  const at = vector === null ? composer.index(flat) : vector;
  const within = ({ lo, hi }: Guard, value: string): string => `(${value} < ${u32(hi - lo)})`;
  const fromLow = (g: Guard): string => composer.index(idxAdd(start(g.value), -g.lo));
  const fixed = address.guards.filter((g) => g !== edge?.guard).map((g) => within(g, fromLow(g)));
  const there = fixed.length === 0 ? "1u" : `select(0u, 1u, ${fixed.join(" & ")})`;
  const first = edge ? fromLow(edge.guard) : "0u";
  const row_a = [
    "fn row_a(batch: u32, m: u32, t: u32) -> vec4u {",
    ...scopes.root.lines,
    `return vec4u(${at}, ${there}, ${first}, 0u);`,
    "}",
  ].join("\n");
  const element = (i: number): string => {
    if (i >= inner) return "0f";
    const one = module.load(place, "float32", 1, `at.x + (k + ${i}u) * ${u32(step)}`);
    return inner % 4 === 0 || i === 0 ? one : `select(0f, ${one}, k + ${i}u < ${inner}u)`;
  };
  const value =
    vector === null
      ? `vec4f(${[0, 1, 2, 3].map(element).join(", ")})`
      : module.load(place, "float32", 4, "at.x + k / 4u");
  const conditions = fixed.length === 0 ? [] : ["(at.y != 0u)"];
  if (edge) {
    const byTap = s.flip ? -edge.step : edge.step;
    conditions.push(within(edge.guard, `at.z + u * ${u32(byTap)}`));
  }
  const seen =
    conditions.length === 0 ? "value" : `select(vec4f(0f), value, ${conditions.join(" & ")})`;
  return {
    row_a,
    load_a: `fn load_a(at: vec4u, k: u32) -> vec4f {\nreturn ${value};\n}`,
    tap_a: `fn tap_a(at: vec4u, u: u32, value: vec4f) -> vec4f {\nreturn ${seen};\n}`,
  };
}

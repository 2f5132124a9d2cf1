/**
 * A condition-based error bound: evaluate in f64 while disturbing every result by a random amount
 * within its primitive's declared `error`, several times, and see how far the outputs move. That
 * is how far a device that keeps every primitive's promise may be off, whatever it fused.
 */
import { sizeOf } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { evalGraph } from "../ir/eval.js";
import type { Eqn, Graph } from "../ir/graph.js";
import type { RunGraph } from "../ir/primitive.js";
import { interpret } from "./interpret.js";

const ULP = 2 ** -23;

/** Deterministic uniform numbers in [0, 1) (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const absolute = (x: NdArray): NdArray =>
  isFloat(x.dtype) ? { ...x, data: (x.data as Float64Array).map(Math.abs) } : x;

/** Largest error, element by element, of one evaluation of `eqn` in f32. */
export function localError(
  eqn: Eqn,
  inputs: readonly NdArray[],
  outputs: readonly NdArray[],
): NdArray[] {
  const { error, kind } = eqn.prim;
  const sums = kind === "reduce" || kind === "contract" || kind === "opaque";
  const avals = eqn.outputs.map((v) => v.aval);
  // A sum's error is relative to the sum of its terms' magnitudes.
  const scale =
    sums && error.ulp > 0 ? eqn.prim.ref(inputs.map(absolute), eqn.params, avals) : outputs;
  return outputs.map((out, k) => {
    const terms = sums
      ? Math.max(1, ...inputs.map((x) => x.data.length / Math.max(1, sizeOf(out.shape))))
      : 1;
    const factor = error.ulp * ULP * Math.sqrt(terms);
    const magnitude = scale[k]!.data;
    return ndarray(
      out.shape,
      "float32",
      Array.from(out.data, (_, i) => factor * Math.abs(magnitude[i]!) + (error.abs ?? 0)),
    );
  });
}

/** Outputs of a graph with every float result disturbed within its declared error. */
export function interpretPerturbed(
  graph: Graph,
  inputs: readonly NdArray[],
  random: () => number,
): NdArray[] {
  const round = (x: number): number => x * (1 + (2 * random() - 1) * 0.5 * ULP);
  const apply = (eqn: Eqn, ins: readonly NdArray[]): NdArray[] => {
    const outs = eqn.prim.ref(
      ins,
      eqn.params,
      eqn.outputs.map((v) => v.aval),
      run,
    );
    const { error } = eqn.prim;
    if (error.ulp === 0 && !error.abs) return outs;
    const bounds = localError(eqn, ins, outs);
    return outs.map((out, k) => {
      if (!isFloat(out.dtype)) return out;
      const bound = bounds[k]!.data;
      const data = (out.data as Float64Array).map((x, i) =>
        Number.isFinite(x) ? x + (2 * random() - 1) * bound[i]! : x,
      );
      return { ...out, data };
    });
  };
  const run: RunGraph = (g, values) =>
    evalGraph<NdArray>(
      g,
      values,
      (x) => ndarray([], x.aval.dtype, isFloat(x.aval.dtype) ? round(x.value) : x.value),
      apply,
    );
  return run(graph, inputs);
}

/**
 * A bound for |device − reference| of each output element: `safety` times the largest movement over
 * `samples` disturbed evaluations, plus half a unit in the last place of the result.
 */
export function errorBound(
  graph: Graph,
  inputs: readonly NdArray[],
  { samples = 4, safety = 8, seed = 1 } = {},
): NdArray[] {
  const exact = interpret(graph, inputs);
  const random = uniforms(seed);
  const worst = exact.map((x) => new Float64Array(x.data.length));
  for (let s = 0; s < samples; s++) {
    interpretPerturbed(graph, inputs, random).forEach((y, k) => {
      const x = exact[k]!.data;
      const w = worst[k]!;
      for (let i = 0; i < w.length; i++) w[i] = Math.max(w[i]!, Math.abs(y.data[i]! - x[i]!));
    });
  }
  return exact.map((x, k) =>
    ndarray(
      x.shape,
      "float32",
      Array.from(worst[k]!, (w, i) => safety * w + 0.5 * ULP * Math.abs(x.data[i]!)),
    ),
  );
}

/** The oracle: evaluates a graph on the host in f64 over each primitive's `ref`. */
import { showAval } from "../core/aval.js";
import { DawngradError } from "../core/errors.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { evalGraph } from "../ir/eval.js";
import type { Graph } from "../ir/graph.js";
import type { RunGraph } from "../ir/primitive.js";

export interface Interpretation {
  readonly outputs: NdArray[];
  /** Smallest distance of any intermediate value from a kink of its primitive. */
  readonly kink: number;
}

/** Outputs of a graph on host arrays. */
export const interpret = (graph: Graph, inputs: readonly NdArray[]): NdArray[] =>
  interpretWithKink(graph, inputs).outputs;

/** As `interpret`, recording how near the evaluation came to a non-smooth point. */
export function interpretWithKink(graph: Graph, inputs: readonly NdArray[]): Interpretation {
  graph.inputs.forEach((v, i) => {
    const x = inputs[i];
    if (!x || showAval(x) !== showAval(v.aval)) {
      throw new DawngradError(
        `reference: input ${i} should be ${showAval(v.aval)} but is ${x ? showAval(x) : "missing"}`,
      );
    }
  });
  let kink = Number.POSITIVE_INFINITY;
  const run: RunGraph = (g, values) =>
    evalGraph<NdArray>(
      g,
      values,
      (x) => ndarray([], x.aval.dtype, x.value),
      ({ prim, params, outputs }, ins) => {
        if (prim.kink) kink = Math.min(kink, prim.kink(ins, params));
        return prim.ref(
          ins,
          params,
          outputs.map((v) => v.aval),
          run,
        );
      },
    );
  return { outputs: run(graph, inputs), kink };
}

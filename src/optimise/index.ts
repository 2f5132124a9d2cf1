/** Passes that keep a graph's meaning: each is idempotent. */
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Graph } from "../ir/graph.js";
import { dce } from "./dce.js";

export { dce } from "./dce.js";

/**
 * Bind every equation again: the builder merges equal equations and applies the primitives'
 * `simplify` rules, which may have become applicable since the equation was made.
 */
export const simplify = (graph: Graph): Graph =>
  buildGraph(graph.inputAvals, (inputs) => inlineGraph(graph, inputs));

/** Simplify and eliminate until nothing changes. */
export function optimise(graph: Graph): Graph {
  let out = dce(simplify(graph));
  for (;;) {
    const next = dce(simplify(out));
    if (next.eqns.length >= out.eqns.length) return out;
    out = next;
  }
}

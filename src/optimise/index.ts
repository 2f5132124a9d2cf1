/** Passes that keep a graph's meaning: each is idempotent. */
import { bind, buildGraph } from "../ir/builder.js";
import { evalGraph } from "../ir/eval.js";
import type { Atom, Graph } from "../ir/graph.js";
import { mapSubGraphs, subGraphs } from "../ir/subgraphs.js";
import { dce } from "./dce.js";

export { dce } from "./dce.js";

/**
 * Bind every equation again: the builder merges equal equations and applies the primitives'
 * `simplify` rules, which may have become applicable since the equation was made. Sub-graphs are
 * optimised first, and wrappers give way to what they stand for.
 */
export const simplify = (graph: Graph): Graph =>
  buildGraph(graph.inputAvals, (inputs) =>
    evalGraph<Atom>(
      graph,
      inputs,
      (x) => x,
      ({ prim, params }, ins) =>
        prim.wrapper ? prim.lower!(ins, params) : bind(prim, ins, mapSubGraphs(params, optimise)),
    ),
  );

const finished = new WeakSet<Graph>();

const size = (graph: Graph): number =>
  graph.eqns.reduce(
    (n, eqn) => n + 1 + eqn.outputs.length + subGraphs(eqn.params).reduce((m, g) => m + size(g), 0),
    0,
  );

/** Simplify and eliminate until nothing changes. */
export function optimise(graph: Graph): Graph {
  if (finished.has(graph)) return graph;
  let out = dce(simplify(graph));
  for (;;) {
    const next = dce(simplify(out));
    if (size(next) >= size(out)) {
      finished.add(out);
      return out;
    }
    out = next;
  }
}

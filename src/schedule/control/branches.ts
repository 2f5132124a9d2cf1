/** Branches that cost less than asking which one to take: all are computed, and one is selected. */
import { sizeOf } from "../../core/aval.js";
import { bind, buildGraph, lit } from "../../ir/builder.js";
import { evalGraph, inlineGraph } from "../../ir/eval.js";
import type { Atom, Eqn, Graph } from "../../ir/graph.js";
import { mapSubGraphs } from "../../ir/subgraphs.js";
import { broadcastInDim, le, select } from "../../prims/index.js";
import { type ContractParams, contractionDims, matrixSizes } from "../contraction.js";
import { expand } from "../lower.js";
import type { Target } from "../target.js";

/** Operations that the dispatches of a guarded branch are worth. */
export const branchLimit = (target: Target): number => (target.software ? 2 ** 18 : 2 ** 21);

function costOf(eqn: Eqn): number {
  const { prim, inputs, outputs, params } = eqn;
  const size = (x: Atom) => sizeOf(x.aval.shape);
  if (prim.kind === "structured") return Number.POSITIVE_INFINITY;
  if (prim.kind === "reduce") return inputs.reduce((n, x) => n + size(x), 0);
  if (prim.kind === "contract") {
    const [a, b] = inputs as [Atom, Atom];
    const dims = contractionDims(a.aval.shape, b.aval.shape, params as ContractParams);
    const { batch, m, n, k } = matrixSizes(dims);
    return 2 * batch * m * n * k;
  }
  return outputs.reduce((n, v) => n + size(v), 0) * (prim.cost ?? 1);
}

const cost = (graph: Graph): number => graph.eqns.reduce((n, eqn) => n + costOf(eqn), 0);

/**
 * A graph of straight parts and loops, with cheap branches as selections. Opaque equations are expanded,
 * in bodies too: loops may be within.
 */
export function selectBranches(given: Graph, limit: number): Graph {
  const graph = given.eqns.some((eqn) => eqn.prim.kind === "opaque") ? expand(given, []) : given;
  if (!graph.eqns.some((eqn) => eqn.prim.kind === "structured")) return graph;
  return buildGraph(graph.inputAvals, (inputs) =>
    evalGraph<Atom>(
      graph,
      inputs,
      (x) => x,
      (eqn, ins) => {
        const params = mapSubGraphs(eqn.params, (g) => selectBranches(g, limit));
        const control = eqn.prim.control?.(params);
        if (control?.kind !== "branch") return bind(eqn.prim, ins, params);
        const total = control.branches.reduce((n, b) => n + cost(b), 0);
        if (total > limit) return bind(eqn.prim, ins, params);
        return selected(control.branches, ins[0]!, ins.slice(1));
      },
    ),
  );
}

function selected(branches: readonly Graph[], index: Atom, operands: readonly Atom[]): Atom[] {
  const results = branches.map((b) => inlineGraph(b, operands));
  let outputs = results.at(-1)!;
  for (let k = branches.length - 2; k >= 0; k--) {
    const taken = le(index, lit(k, "int32"));
    outputs = outputs.map((x, i) => {
      const { shape } = x.aval;
      const mask = shape.length > 0 ? broadcastInDim(taken, shape, []) : taken;
      return select(mask, results[k]![i]!, x);
    });
  }
  return outputs;
}

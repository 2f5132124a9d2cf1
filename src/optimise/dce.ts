/** Dead-code elimination. Inputs stay: they are the graph's signature. */
import { type Atom, type Eqn, Graph, Lit, type Var } from "../ir/graph.js";

export function dce(graph: Graph): Graph {
  const live = new Set<Var>();
  const mark = (x: Atom): void => {
    if (!(x instanceof Lit)) live.add(x);
  };
  graph.outputs.forEach(mark);
  const kept: Eqn[] = [];
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = graph.eqns[i]!;
    if (!eqn.prim.effects && !eqn.outputs.some((v) => live.has(v))) continue;
    kept.push(eqn);
    eqn.inputs.forEach(mark);
  }
  return new Graph(graph.inputs, kept.reverse(), graph.outputs);
}

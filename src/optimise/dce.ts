/** Dead-code elimination. Inputs stay: they are the graph's signature. */
import { type Atom, type Eqn, Graph, Lit, type Var } from "../ir/graph.js";
import { hasEffects } from "../ir/subgraphs.js";

export function dce(graph: Graph): Graph {
  const live = new Set<Var>();
  const mark = (x: Atom): void => {
    if (!(x instanceof Lit)) live.add(x);
  };
  graph.outputs.forEach(mark);
  const kept: Eqn[] = [];
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = graph.eqns[i]!;
    const used = eqn.outputs.map((v) => live.has(v));
    const needed = used.includes(true);
    const effects = hasEffects(eqn);
    if (!needed && !effects) continue;
    // A loop, say, drops what it computes for outputs that nobody reads.
    const smaller = needed && !effects ? eqn.prim.dce?.(eqn, used) : null;
    const keep = smaller ?? eqn;
    kept.push(keep);
    keep.inputs.forEach(mark);
  }
  return new Graph(graph.inputs, kept.reverse(), graph.outputs);
}

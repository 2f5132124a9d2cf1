/** Vectorise: the same graph over a lane axis, which is axis 0 of every mapped value. */
import { aval } from "../core/aval.js";
import { bind, buildGraph } from "../ir/builder.js";
import { type Atom, type Graph, Lit, type Var } from "../ir/graph.js";

export interface BatchedGraph {
  readonly graph: Graph;
  /** Which outputs carry the lane axis (at 0); the others do not depend on the lane. */
  readonly outMapped: readonly boolean[];
}

export function batchGraph(graph: Graph, mapped: readonly boolean[], size: number): BatchedGraph {
  const avals = graph.inputAvals.map((a, i) => (mapped[i] ? aval([size, ...a.shape], a.dtype) : a));
  const outMapped: boolean[] = [];
  const out = buildGraph(avals, (inputs) => {
    const value = new Map<Var, Atom>();
    const lanes = new Set<Var>();
    graph.inputs.forEach((v, i) => {
      value.set(v, inputs[i]!);
      if (mapped[i]) lanes.add(v);
    });
    const isMapped = (x: Atom): boolean => !(x instanceof Lit) && lanes.has(x);
    const read = (x: Atom): Atom => (x instanceof Lit ? x : value.get(x)!);
    for (const eqn of graph.eqns) {
      const ins = eqn.inputs.map(read);
      const flags = eqn.inputs.map(isMapped);
      const any = flags.some((m) => m);
      const outs = any
        ? eqn.prim.batch({ inputs: ins, mapped: flags, size, params: eqn.params })
        : bind(eqn.prim, ins, eqn.params);
      eqn.outputs.forEach((v, i) => {
        value.set(v, outs[i]!);
        if (any) lanes.add(v);
      });
    }
    outMapped.push(...graph.outputs.map(isMapped));
    return graph.outputs.map(read);
  });
  return { graph: out, outMapped };
}

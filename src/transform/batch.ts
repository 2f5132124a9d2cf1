/** Vectorise: the same graph over a lane axis, which is axis 0 of every mapped value. */
import { aval } from "../core/aval.js";
import { bind, buildGraph } from "../ir/builder.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "../ir/graph.js";
import type { CollectiveResult } from "../ir/primitive.js";

export interface BatchedGraph {
  readonly graph: Graph;
  /** Which outputs carry the lane axis (at 0); the others do not depend on the lane. */
  readonly outMapped: readonly boolean[];
}

/** `axisName` is the name of the lane axis, for the collectives over it. */
export function batchGraph(
  graph: Graph,
  mapped: readonly boolean[],
  size: number,
  axisName?: string,
): BatchedGraph {
  const avals = graph.inputAvals.map((a, i) => (mapped[i] ? aval([size, ...a.shape], a.dtype) : a));
  const outMapped: boolean[] = [];
  const batchEqn = (
    { prim, params }: Eqn,
    inputs: readonly Atom[],
    flags: readonly boolean[],
  ): CollectiveResult => {
    const args = { inputs, mapped: flags, size, params };
    if (prim.collective && (params as { axisName?: string }).axisName === axisName) {
      return prim.collective(args);
    }
    if (!flags.some((m) => m)) return { outputs: bind(prim, inputs, params), mapped: false };
    return { outputs: prim.batch(args), mapped: true };
  };
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
      const { outputs, mapped: any } = batchEqn(eqn, ins, flags);
      eqn.outputs.forEach((v, i) => {
        value.set(v, outputs[i]!);
        if (any) lanes.add(v);
      });
    }
    outMapped.push(...graph.outputs.map(isMapped));
    return graph.outputs.map(read);
  });
  return { graph: out, outMapped };
}

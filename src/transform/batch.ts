/** Vectorise: the same graph over a lane axis, which is axis 0 of every mapped value. */
import { aval } from "../core/aval.js";
import { bind, buildGraph } from "../ir/builder.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "../ir/graph.js";
import { withOriginOf } from "../ir/origin.js";
import type { BatchedOutputs } from "../ir/primitive.js";
import { subGraphs } from "../ir/subgraphs.js";

export interface BatchedGraph {
  readonly graph: Graph;
  /** Which outputs carry the lane axis (at 0); the others do not depend on the lane. */
  readonly outMapped: readonly boolean[];
}

const isCollective = ({ prim, params }: Eqn, axisName: string | undefined): boolean =>
  prim.collective !== undefined && (params as { axisName?: string }).axisName === axisName;

/** Does a sub-graph of the equation communicate over the axis? */
const communicates = (eqn: Eqn, axisName: string | undefined): boolean =>
  axisName !== undefined &&
  subGraphs(eqn.params).some((g) =>
    g.eqns.some((e) => isCollective(e, axisName) || communicates(e, axisName)),
  );

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
    eqn: Eqn,
    inputs: readonly Atom[],
    flags: readonly boolean[],
  ): BatchedOutputs => {
    const { prim, params } = eqn;
    const args = { inputs, mapped: flags, size, params, axisName };
    const all = (mapped: boolean) => eqn.outputs.map(() => mapped);
    if (isCollective(eqn, axisName)) {
      const { outputs, mapped } = prim.collective!(args);
      return { outputs, mapped: all(mapped) };
    }
    if (!flags.includes(true) && !communicates(eqn, axisName)) {
      return { outputs: bind(prim, inputs, params), mapped: all(false) };
    }
    return prim.batchPartly?.(args) ?? { outputs: prim.batch(args), mapped: all(true) };
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
      const { outputs, mapped: lane } = withOriginOf(eqn, () => batchEqn(eqn, ins, flags));
      eqn.outputs.forEach((v, i) => {
        value.set(v, outputs[i]!);
        if (lane[i]) lanes.add(v);
      });
    }
    outMapped.push(...graph.outputs.map(isMapped));
    return graph.outputs.map(read);
  });
  return { graph: out, outMapped };
}

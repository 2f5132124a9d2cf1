/** Forward mode: a graph of primals and tangents from a graph of primals. */
import { isFloat } from "../core/dtype.js";
import { bind, buildGraph } from "../ir/builder.js";
import { type Atom, type Graph, Lit, type Var } from "../ir/graph.js";
import { withOriginOf } from "../ir/origin.js";

export interface JvpGraph {
  /** Inputs: the primals, then tangents of the inputs in `mask`. Outputs: primals, then tangents. */
  readonly graph: Graph;
  /** Which outputs have a tangent; the others' tangents are zero (or the output is an integer). */
  readonly outMask: readonly boolean[];
}

/** JVP of a graph with respect to the inputs in `mask` (floats only). */
export function jvpGraph(graph: Graph, mask: readonly boolean[]): JvpGraph {
  const avals = graph.inputAvals;
  const outMask: boolean[] = [];
  const out = buildGraph([...avals, ...avals.filter((_, i) => mask[i])], (inputs) => {
    const primal = new Map<Var, Atom>();
    const tangent = new Map<Var, Atom>();
    let next = avals.length;
    graph.inputs.forEach((v, i) => {
      primal.set(v, inputs[i]!);
      if (mask[i]) tangent.set(v, inputs[next++]!);
    });
    const read = (x: Atom): Atom => (x instanceof Lit ? x : primal.get(x)!);
    const readTangent = (x: Atom): Atom | null =>
      x instanceof Lit ? null : (tangent.get(x) ?? null);
    for (const eqn of graph.eqns) {
      const primals = eqn.inputs.map(read);
      const tangents = eqn.inputs.map(readTangent);
      const constant = tangents.every((t) => t === null);
      if (eqn.prim.jvpJoint && !constant) {
        const joint = withOriginOf(eqn, () =>
          eqn.prim.jvpJoint!({ primals, tangents, params: eqn.params }),
        );
        eqn.outputs.forEach((v, i) => {
          primal.set(v, joint.outputs[i]!);
          const t = joint.tangents[i] ?? null;
          if (t !== null && isFloat(v.aval.dtype)) tangent.set(v, t);
        });
        continue;
      }
      const outputs = withOriginOf(eqn, () => bind(eqn.prim, primals, eqn.params));
      eqn.outputs.forEach((v, i) => {
        primal.set(v, outputs[i]!);
      });
      if (!eqn.prim.jvp || constant) continue;
      const outs = withOriginOf(eqn, () =>
        eqn.prim.jvp!({ primals, tangents, outputs, params: eqn.params }),
      );
      eqn.outputs.forEach((v, i) => {
        const t = outs[i] ?? null;
        if (t !== null && isFloat(v.aval.dtype)) tangent.set(v, t);
      });
    }
    const tangents = graph.outputs.map(readTangent);
    outMask.push(...tangents.map((t) => t !== null));
    return [...graph.outputs.map(read), ...tangents.filter((t) => t !== null)];
  });
  return { graph: out, outMask };
}

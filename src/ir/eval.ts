/** The one walker over a graph's equations; interpreters and transforms give it their meaning. */
import { DawngradError } from "../core/errors.js";
import { bind } from "./builder.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "./graph.js";
import { withOriginOf } from "./origin.js";

/**
 * Evaluate a graph with values of any type: `lit` makes one from a constant, `apply` gives an
 * equation's outputs from its inputs.
 */
export function evalGraph<T>(
  graph: Graph,
  inputs: readonly T[],
  lit: (x: Lit) => T,
  apply: (eqn: Eqn, inputs: readonly T[]) => readonly T[],
): T[] {
  if (inputs.length !== graph.inputs.length) {
    throw new DawngradError(
      `internal: a graph of ${graph.inputs.length} inputs was given ${inputs.length}`,
    );
  }
  const env = new Map<Var, T>();
  graph.inputs.forEach((v, i) => {
    env.set(v, inputs[i]!);
  });
  const read = (x: Atom): T => (x instanceof Lit ? lit(x) : env.get(x)!);
  for (const eqn of graph.eqns) {
    const outs = withOriginOf(eqn, () => apply(eqn, eqn.inputs.map(read)));
    eqn.outputs.forEach((v, i) => {
      env.set(v, outs[i]!);
    });
  }
  return graph.outputs.map(read);
}

/** Copy a graph's equations into the innermost builder, on the given atoms. */
export function inlineGraph(graph: Graph, inputs: readonly Atom[]): Atom[] {
  return evalGraph<Atom>(
    graph,
    inputs,
    (x) => x,
    (eqn, ins) => bind(eqn.prim, ins, eqn.params),
  );
}

/** Transpose a graph that is linear in some inputs: cotangents flow from outputs to inputs. */
import { type Aval, showAval } from "../core/aval.js";
import { DawngradError } from "../core/errors.js";
import { bind, buildGraph } from "../ir/builder.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "../ir/graph.js";
import { withOriginOf } from "../ir/origin.js";
import { add } from "../prims/index.js";
import { zeros } from "./zeros.js";

/** The graphs that jvp makes are linear in the tangents, unless a rule of the user's is not. */
const notLinear = (eqn: Eqn, cause?: unknown): DawngradError =>
  new DawngradError(
    `reverse mode: ${eqn.prim.name} of ${eqn.inputs.map((x) => showAval(x.aval)).join(" and ")} is not ` +
      "linear in tangents; a customJvp rule must give a tangent that is linear in the tangents it gets: " +
      "their sums, and their products with functions of the primals",
    { cause },
  );

export interface TransposedGraph {
  /**
   * Inputs: the non-linear inputs, then a cotangent for each output in `cotangents`.
   * Outputs: a cotangent for each linear input (zeros where none arrives).
   */
  readonly graph: Graph;
}

/**
 * `linear` marks the inputs that the graph is linear in; `cotangents` the outputs for which a
 * cotangent is given (the others' are zero).
 */
export function transposeGraph(
  graph: Graph,
  linear: readonly boolean[],
  cotangents: readonly boolean[] = graph.outputs.map(() => true),
): TransposedGraph {
  const fixed = graph.inputs.filter((_, i) => !linear[i]);
  const avals: Aval[] = [
    ...fixed.map((v) => v.aval),
    ...graph.outputs.filter((_, i) => cotangents[i]).map((x) => x.aval),
  ];
  const out = buildGraph(avals, (inputs) => {
    const value = new Map<Var, Atom>();
    fixed.forEach((v, i) => {
      value.set(v, inputs[i]!);
    });
    const linearVars = new Set<Var>(graph.inputs.filter((_, i) => linear[i]));
    const isLinear = (x: Atom): boolean => !(x instanceof Lit) && linearVars.has(x);
    const read = (x: Atom): Atom => (x instanceof Lit ? x : value.get(x)!);
    // Forward: everything that does not depend on a linear input.
    const pending: Eqn[] = [];
    const evaluate = (eqn: Eqn): void => {
      const outs = withOriginOf(eqn, () => bind(eqn.prim, eqn.inputs.map(read), eqn.params));
      eqn.outputs.forEach((v, i) => {
        value.set(v, outs[i]!);
      });
    };
    const postpone = (eqn: Eqn): void => {
      if (eqn.prim.effects) {
        throw new DawngradError(
          "debug.print or debug.callback of a tangent has no transpose: in reverse mode print the value, or " +
            "the cotangent in a customVjp rule",
        );
      }
      for (const v of eqn.outputs) linearVars.add(v);
      pending.push(eqn);
    };
    for (const eqn of graph.eqns) {
      const unknown = eqn.inputs.map(isLinear);
      if (!unknown.includes(true)) {
        evaluate(eqn);
        continue;
      }
      // Of an equation with parts, those that are not linear come first (a loop's counter, say).
      const parts = eqn.prim.partialEval?.(eqn, unknown);
      parts?.known.forEach(evaluate);
      (parts?.unknown ?? [eqn]).forEach(postpone);
    }
    // Backward: accumulate cotangents from the last equation to the first.
    const ct = new Map<Var, Atom>();
    const accumulate = (x: Atom, c: Atom): void => {
      if (!isLinear(x)) return;
      const v = x as Var;
      const have = ct.get(v);
      ct.set(v, have ? add(have, c) : c);
    };
    let next = fixed.length;
    graph.outputs.forEach((x, i) => {
      if (cotangents[i]) accumulate(x, inputs[next++]!);
    });
    for (const eqn of pending.reverse()) {
      const cts = eqn.outputs.map((v) => ct.get(v) ?? null);
      if (cts.every((c) => c === null)) continue;
      if (!eqn.prim.transpose) {
        throw notLinear(eqn);
      }
      const values = eqn.inputs.map((x) => (isLinear(x) ? null : read(x)));
      const ins = withOriginOf(eqn, () => {
        try {
          return eqn.prim.transpose!({
            cotangents: cts,
            inputs: values,
            avals: eqn.inputs.map((x) => x.aval),
            params: eqn.params,
          });
        } catch (cause) {
          // The rule needed the value of an operand that is a tangent: t · t, 1 / t.
          if (cause instanceof TypeError && values.includes(null)) throw notLinear(eqn, cause);
          throw cause;
        }
      });
      eqn.inputs.forEach((x, i) => {
        const c = ins[i];
        if (c && isLinear(x)) accumulate(x, c);
      });
    }
    return graph.inputs.filter((_, i) => linear[i]).map((v) => ct.get(v) ?? zeros(v.aval));
  });
  return { graph: out };
}

/** Partial evaluation: split a graph into what is known early and what is not. */
import { sizeOf } from "../core/aval.js";
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { type Atom, type Eqn, Graph, Lit, Var } from "../ir/graph.js";

export interface UnzippedGraph {
  /** Inputs: the known inputs. Outputs: `known` outputs, then the residuals. */
  readonly known: Graph;
  /** Inputs: the residuals, then the unknown inputs. Outputs: the rest of the outputs. */
  readonly unknown: Graph;
  readonly residuals: number;
}

/**
 * Split by inputs: an equation is known when all its inputs are. The first `knownOutputs` outputs
 * must depend on known inputs only. Values that only repeat smaller ones (broadcasts) are computed
 * again from their operand instead of being kept as residuals.
 */
export function unzipGraph(
  graph: Graph,
  knownInputs: readonly boolean[],
  knownOutputs: number,
): UnzippedGraph {
  const unknownVars = new Set<Var>();
  graph.inputs.forEach((v, i) => {
    if (!knownInputs[i]) unknownVars.add(v);
  });
  const isUnknown = (x: Atom): boolean => x instanceof Var && unknownVars.has(x);
  const definition = new Map<Var, Eqn>();
  const early: Eqn[] = [];
  const late: Eqn[] = [];
  for (const eqn of graph.eqns) {
    if (eqn.inputs.some(isUnknown)) {
      for (const v of eqn.outputs) unknownVars.add(v);
      late.push(eqn);
    } else {
      for (const v of eqn.outputs) definition.set(v, eqn);
      early.push(eqn);
    }
  }
  const lateOutputs = graph.outputs.slice(knownOutputs);
  const residuals = new Set<Var>();
  const again = new Set<Eqn>();
  const need = (x: Atom): void => {
    if (x instanceof Lit || isUnknown(x) || residuals.has(x)) return;
    const eqn = definition.get(x);
    if (eqn && repeats(eqn)) {
      if (!again.has(eqn)) {
        again.add(eqn);
        eqn.inputs.forEach(need);
      }
      return;
    }
    residuals.add(x);
  };
  for (const eqn of late) eqn.inputs.forEach(need);
  lateOutputs.forEach(need);

  const res = [...residuals];
  const known = new Graph(
    graph.inputs.filter((_, i) => knownInputs[i]),
    early,
    [...graph.outputs.slice(0, knownOutputs), ...res],
  );
  const unknownInputs = graph.inputs.filter((_, i) => !knownInputs[i]);
  const repeated = early.filter((e) => again.has(e));
  const unknown = new Graph([...res, ...unknownInputs], [...repeated, ...late], lateOutputs);
  return { known, unknown: copyGraph(unknown), residuals: res.length };
}

const repeats = (eqn: Eqn): boolean =>
  eqn.prim.kind === "view" &&
  sizeOf(eqn.outputs[0]!.aval.shape) >
    eqn.inputs.reduce((n, x) => n + (x instanceof Lit ? 0 : sizeOf(x.aval.shape)), 0);

/** A copy with variables of its own, so that two graphs never share a variable. */
export const copyGraph = (graph: Graph): Graph =>
  buildGraph(graph.inputAvals, (inputs) => inlineGraph(graph, inputs));

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

/** Equations in the order of time: what needs only known inputs, and the rest. */
export interface Split {
  readonly early: readonly Eqn[];
  readonly late: readonly Eqn[];
  isUnknown(x: Atom): boolean;
}

/** An equation is known when all its inputs are; those that can be split are. */
export function splitGraph(graph: Graph, knownInputs: readonly boolean[]): Split {
  const unknownVars = new Set<Var>();
  graph.inputs.forEach((v, i) => {
    if (!knownInputs[i]) unknownVars.add(v);
  });
  const isUnknown = (x: Atom): boolean => x instanceof Var && unknownVars.has(x);
  const early: Eqn[] = [];
  const late: Eqn[] = [];
  for (const eqn of graph.eqns) {
    const unknown = eqn.inputs.map(isUnknown);
    if (!unknown.includes(true)) {
      early.push(eqn);
      continue;
    }
    const parts = eqn.prim.partialEval?.(eqn, unknown);
    early.push(...(parts?.known ?? []));
    for (const e of parts?.unknown ?? [eqn]) {
      for (const v of e.outputs) unknownVars.add(v);
      late.push(e);
    }
  }
  return { early, late, isUnknown };
}

/**
 * Split by inputs. `knownOutputs` says which outputs the known graph gives (a number: the first so
 * many); they must depend on known inputs only. Values that only repeat smaller ones (broadcasts) are
 * computed again from their operand instead of being kept as residuals.
 */
export function unzipGraph(
  graph: Graph,
  knownInputs: readonly boolean[],
  knownOutputs: number | readonly boolean[],
): UnzippedGraph {
  const isEarly = (i: number): boolean =>
    typeof knownOutputs === "number" ? i < knownOutputs : knownOutputs[i] === true;
  const { early, late, isUnknown } = splitGraph(graph, knownInputs);
  const definition = new Map<Var, Eqn>();
  for (const eqn of early) for (const v of eqn.outputs) definition.set(v, eqn);
  const lateOutputs = graph.outputs.filter((_, i) => !isEarly(i));
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
    [...graph.outputs.filter((_, i) => isEarly(i)), ...res],
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

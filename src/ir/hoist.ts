/**
 * Constants within sub-graphs become inputs, by the convention that trailing inputs of an equation
 * reach each of its sub-graphs: their values are data of a run, as those of the outermost graph are.
 */
import { type Atom, type Eqn, Graph, Lit, Var } from "./graph.js";
import { mapSubGraphs, subGraphs } from "./subgraphs.js";

/** Constants taken out of the sub-graphs of an equation. */
export interface Hoisted<P extends object> {
  /** Each sub-graph has one further input for every constant in `lits`. */
  readonly params: P;
  /** In the order of `graphLits`: what to append to the equation's inputs. */
  readonly lits: readonly Lit[];
}

/** The constants within sub-graphs as inputs of them, so that their values are data of a run. */
export function hoistLits<P extends object>(params: P): Hoisted<P> {
  const closed = subGraphs(params).map(liftConstants);
  const lits = closed.flatMap((c) => c.lits);
  let next = 0;
  let before = 0;
  const hoisted = mapSubGraphs(params, () => {
    const { graph, own } = closed[next++]!;
    // Every graph takes all constants; those of the others it ignores.
    const rest = (from: number, to: number) => lits.slice(from, to).map((x) => new Var(x.aval));
    const inputs = [
      ...graph.inputs,
      ...rest(0, before),
      ...own,
      ...rest(before + own.length, lits.length),
    ];
    before += own.length;
    return new Graph(inputs, graph.eqns, graph.outputs);
  });
  return { params: hoisted, lits };
}

function liftConstants(graph: Graph): { graph: Graph; own: readonly Var[]; lits: readonly Lit[] } {
  const own: Var[] = [];
  const lits: Lit[] = [];
  const variable = (x: Lit): Var => {
    const v = new Var(x.aval);
    own.push(v);
    lits.push(x);
    return v;
  };
  const lift = (x: Atom): Atom => (x instanceof Lit ? variable(x) : x);
  const eqns = graph.eqns.map((eqn): Eqn => {
    const within = hoistLits(eqn.params);
    const extra = within.lits.map(variable);
    return { ...eqn, inputs: [...eqn.inputs.map(lift), ...extra], params: within.params };
  });
  // The equation's own constants come after those of its sub-graphs in `graphLits`.
  return { graph: new Graph(graph.inputs, eqns, graph.outputs.map(lift)), own, lits };
}

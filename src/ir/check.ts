/** The type checker of graphs: run over the output of every pass in tests. */
import { avalsEqual, showAval } from "../core/aval.js";
import { DawngradError } from "../core/errors.js";
import { type Atom, type Graph, Lit, Var } from "./graph.js";
import { subGraphs } from "./subgraphs.js";

/** Sub-graphs are checked too. Throws when a variable is used before its definition or an aval disagrees with its primitive. */
export function checkGraph(graph: Graph): void {
  const defined = new Set<Var>();
  const define = (v: Var, where: string) => {
    if (defined.has(v)) throw new DawngradError(`check: ${where} defines a variable twice`);
    defined.add(v);
  };
  const use = (x: Atom, where: string) => {
    if (x instanceof Lit) {
      if (x.aval.shape.length !== 0) {
        throw new DawngradError(`check: ${where} has a constant of shape ${showAval(x.aval)}`);
      }
    } else if (!(x instanceof Var) || !defined.has(x)) {
      throw new DawngradError(`check: ${where} uses a variable before its definition`);
    }
  };
  for (const v of graph.inputs) define(v, "the input list");
  for (const eqn of graph.eqns) {
    const where = eqn.prim.name;
    for (const x of eqn.inputs) use(x, where);
    for (const g of subGraphs(eqn.params)) checkGraph(g);
    const want = eqn.prim.aval(
      eqn.inputs.map((x) => x.aval),
      eqn.params,
    );
    const same =
      want.length === eqn.outputs.length &&
      want.every((a, i) => avalsEqual(a, eqn.outputs[i]!.aval));
    if (!same) {
      const show = (list: readonly { aval: Parameters<typeof showAval>[0] }[]) =>
        list.map((v) => showAval(v.aval)).join(" ");
      throw new DawngradError(
        `check: ${where} of ${show(eqn.inputs)} should give ${want.map(showAval).join(" ")} ` +
          `but the graph says ${show(eqn.outputs)}`,
      );
    }
    for (const v of eqn.outputs) define(v, where);
  }
  for (const x of graph.outputs) use(x, "the output list");
}

/** Graphs from graphs, equation by equation: what lowering is made of. */
import { Builder, bind, withBuilder } from "../ir/builder.js";
import { type Atom, type Eqn, Graph, Lit, type Var } from "../ir/graph.js";
import { hoistLits } from "../ir/hoist.js";
import type { Primitive } from "../ir/primitive.js";
import { hasEffects } from "../ir/subgraphs.js";

/** New outputs for an equation, built in the innermost builder; undefined keeps the equation. */
export type Rule = (eqn: Eqn, inputs: readonly Atom[]) => readonly Atom[] | undefined;

/** Opaque equations give way to what their rules make of them, and that to what its own rules do. */
class Expanding extends Builder {
  override add(prim: Primitive, inputs: readonly Atom[], params: object): readonly Atom[] {
    if (prim.kind !== "opaque") return super.add(prim, inputs, params);
    return prim.simplify?.(inputs, params) ?? prim.lower!(inputs, params);
  }
}

/** The graph without opaque equations; each use of one of `lits` becomes a new input. */
export function expandOpaque(graph: Graph, lits: readonly Lit[]): Graph {
  const b = new Expanding();
  const env = new Map<Var, Atom>();
  for (const v of graph.inputs) env.set(v, b.input(v.aval));
  const scalars = lits.map((x) => b.input(x.aval));
  let next = 0;
  const read = (x: Atom): Atom => {
    if (!(x instanceof Lit)) return env.get(x)!;
    return lits.length > 0 ? scalars[next++]! : x;
  };
  return withBuilder(b, () => {
    for (const original of graph.eqns) {
      const { params, lits: within } =
        lits.length > 0 ? hoistLits(original.params) : { params: original.params, lits: [] };
      const constants = within.map(read);
      const inputs = [...original.inputs.map(read), ...constants];
      const outputs = bind(original.prim, inputs, within.length > 0 ? params : original.params);
      original.outputs.forEach((v, i) => {
        env.set(v, outputs[i]!);
      });
    }
    return b.build(graph.outputs.map(read));
  });
}

/** The graph with a rule applied. Equations that it leaves alone, on inputs that it left alone, stay as they are. */
export function rewrite(graph: Graph, rule: Rule): Graph {
  const b = new Builder();
  const changed = new Map<Var, Atom>();
  for (const v of graph.inputs) b.keepInput(v);
  const read = (x: Atom): Atom => (x instanceof Lit ? x : (changed.get(x) ?? x));
  return withBuilder(b, () => {
    for (const eqn of graph.eqns) {
      const inputs = eqn.inputs.map(read);
      let outputs = rule(eqn, inputs);
      if (!outputs) {
        if (inputs.every((x, i) => x === eqn.inputs[i])) {
          b.keep(eqn);
          continue;
        }
        outputs = bind(eqn.prim, inputs, eqn.params);
      }
      eqn.outputs.forEach((v, i) => {
        changed.set(v, outputs[i]!);
      });
    }
    return b.build(graph.outputs.map(read));
  });
}

/** The equations that the outputs need (and those with effects). Inputs all stay. */
export function liveOnly(graph: Graph): Graph {
  const needed = new Set<Atom>(graph.outputs);
  const eqns: Eqn[] = [];
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = graph.eqns[i]!;
    if (!hasEffects(eqn) && !eqn.outputs.some((v) => needed.has(v))) continue;
    for (const x of eqn.inputs) needed.add(x);
    eqns.push(eqn);
  }
  return new Graph(graph.inputs, eqns.reverse(), graph.outputs);
}

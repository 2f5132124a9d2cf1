/**
 * Traces of functions that run when their surroundings are gone: a rule of a custom derivative that is
 * asked for while a graph is being transformed. Outer tracers that it closes over were seen when it was
 * traced first, and are inputs from the start; concrete tensors are held by the graph.
 */
import type { Aval } from "../core/aval.js";
import { LeakedTracerError } from "../core/errors.js";
import { currentBuilder } from "../ir/builder.js";
import { type Atom, type Eqn, Graph, Lit, Var } from "../ir/graph.js";
import { mapSubGraphs } from "../ir/subgraphs.js";
import { heldP } from "../prims/held.js";
import type { Tensor } from "./tensor.js";
import { type InputSpec, type TracedFunction, traceBody } from "./trace.js";
import { argument, Trace, Tracer, tracerOf } from "./tracer.js";

const holders = new WeakMap<Tensor, () => Tensor>();

/** The same function for the same tensor. */
function holderOf(x: Tensor): () => Tensor {
  let holder = holders.get(x);
  if (!holder) {
    holder = () => x;
    holders.set(x, holder);
  }
  return holder;
}

class LateTrace extends Trace {
  readonly #adopted = new Map<Tensor | Var, Atom>();

  /** An input that stands for an outer value. */
  adopt(x: Tensor): void {
    const v = this.input(x.aval);
    this.#adopted.set(x instanceof Tracer ? (x.atom as Var) : x, v);
  }

  override adopts(x: Tracer): boolean {
    return this.#adopted.has(x.atom as Var);
  }

  override capture(x: Tensor): Atom {
    const known = this.#adopted.get(x instanceof Tracer ? (x.atom as Var) : x);
    if (known) return known;
    if (x instanceof Tracer) {
      if (x.atom instanceof Lit) return x.atom;
      throw new LeakedTracerError(
        `'${this.label}' uses a traced value (${x.provenance}) that it did not use when it was traced ` +
          "first; a rule of a custom derivative must do the same each time",
      );
    }
    return this.add(heldP, [], { held: holderOf(x), aval: x.aval })[0]!;
  }
}

/**
 * Trace `f` late. The graph's inputs: those of `inputs`, the adopted values, then those of `more`.
 */
export function traceLate(
  label: string,
  inputs: readonly InputSpec[],
  adopted: readonly Tensor[],
  more: readonly Aval[],
  f: (leaves: readonly Tracer[], more: readonly Tracer[]) => unknown,
): TracedFunction {
  const trace = new LateTrace(label, currentBuilder());
  const tracer = (a: Aval, weak = false) => tracerOf(trace, trace.input(a), weak, argument);
  const leaves = inputs.map((i) => tracer(i.aval, i.weak));
  for (const x of adopted) trace.adopt(x);
  const rest = more.map((a) => tracer(a));
  return traceBody(trace, () => f(leaves, rest));
}

/** Held arrays of a graph, its sub-graphs' included, as further inputs. */
export function hoistHeld(graph: Graph): { readonly graph: Graph; readonly held: Tensor[] } {
  const inputs: Var[] = [];
  const held: Tensor[] = [];
  const env = new Map<Var, Var>();
  const known = new Map<Tensor, Var>();
  const inputOf = (x: Tensor): Var => {
    let v = known.get(x);
    if (!v) {
      v = new Var(x.aval);
      known.set(x, v);
      inputs.push(v);
      held.push(x);
    }
    return v;
  };
  const read = (x: Atom): Atom => (x instanceof Var ? (env.get(x) ?? x) : x);
  const eqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    if (eqn.prim === (heldP as unknown)) {
      const { held: holder } = eqn.params as { held: () => Tensor };
      env.set(eqn.outputs[0]!, inputOf(holder()));
      continue;
    }
    // Trailing inputs of an equation reach each of its sub-graphs.
    const within: Tensor[] = [];
    mapSubGraphs(eqn.params, (g) => {
      for (const x of hoistHeld(g).held) if (!within.includes(x)) within.push(x);
      return g;
    });
    const params =
      within.length === 0
        ? eqn.params
        : mapSubGraphs(eqn.params, (g) => {
            const inner = hoistHeld(g);
            const own = g.inputs.length;
            const extra = within.map((x) => {
              const at = inner.held.indexOf(x);
              return at < 0 ? new Var(x.aval) : inner.graph.inputs[own + at]!;
            });
            return new Graph([...g.inputs, ...extra], inner.graph.eqns, inner.graph.outputs);
          });
    eqns.push({ ...eqn, inputs: [...eqn.inputs.map(read), ...within.map(inputOf)], params });
  }
  if (held.length === 0) return { graph, held };
  return { graph: new Graph([...graph.inputs, ...inputs], eqns, graph.outputs.map(read)), held };
}

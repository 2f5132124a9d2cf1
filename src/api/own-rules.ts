/**
 * How the functions of customJvp and customVjp are traced. Function and rules are traced at the call, so
 * that what they close over is known and can be checked. A rule that calls its own function (most do)
 * would go on for ever: such a call within is traced with the rules left for later, when a higher
 * derivative asks for them.
 */
import type { Aval } from "../core/aval.js";
import { bind, currentBuilder } from "../ir/builder.js";
import { Graph, Var } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { currentAxes, withAxes } from "../trace/axes.js";
import { traceLate } from "../trace/late.js";
import type { Tensor } from "../trace/tensor.js";
import { type InputSpec, type TracedFunction, traceFunction } from "../trace/trace.js";
import { currentTrace, lift, type Tracer, tracerOf } from "../trace/tracer.js";

/** Traces rule functions: their graphs take the leaves, the closure, then `more`. */
export type RuleTracer = (
  leaves: readonly InputSpec[],
  more: readonly Aval[],
  f: (leaves: readonly Tracer[], more: readonly Tracer[]) => unknown,
) => Graph;

interface Frame {
  /** Whether the function was called by its own rule. */
  found: boolean;
  /** What rules that are traced later may close over; undefined while that is being found out. */
  readonly closure: readonly Tensor[] | undefined;
}

const identityOf = (x: Tensor): Tensor | Tracer["atom"] => (x as Partial<Tracer>).atom ?? x;

function distinct(...lists: readonly (readonly Tensor[])[]): Tensor[] {
  const seen = new Map<unknown, Tensor>();
  for (const x of lists.flat()) if (!seen.has(identityOf(x))) seen.set(identityOf(x), x);
  return [...seen.values()];
}

/** The graph of a trace with inputs [leaves, closure, more] for its [leaves, more, captures]. */
function aligned(
  { graph, captures }: TracedFunction,
  leaves: number,
  closure: readonly Tensor[],
  more: number,
): Graph {
  const at = new Map(captures.map((x, i) => [identityOf(x), graph.inputs[leaves + more + i]!]));
  return new Graph(
    [
      ...graph.inputs.slice(0, leaves),
      ...closure.map((x) => at.get(identityOf(x)) ?? new Var(x.aval)),
      ...graph.inputs.slice(leaves, leaves + more),
    ],
    graph.eqns,
    graph.outputs,
  );
}

/** One custom function's state. */
export class OwnRules {
  #frame: Frame | undefined;

  #within<T>(frame: Frame, f: () => T): T {
    const before = this.#frame;
    this.#frame = frame;
    try {
      return f();
    } finally {
      this.#frame = before;
    }
  }

  /** Is this a call, by the function's own rule, that only shows what the rule closes over? */
  probing(): boolean {
    if (!this.#frame || this.#frame.closure) return false;
    this.#frame.found = true;
    return true;
  }

  /**
   * Bind `prim` with inputs [leaves, closure]. `rules` makes the rules' parameters with a tracer for
   * their functions; it is called at once to see what they close over, and what it returns is used then
   * or, for a call by the function's own rule, whenever the rules are asked for.
   */
  bind<P extends object, T>(
    label: string,
    call: TracedFunction,
    leaves: readonly Tensor[],
    rules: (trace: RuleTracer) => T,
    prim: Primitive<P>,
    params: (callGraph: Graph, rules: () => T) => P,
  ): unknown {
    const known = this.#frame?.closure;
    let closure: Tensor[];
    let made: () => T;
    if (known) {
      closure = distinct(known, call.captures);
      const axes = currentAxes();
      made = () =>
        withAxes(axes, () =>
          this.#within({ found: false, closure }, () =>
            rules((specs, more, f) => traceLate(label, specs, closure, more, f).graph),
          ),
        );
    } else {
      const traces: { traced: TracedFunction; leaves: number; more: number }[] = [];
      const tracer: RuleTracer = (specs, more, f) => {
        const all = [...specs, ...more.map((aval) => ({ aval, weak: false }))];
        const traced = traceFunction(label, all, (xs) =>
          f(xs.slice(0, specs.length), xs.slice(specs.length)),
        );
        traces.push({ traced, leaves: specs.length, more: more.length });
        return traced.graph;
      };
      const probe: Frame = { found: false, closure: undefined };
      let result = this.#within(probe, () => rules(tracer));
      const captured = () => distinct(call.captures, ...traces.map((t) => t.traced.captures));
      if (probe.found) {
        const seen = captured();
        traces.length = 0;
        result = this.#within({ found: false, closure: seen }, () => rules(tracer));
      }
      closure = captured();
      const graphs = new Map(
        traces.map((t) => [t.traced.graph, aligned(t.traced, t.leaves, closure, t.more)]),
      );
      result = replaceGraphs(result, graphs);
      made = () => result;
    }
    const trace = currentTrace()!;
    const inputs = [...leaves, ...closure].map((x) => lift(x, trace));
    const graph = aligned(call, leaves.length, closure, 0);
    const outs = bind(prim, inputs, params(graph, made));
    return call.outDef.unflatten(
      outs.map((x, i) => tracerOf(trace, x, call.outWeak[i] ?? false, label)),
    );
  }
}

/** A flat record with the graphs in it exchanged. */
function replaceGraphs<T>(record: T, graphs: ReadonlyMap<Graph, Graph>): T {
  const entries = Object.entries(record as object).map(([k, v]) => [
    k,
    v instanceof Graph ? (graphs.get(v) ?? v) : v,
  ]);
  return Object.fromEntries(entries) as T;
}

/** Is a function being traced now (or does a call simply run)? */
export const tracing = (): boolean => currentBuilder() !== undefined;

/** Arguments, some of which are not differentiated and need not be tensors. */
export interface SplitArguments {
  readonly fixed: readonly unknown[];
  readonly differentiable: readonly unknown[];
  /** All arguments in their order. */
  rebuild(differentiable: readonly unknown[]): unknown[];
}

export function splitArguments(
  args: readonly unknown[],
  nondiff: readonly number[],
): SplitArguments {
  const isFixed = (i: number): boolean => nondiff.includes(i);
  return {
    fixed: nondiff.map((i) => args[i]),
    differentiable: args.filter((_, i) => !isFixed(i)),
    rebuild(differentiable) {
      let next = 0;
      return args.map((x, i) => (isFixed(i) ? x : differentiable[next++]));
    },
  };
}

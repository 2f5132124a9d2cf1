/** Trace a function to a graph, and apply a graph to values. */
import type { Aval } from "../core/aval.js";
import { DawngradError, DtypeError } from "../core/errors.js";
import { flatten, type TreeDef } from "../core/tree.js";
import { currentBuilder, withBuilder } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Graph } from "../ir/graph.js";
import { isTensor, type Tensor, type TensorLike } from "./tensor.js";
import { argument, lift, named, Trace, type Tracer, tracerOf, unnamed } from "./tracer.js";

/** A function as a graph. The graph's inputs are the arguments' leaves, then the captures. */
export interface TracedFunction {
  readonly graph: Graph;
  readonly captures: readonly Tensor[];
  readonly outDef: TreeDef;
  readonly outWeak: readonly boolean[];
}

/** An argument's leaf as known to a trace. */
export interface InputSpec {
  readonly aval: Aval;
  readonly weak: boolean;
}

const isLeafValue = (x: unknown): x is TensorLike =>
  isTensor(x) || typeof x === "number" || typeof x === "boolean";

/** Trace `f`, which takes one tracer for each input and returns a tree. */
export function traceFunction(
  label: string,
  inputs: readonly InputSpec[],
  f: (leaves: readonly Tracer[]) => unknown,
): TracedFunction {
  const trace = new Trace(label, currentBuilder());
  const args = inputs.map((i) => tracerOf(trace, trace.input(i.aval), i.weak, argument));
  return traceBody(trace, () => f(args));
}

/** Run `f` in a trace that has its inputs, and close it. */
export function traceBody(trace: Trace, f: () => unknown): TracedFunction {
  const { label } = trace;
  try {
    return withBuilder(trace, () => {
      const out = unnamed(f);
      if (out instanceof Promise) {
        throw new DawngradError(
          `'${label}' is an async function: transformed functions are traced synchronously; ` +
            "await data outside and pass it as an argument",
        );
      }
      const [leaves, outDef] = flatten(out);
      const weak: boolean[] = [];
      const atoms = leaves.map((leaf, i) => {
        if (!isLeafValue(leaf)) {
          throw new DtypeError(
            `'${label}' returned a ${typeof leaf} at "${outDef.paths()[i] || "(root)"}"; ` +
              "transformed functions return trees of tensors and numbers",
          );
        }
        weak.push(isTensor(leaf) ? leaf.weak : true);
        return lift(leaf, trace);
      });
      return { graph: trace.build(atoms), captures: trace.captures, outDef, outWeak: weak };
    });
  } finally {
    trace.open = false;
  }
}

type Evaluator = (graph: Graph, inputs: readonly Tensor[], label: string) => Tensor[];

let evaluator: Evaluator = () => {
  throw new DawngradError("internal: no evaluator is installed");
};

/** The runtime installs here how a graph runs on concrete tensors. */
export function setEvaluator(f: Evaluator): void {
  evaluator = f;
}

/** Apply a graph to values: inline it into the innermost trace, or run it where there is none. */
export function applyGraph(
  graph: Graph,
  inputs: readonly Tensor[],
  label: string,
  outWeak?: readonly boolean[],
): Tensor[] {
  const trace = currentBuilder();
  if (!trace) return evaluator(graph, inputs, label);
  if (!(trace instanceof Trace))
    throw new DawngradError("internal: a rule used a tensor operation");
  const atoms = inlineGraph(
    graph,
    inputs.map((x) => lift(x, trace)),
  );
  return atoms.map((a, i) => tracerOf(trace, a, outWeak?.[i] ?? false, label));
}

/**
 * Run `body` as the user-level operation `name`: inside the innermost trace, or, where there is
 * none, traced as a program of its own and run at once.
 */
export function operation(name: string, body: (trace: Trace) => Tensor): Tensor {
  return operations(name, (trace) => [body(trace)])[0]!;
}

/** `operation` for several results. */
export function operations(name: string, body: (trace: Trace) => readonly Tensor[]): Tensor[] {
  return named(name, () => {
    const active = currentBuilder();
    if (active) {
      if (!(active instanceof Trace)) {
        throw new DawngradError("internal: a rule used a tensor operation");
      }
      return [...body(active)];
    }
    const trace = new Trace(name);
    let graph: Graph;
    try {
      graph = withBuilder(trace, () => trace.build(body(trace).map((x) => lift(x, trace))));
    } finally {
      trace.open = false;
    }
    return evaluator(graph, trace.captures, name);
  });
}

/**
 * customJvp: a function with a tangent rule of its own (jax.custom_jvp). Its inputs are the arguments'
 * leaves, then what the function and its rule close over.
 */
import { isFloat } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { bind } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Atom, Graph } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { zeros } from "../transform/index.js";
import { runReference, spread } from "./common.js";
import { batchOutputs, type LateGraph, late } from "./late-graph.js";

export interface CustomJvpParams {
  readonly label: string;
  readonly call: Graph;
  /** Number of inputs that are arguments. */
  readonly args: number;
  /** Inputs, then tangents of the float arguments → outputs, then tangents of the float outputs. */
  readonly rule: LateGraph;
}

/** The error of a derivative by something that the custom function closes over. */
export function refuseClosure(
  op: string,
  label: string,
  args: number,
  tangents: readonly (Atom | null)[],
): void {
  if (tangents.every((t, i) => t === null || i < args)) return;
  throw new DawngradError(
    `${op}: '${label}' or its rule closes over a value that is being differentiated, and the rule gives ` +
      "derivatives by its arguments only; pass the value as an argument, or stopGradient it first",
  );
}

export const customJvpP: Primitive<CustomJvpParams> = {
  name: "customJvp",
  kind: "opaque",
  wrapper: true,
  aval: (_, { call }) => call.outputAvals,
  ref: (inputs, { call }, _, run = runReference) => run(call, inputs),
  lower: (inputs, { call }) => inlineGraph(call, inputs),
  jvpJoint({ primals, tangents, params }) {
    const { label, call, args, rule } = params;
    refuseClosure("customJvp", label, args, tangents);
    const given = primals.slice(0, args).flatMap((x, i) => {
      return isFloat(x.aval.dtype) ? [tangents[i] ?? zeros(x.aval)] : [];
    });
    const outs = inlineGraph(rule(), [...primals, ...given]);
    const n = call.outputs.length;
    const floats = call.outputAvals.map((a) => isFloat(a.dtype));
    return { outputs: outs.slice(0, n), tangents: spread(outs.slice(n), floats) };
  },
  batch({ inputs, mapped, params, ...lanes }) {
    const { call, args, rule } = params;
    const tangents = mapped.filter((_, i) => i < args && isFloat(call.inputs[i]!.aval.dtype));
    return bind(customJvpP, inputs, {
      ...params,
      call: batchOutputs(call, mapped, lanes),
      rule: late(() => batchOutputs(rule(), [...mapped, ...tangents], lanes)),
    });
  },
  error: { ulp: 0 },
};

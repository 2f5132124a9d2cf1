/**
 * customVjp: a function with a cotangent rule of its own (jax.custom_vjp), and the linear map that
 * stands for its derivative until it is transposed. Inputs are the arguments' leaves, then what the
 * function and its rules close over.
 */

import type { Aval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { bind, buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Atom, Graph } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { reduceSum } from "../prims/index.js";
import { zeros } from "../transform/index.js";
import { pick, runReference, spread, toLanes } from "./common.js";
import { refuseClosure } from "./custom-jvp.js";
import { batchOutputs, type LateGraph, late } from "./late-graph.js";

export interface CustomVjpParams {
  readonly label: string;
  readonly call: Graph;
  /** Number of inputs that are arguments. */
  readonly args: number;
  /** Inputs → outputs, then residuals. */
  readonly forward: LateGraph;
  /** Residuals, closed-over inputs, cotangents of the float outputs → those of the float arguments. */
  readonly backward: LateGraph;
}

export const customVjpP: Primitive<CustomVjpParams> = {
  name: "customVjp",
  kind: "opaque",
  wrapper: true,
  aval: (_, { call }) => call.outputAvals,
  ref: (inputs, { call }, _, run = runReference) => run(call, inputs),
  lower: (inputs, { call }) => inlineGraph(call, inputs),
  jvpJoint({ primals, tangents, params }) {
    const { label, call, args, forward, backward } = params;
    refuseClosure("customVjp", label, args, tangents);
    const n = call.outputs.length;
    const outs = inlineGraph(forward(), primals);
    const floats = call.outputAvals.map((a) => isFloat(a.dtype));
    const wanted = primals.slice(0, args).flatMap((x, i) => {
      return isFloat(x.aval.dtype) ? [tangents[i] !== null] : [];
    });
    const fixed = [...outs.slice(n), ...primals.slice(args)];
    const given = tangents.filter((t): t is Atom => t !== null);
    const pushed = bind(customLinearP, [...fixed, ...given], {
      label,
      fixed: fixed.length,
      wanted,
      outputs: pick(call.outputAvals, floats),
      backward,
    });
    return { outputs: outs.slice(0, n), tangents: spread(pushed, floats) };
  },
  batch({ inputs, mapped, params, ...lanes }) {
    const { call, args, forward, backward } = params;
    const n = call.outputs.length;
    const floats = call.outputAvals.filter((a) => isFloat(a.dtype));
    return bind(customVjpP, inputs, {
      ...params,
      call: batchOutputs(call, mapped, lanes),
      forward: late(() => batchOutputs(forward(), mapped, lanes)),
      backward: late(() => {
        const residuals = forward().outputs.slice(n);
        const flags = [
          ...residuals.map(() => true),
          ...mapped.slice(args),
          ...floats.map(() => true),
        ];
        // Cotangents of arguments without lanes are summed over them.
        const floatArgs = mapped.filter((_, i) => i < args && isFloat(call.inputs[i]!.aval.dtype));
        return summedOver(batchOutputs(backward(), flags, lanes), floatArgs);
      }),
    });
  },
  error: { ulp: 0 },
};

/** The outputs that are not marked, summed over their lanes. */
function summedOver(graph: Graph, marked: readonly boolean[]): Graph {
  if (!marked.includes(false)) return graph;
  return buildGraph(graph.inputAvals, (inputs) =>
    inlineGraph(graph, inputs).map((x, i) => (marked[i] ? x : reduceSum(x, [0]))),
  );
}

interface CustomLinearParams {
  readonly label: string;
  /** Number of inputs that are residuals and closed-over values; tangents follow. */
  readonly fixed: number;
  /** Which of the float arguments have a tangent. */
  readonly wanted: readonly boolean[];
  /** The float outputs. */
  readonly outputs: readonly Aval[];
  readonly backward: LateGraph;
}

const forwardMode = (label: string): never => {
  throw new DawngradError(
    `jvp: '${label}' has a customVjp rule, which gives derivatives in reverse mode only (grad, vjp, ` +
      "jacrev); for jvp, jacfwd, hessian and hvp define the rule with customJvp",
  );
};

/** Linear in its tangents; known by its transpose only. */
export const customLinearP: Primitive<CustomLinearParams> = {
  name: "customVjpTangents",
  kind: "opaque",
  aval: (_, { outputs }) => outputs,
  ref: (_, { label }) => forwardMode(label),
  lower: (_, { label }) => forwardMode(label),
  jvp: ({ params: { label } }) => forwardMode(label),
  transpose({ cotangents, inputs, params }) {
    const { fixed, outputs, wanted, backward } = params;
    const cts = outputs.map((a, i) => cotangents[i] ?? zeros(a));
    const all = inlineGraph(backward(), [...(inputs.slice(0, fixed) as Atom[]), ...cts]);
    return [...inputs.slice(0, fixed).map(() => null), ...pick(all, wanted)];
  },
  batch({ inputs, mapped, params, ...lanes }) {
    const { fixed, outputs, backward } = params;
    const flags = [...mapped.slice(0, fixed), ...outputs.map(() => true)];
    // A tangent without lanes is the same for all: the broadcast's transpose sums.
    const ins = inputs.map((x, i) => (i < fixed || mapped[i] ? x : toLanes(x, lanes.size)));
    return bind(customLinearP, ins, {
      ...params,
      outputs: outputs.map((a) => ({ ...a, shape: [lanes.size, ...a.shape] })),
      backward: late(() => batchOutputs(backward(), flags, lanes)),
    });
  },
  error: { ulp: 0 },
};

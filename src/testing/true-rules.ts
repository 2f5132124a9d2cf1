/** Custom rules that say what is true: a function with its own derivatives for rules. */
import { isFloat } from "../core/dtype.js";
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Graph } from "../ir/graph.js";
import type { CustomJvpParams, CustomVjpParams } from "../structured/index.js";
import { jvpGraph, vjpGraph, zeros } from "../transform/index.js";

const floatsOf = (graph: Graph): boolean[] => graph.inputAvals.map((a) => isFloat(a.dtype));

/** Parameters of customJvp for a graph of arguments only. */
export function trueJvp(label: string, call: Graph): CustomJvpParams {
  let rule: Graph | undefined;
  const make = (): Graph => {
    const { graph, outMask } = jvpGraph(call, floatsOf(call));
    return buildGraph(graph.inputAvals, (ins) => {
      const outs = inlineGraph(graph, ins);
      let next = call.outputs.length;
      const tangents = call.outputAvals.flatMap((a, i) => {
        const t = outMask[i] ? outs[next++]! : zeros(a);
        return isFloat(a.dtype) ? [t] : [];
      });
      return [...outs.slice(0, call.outputs.length), ...tangents];
    });
  };
  return {
    label,
    call,
    args: call.inputs.length,
    rule: () => {
      rule ??= make();
      return rule;
    },
  };
}

/** Parameters of customVjp for a graph of arguments only. */
export function trueVjp(label: string, call: Graph): CustomVjpParams {
  const { forward, backward, residuals, outMask } = vjpGraph(call, floatsOf(call));
  const floats = call.outputAvals.filter((a) => isFloat(a.dtype));
  const has = outMask.filter((_, i) => isFloat(call.outputAvals[i]!.dtype));
  const whole = buildGraph([...backward.inputAvals.slice(0, residuals), ...floats], (ins) => {
    const cts = ins.slice(residuals).filter((_, i) => has[i]);
    return inlineGraph(backward, [...ins.slice(0, residuals), ...cts]);
  });
  return {
    label,
    call,
    args: call.inputs.length,
    forward: () => forward,
    backward: () => whole,
  };
}

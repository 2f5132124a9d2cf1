/** The gradient of a scalar output: vjp with cotangent 1, as one graph. */
import { buildGraph, lit } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { Graph } from "../ir/graph.js";
import { dce } from "../optimise/dce.js";
import { transposeGraph } from "./transpose.js";
import { linearizeGraph } from "./vjp.js";
import { zeros } from "./zeros.js";

/**
 * Inputs: those of `graph`. Outputs: those of `graph`, then the gradient of output 0 (a float
 * scalar) with respect to each input in `mask`.
 */
export function gradGraph(graph: Graph, mask: readonly boolean[]): Graph {
  const { forward, linear, residuals, outMask } = linearizeGraph(graph, mask);
  const wanted = graph.inputAvals.filter((_, i) => mask[i]);
  return buildGraph(graph.inputAvals, (inputs) => {
    const outs = inlineGraph(forward, inputs);
    const primal = outs.slice(0, graph.outputs.length);
    if (!outMask[0]) return [...primal, ...wanted.map(zeros)];
    const loss = dce(new Graph(linear.inputs, linear.eqns, [linear.outputs[0]!]));
    const { graph: backward } = transposeGraph(
      loss,
      loss.inputs.map((_, i) => i >= residuals),
    );
    const one = lit(1, graph.outputs[0]!.aval.dtype);
    const res = outs.slice(graph.outputs.length);
    return [...primal, ...inlineGraph(dce(backward), [...res, one])];
  });
}

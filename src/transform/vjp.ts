/** Reverse mode: linearize (jvp, then unzip), then transpose. There is no second set of rules. */
import type { Graph } from "../ir/graph.js";
import { dce } from "../optimise/dce.js";
import { jvpGraph } from "./jvp.js";
import { transposeGraph } from "./transpose.js";
import { unzipGraph } from "./unzip.js";

export interface LinearizedGraph {
  /** Inputs: the primals. Outputs: primal outputs, then residuals. */
  readonly forward: Graph;
  /** Inputs: residuals, then tangents of the inputs in `mask`. Outputs: tangents in `outMask`. */
  readonly linear: Graph;
  readonly residuals: number;
  readonly outMask: readonly boolean[];
}

export function linearizeGraph(graph: Graph, mask: readonly boolean[]): LinearizedGraph {
  const { graph: joint, outMask } = jvpGraph(graph, mask);
  const known = joint.inputs.map((_, i) => i < graph.inputs.length);
  const {
    known: forward,
    unknown,
    residuals,
  } = unzipGraph(dce(joint), known, graph.outputs.length);
  return { forward: dce(forward), linear: unknown, residuals, outMask };
}

export interface VjpGraph {
  /** Inputs: the primals. Outputs: primal outputs, then residuals. */
  readonly forward: Graph;
  /** Inputs: residuals, then cotangents of the outputs in `outMask`. Outputs: of inputs in `mask`. */
  readonly backward: Graph;
  readonly residuals: number;
  readonly outMask: readonly boolean[];
}

export function vjpGraph(graph: Graph, mask: readonly boolean[]): VjpGraph {
  const { forward, linear, residuals, outMask } = linearizeGraph(graph, mask);
  const { graph: backward } = transposeGraph(
    linear,
    linear.inputs.map((_, i) => i >= residuals),
  );
  return { forward, backward: dce(backward), residuals, outMask };
}

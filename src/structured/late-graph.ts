/** Graphs of rules that are traced when something asks for them, once. */
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Graph } from "../ir/graph.js";
import { batchGraph } from "../transform/index.js";
import { toLanes } from "./common.js";

/** A function, so that two are equal parameters only when they are the same. */
export type LateGraph = () => Graph;

export function late(make: () => Graph): LateGraph {
  let graph: Graph | undefined;
  return () => {
    graph ??= make();
    return graph;
  };
}

/** A lane axis of vmap, as a pass sees it. */
export interface Lanes {
  readonly size: number;
  readonly axisName?: string | undefined;
}

/** The graph over lanes, every output with the lane axis. */
export function batchOutputs(graph: Graph, mapped: readonly boolean[], lanes: Lanes): Graph {
  const { graph: batched, outMapped } = batchGraph(graph, mapped, lanes.size, lanes.axisName);
  if (!outMapped.includes(false)) return batched;
  return buildGraph(batched.inputAvals, (inputs) =>
    inlineGraph(batched, inputs).map((x, i) => (outMapped[i] ? x : toLanes(x, lanes.size))),
  );
}

import { aval, type Shape } from "../../src/core/aval.js";
import type { DType } from "../../src/core/dtype.js";
import { buildGraph, lit } from "../../src/ir/builder.js";
import type { Atom, Graph, Var } from "../../src/ir/graph.js";
import { broadcastInDim, dotGeneral } from "../../src/prims/index.js";
import { type Schedule, schedule, type Target } from "../../src/schedule/index.js";
import { summarise } from "../../src/schedule/summary.js";
/** Figures of a software driver; nothing here needs one. */
export const target: Target = {
  software: true,
  subgroupSize: 8,
  maxStorageBuffers: 12,
  maxBindingBytes: 128 * 2 ** 20,
  maxBufferBytes: 2 ** 30,
  bindingAlignment: 256,
  maxWorkgroups: 65535,
};

export const graphOf = (
  shapes: readonly Shape[],
  f: (...x: Var[]) => readonly Atom[],
  dtype: DType = "float32",
): Graph =>
  buildGraph(
    shapes.map((s) => aval(s, dtype)),
    (inputs) => f(...inputs),
  );

export const planOf = (
  graph: Graph,
  donated: readonly boolean[] = graph.inputs.map(() => false),
  t: Target = target,
): Schedule => schedule(graph, { name: "test", donated }, t);

/** Names of what each kernel of each dispatch computes. */
export const fusedOf = (s: Schedule): string[][] =>
  s.dispatches.flatMap((d) =>
    d.groups.map((g, i) => [...summarise(g, s.defs, s.cuts, d.kernels[i]!.stores).fused]),
  );

export const constant = (value: number, shape: Shape): Atom =>
  broadcastInDim(lit(value, "float32"), shape, []);

export const matmul = (a: Atom, b: Atom): Atom =>
  dotGeneral(a, b, { contract: [[1], [0]], batch: [[], []] });

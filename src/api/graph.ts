/** makeGraph: the traced, optimised graph of a function. */
import type { Graph } from "../ir/graph.js";
import { optimise } from "../optimise/index.js";
import { type AnyFunction, traceCall } from "./arguments.js";

/**
 * The graph of `f` for arguments of these shapes (jax.make_jaxpr). `String(graph)` is readable.
 *
 * ```ts
 * const graph = makeGraph((x: Tensor) => x.mul(2).sum())(array([1, 2, 3]));
 * String(graph).includes("reduceSum"); // true
 * ```
 */
export function makeGraph<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
): (...args: A) => Graph {
  return (...args: A) => optimise(traceCall("makeGraph", f as unknown as AnyFunction, args).graph);
}

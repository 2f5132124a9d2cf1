/** explain: what a call will do on the device, without running it. */
import { type Explanation, explainProgram } from "../runtime/index.js";
import type { AnyFunction } from "./arguments.js";
import { JitCache, type JitOptions } from "./jit.js";

export type { Explanation } from "../runtime/index.js";

/**
 * What one call of `jit(f, options)` with these arguments does on the device, from the same schedule
 * that would run: dispatches, submissions, kernels with what was fused into each, and peak memory.
 *
 * ```ts
 * const plan = explain((x: Tensor) => x.mul(2).add(1).sum())(ones([8]));
 * plan.dispatches; // 1
 * ```
 */
export function explain<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  options: JitOptions = {},
): (...args: A) => Explanation {
  const cache = new JitCache(f as unknown as AnyFunction, options);
  return (...args: A) => explainProgram(cache.prepare(args).compiled.program);
}

/** checkpoint: compute again in the backward pass instead of keeping (jax.checkpoint). */

import { DawngradError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import { bind, currentBuilder } from "../ir/builder.js";
import * as prims from "../prims/index.js";
import { type CheckpointPolicy, checkpointP } from "../structured/index.js";
import type { TensorLike } from "../trace/tensor.js";
import { operation } from "../trace/trace.js";
import { currentTrace, lift, tracerOf } from "../trace/tracer.js";
import {
  type AnyFunction,
  isTensorLike,
  labelOf,
  requireFunction,
  traceCall,
} from "./arguments.js";
import { withName } from "./autodiff.js";
import { asOneProgram } from "./jacobian.js";
import { toAtom } from "./ops/promote.js";
import { splitArguments } from "./own-rules.js";
import { listOf } from "./rule-results.js";

export type { CheckpointPolicy } from "../structured/index.js";

export interface CheckpointOptions {
  /**
   * What the backward pass may keep of the function's inner values: `"nothing"` (the default),
   * `"everything"`, `"dots"` (results of matrix products and convolutions), `"dotsWithNoBatchDims"`, or
   * `{ names }`, what `checkpointName` gave one of these names.
   */
  readonly policy?: CheckpointPolicy;
  /** Arguments that are no tensors. */
  readonly staticArgnums?: number | readonly number[];
}

/**
 * The same function, of which the backward pass keeps the arguments only and computes the rest again
 * (jax.checkpoint, jax.remat): memory for time. The recomputation is not merged with the first
 * computation and starts when its cotangents have arrived, so that the memory of long chains really
 * falls; `explain(...).peakBytes` tells.
 *
 * ```ts
 * const block = checkpoint((w: Tensor, x: Tensor) => x.matmul(w).tanh());
 * const g = grad((w: Tensor) => block(w, block(w, ones([1, 2]))).sum())(zeros([2, 2]));
 * await g.toArray(); // [[0, 0], [0, 0]]
 * ```
 */
export function checkpoint<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: CheckpointOptions = {},
): (...args: A) => R {
  requireFunction("checkpoint", f);
  const label = labelOf(f as unknown as AnyFunction);
  const fixed = listOf(options.staticArgnums);
  const policy = options.policy ?? "nothing";
  if (typeof policy === "string" && !policies.includes(policy)) {
    throw new DawngradError(
      `checkpoint of '${label}': no policy ${JSON.stringify(policy)}; there are ${policies.join(", ")} and ` +
        "{ names: [...] }",
    );
  }
  return withName(`checkpoint(${label})`, ((...args: A): R => {
    const { differentiable, rebuild } = splitArguments(args, fixed);
    const direct = (...xs: unknown[]): R => f(...(rebuild(xs) as unknown as A));
    // What is saved whole is computed once: there is nothing to do.
    if (policy === "everything" && currentBuilder()) return direct(...differentiable);
    if (!currentBuilder()) return asOneProgram(label, direct, differentiable as unknown[]);
    const named = withName(label, direct as unknown as AnyFunction);
    const call = traceCall("checkpoint", named, differentiable);
    const trace = currentTrace()!;
    const inputs = call.inputs.map((x) => lift(x, trace));
    const outs = bind(checkpointP, inputs, { body: call.graph, policy });
    return call.outDef.unflatten(
      outs.map((x, i) => tracerOf(trace, x, call.outWeak[i] ?? false, label)),
    ) as R;
  }) as unknown as AnyFunction) as unknown as (...args: A) => R;
}

const policies: readonly CheckpointPolicy[] = [
  "nothing",
  "everything",
  "dots",
  "dotsWithNoBatchDims",
];

/** As `checkpoint` (jax.remat). */
export const remat = checkpoint;

/** JAX's names for the policies (jax.checkpoint_policies). */
export const checkpointPolicies = {
  everythingSaveable: "everything",
  nothingSaveable: "nothing",
  dotsSaveable: "dots",
  dotsWithNoBatchDimsSaveable: "dotsWithNoBatchDims",
  /** Save what `checkpointName` gave one of these names. */
  saveOnlyTheseNames: (...names: readonly string[]): CheckpointPolicy => ({ names }),
} as const;

/**
 * The same value under a name, by which a checkpoint's policy can save it
 * (jax.ad_checkpoint.checkpoint_name); takes any tree.
 *
 * ```ts
 * const f = checkpoint((x: Tensor) => checkpointName(x.sin(), "wave").exp(), {
 *   policy: { names: ["wave"] },
 * });
 * await grad(f)(array(0)).item(); // 1
 * ```
 */
export function checkpointName<T>(tree: T, name: string): T {
  const [leaves, def] = flatten(tree);
  return def.unflatten(
    leaves.map((x) =>
      isTensorLike(x)
        ? operation("checkpointName", (trace) =>
            tracerOf(
              trace,
              prims.checkpointName(toAtom(x as TensorLike, trace), { checkpointName: name }),
            ),
          )
        : x,
    ),
  ) as T;
}

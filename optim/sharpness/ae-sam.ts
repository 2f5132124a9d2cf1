/** AE-SAM: sharpness-aware steps only where the gradient is unusually long. */
import {
  add,
  clip,
  cond,
  div,
  full,
  greaterEqual,
  mul,
  sqrt,
  square,
  sub,
  type Tensor,
  type TensorLike,
  tree,
} from "../../src/index.js";
import type { GradFn } from "../gradient.js";
import { type SharpnessTransform, sharpResult, type WithInner } from "./aux.js";
import { checkCount, checkShare } from "./options.js";
import type { PerturbOptions } from "./perturb.js";
import { sam } from "./sam.js";
import { type StatefulGradFn, withCleanPass } from "./stateful.js";

export interface AeSamOptions extends Partial<PerturbOptions> {
  /** Steps of the whole training: the threshold goes from λ2 at its start to λ1 at its end. */
  readonly steps: number;
  /** Default −1. */
  readonly lambda1?: TensorLike;
  /** Default 1. */
  readonly lambda2?: TensorLike;
  /** δ: how much of the running mean and variance is kept. Default 0.9. */
  readonly decay?: number;
  /** The member that makes sharpness-aware steps. Default `sam` with this object's `rho` and the like. */
  readonly member?: SharpnessTransform<object>;
}

export interface AeSamState {
  /** Steps so far, int32. */
  readonly count: Tensor;
  /** Running mean and variance of ‖g‖². */
  readonly mean: Tensor;
  readonly variance: Tensor;
}

export interface AeSamAux {
  /** ‖∇L(w)‖₂. */
  readonly gradNorm: Tensor;
  /** Where ‖g‖² reaches this, the step is sharpness-aware. */
  readonly threshold: Tensor;
  /** 1 for a sharpness-aware step, else 0: its mean is the share of such steps. */
  readonly sharp: Tensor;
}

/**
 * AE-SAM (Jiang et al. 2023, "An Adaptive Policy to Employ Sharpness-Aware Minimization"): ‖g‖² is taken
 * as normal with a running mean μ = δμ + (1−δ)‖g‖² and variance σ² = δσ² + (1−δ)(‖g‖² − μ)² (from 0 and
 * e⁻¹⁰); the step is SAM's where ‖g‖² >= μ + c·σ with c = (t/T)·λ1 + (1 − t/T)·λ2, else the base gradient.
 *
 * The decision is made on the device (`cond`), within the step's one submission: cost 1 + p for a share p of
 * sharpness-aware steps. Under vmap, where lanes decide differently, both are computed.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).sum().mul(0.5), state });
 * const adaptive = aeSam({ rho: 1, steps: 100 })(gradientOf(loss));
 * const w = array([3, 0]);
 * const [result] = adaptive.apply(adaptive.init(w), w, null, null, null);
 * await result.grads.toArray(); // [4, 0]
 * ```
 */
export function aeSam(options: AeSamOptions) {
  const { steps, lambda1 = -1, lambda2 = 1, decay = 0.9, rho = 0.1 } = options;
  checkCount("aeSam", "steps", steps);
  checkShare("aeSam", "decay", decay, { one: false });
  const member = options.member ?? sam({ ...options, rho });
  return <P, S, B, K, A>(
    gradFn: GradFn<P, S, B, K, A>,
  ): StatefulGradFn<AeSamState, P, S, B, K, WithInner<AeSamAux, A>> => {
    const follow = (running: Tensor, x: Tensor): Tensor =>
      add(mul(running, decay), mul(x, 1 - decay));
    return {
      init: () => ({
        count: full([], 0, { dtype: "int32" }),
        mean: full([], 0, { dtype: "float32" }),
        variance: full([], Math.exp(-10), { dtype: "float32" }),
      }),
      apply: ({ count, mean, variance }, ...at) => {
        const clean = gradFn(...at);
        const squared = tree.dot(clean.grads, clean.grads);
        const nextMean = follow(mean, squared);
        const nextVariance = follow(variance, square(sub(squared, nextMean)));
        const t = clip(div(count.astype("float32"), steps), 0, 1);
        const c = add(mul(t, lambda1), mul(sub(1, t), lambda2));
        const threshold = add(nextMean, mul(c, sqrt(nextVariance)));
        const isSharp = greaterEqual(squared, threshold);
        const grads = cond(
          isSharp,
          () => member(withCleanPass(gradFn, at[0], clean))(...at).grads,
          () => clean.grads,
        ) as P;
        const own = { gradNorm: sqrt(squared), threshold, sharp: isSharp.astype("float32") };
        return [
          sharpResult(clean, grads, own),
          { count: count.add(1), mean: nextMean, variance: nextVariance },
        ];
      },
    };
  };
}

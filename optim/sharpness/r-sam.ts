/** Random smoothing based SAM. */
import { mul, random, type TensorLike, tree } from "../../src/index.js";
import type { GradFn } from "../gradient.js";
import { type SharpnessTransform, sharpResult } from "./aux.js";
import { type Arguments, type Point, pointAt } from "./core.js";
import { checkAmount } from "./options.js";
import { checkPerturbation, masked, type PerturbOptions, perturb } from "./perturb.js";
import { filterNorms, randomDirection, salts, stepKey } from "./random-tree.js";
import type { SamAux } from "./two-point.js";

export interface RSamOptions extends PerturbOptions {
  /**
   * Standard deviation of the smoothing noise, relative to the norm of each filter: a number, or a
   * tensor that follows a schedule (the paper lets it decay). Default 0.01.
   */
  readonly sigma?: TensorLike;
  /** λ: weight of the smoothed gradient against the noise in the ascent direction. Default 2. */
  readonly lambda?: TensorLike;
}

/** δ = σ·N(0, 1)·(norm of the filter). */
function smoothingNoise<P>(params: P, key: unknown, sigma: TensorLike): P {
  const k = random.foldIn(stepKey("rSam", "the smoothing noise", key), salts.smoothing);
  const scaled = tree.scale(filterNorms(params), sigma);
  return tree.map(mul as never, randomDirection(params, k, "normal"), scaled as never) as P;
}

/** The direction of ascent at a given noise: λ·∇L(w + δ) + δ. */
function smoothedDirection<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: Arguments<P, S, B, K>,
  delta: P,
  lambda: TensorLike,
): P {
  const { grads } = gradFn(tree.add(params, delta), state, batch, key);
  return tree.axpy(lambda, grads, delta);
}

/**
 * R-SAM (Liu et al. 2022, "Random Sharpness-Aware Minimization"): the direction of ascent comes from a
 * gradient at randomly moved weights, δ = σ·N(0,1)·‖filter‖: e = ρ·(λ∇L(w+δ) + δ)/‖λ∇L(w+δ) + δ‖, and the
 * step is ∇L(w + e). Loss and state are the clean pass's, which takes a forward pass more than the paper
 * (and, with `rho` a tensor, the backward pass too, for ρ = 0 to be the base gradient bit for bit).
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).sum().mul(0.5), state });
 * const step = rSam({ rho: 1, sigma: 0 })(gradientOf(loss));
 * await step(array([3, 0]), null, null, random.key(0)).grads.toArray(); // [4, 0]
 * ```
 */
export function rSam(options: RSamOptions): SharpnessTransform<SamAux> {
  return rSamWith(options, smoothingNoise);
}

/** rSam with a noise of the caller's. */
export function rSamWith(
  options: RSamOptions,
  noise: <P>(params: P, key: unknown, sigma: TensorLike) => P,
): SharpnessTransform<SamAux> {
  const { rho, sigma = 0.01, lambda = 2, mask } = options;
  checkPerturbation("rSam", options);
  checkAmount("rSam", "sigma", sigma);
  checkAmount("rSam", "lambda", lambda);
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>) =>
    (params: P, state: S, batch: B, key: K) => {
      const at = [params, state, batch, key] as const;
      const clean = gradFn(params, state, batch, key);
      const result = (grads: P, Lp: Point<P>["loss"]) =>
        sharpResult(clean, grads, { L0: clean.loss, Lp, gradNorm: tree.norm(clean.grads) });
      if (rho === 0) return result(clean.grads, clean.loss);
      const delta = masked("rSam", noise(params, key, sigma), mask, params);
      const direction = smoothedDirection(gradFn, at, delta, lambda);
      const e = perturb("rSam", params, direction, options);
      if (typeof rho !== "number") {
        const plus = pointAt(gradFn, at, e, clean);
        return result(plus.grads, plus.loss);
      }
      const plus = gradFn(tree.add(params, e.e), state, batch, key);
      return result(plus.grads, plus.loss);
    };
}

/** Surrogate gap guided sharpness-aware minimisation. */
import {
  add,
  asarray,
  div,
  mul,
  neg,
  sub,
  type Tensor,
  type TensorLike,
  tree,
} from "../../src/index.js";
import type { SharpnessTransform } from "./aux.js";
import { checkAmount } from "./options.js";
import { checkPerturbation, type PerturbOptions, reciprocalOrZero } from "./perturb.js";
import { fromTwoPoints, type SamAux } from "./two-point.js";

export interface GsamOptions extends PerturbOptions {
  /** Weight of the part of g0 that is orthogonal to g₊. */
  readonly alpha: TensorLike;
}

/** The part of g0 that is orthogonal to g₊. */
export function orthogonalPart<P>(g0: P, gp: P): P {
  // That of d = g0 − g₊ is the same, and exactly zero where the two agree.
  const d = tree.sub(g0, gp);
  const along = mul(tree.dot(d, gp), reciprocalOrZero(tree.dot(gp, gp)));
  return tree.axpy(neg(along), gp, d);
}

/**
 * GSAM (Zhuang et al. 2022, "Surrogate Gap Minimization Improves Sharpness-Aware Training"): descends
 * g₊ and ascends the part of g0 orthogonal to it: g₊ − α·(g0 − g₊⟨g0,g₊⟩/‖g₊‖²). The paper ties rho
 * to the learning rate: `rhoOfLearningRate`.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).sum().mul(0.5), state });
 * const { grads } = gsam({ rho: 1, alpha: 0.4 })(gradientOf(loss))(array([3, 0]), null, null, null);
 * await grads.toArray(); // [4, 0]
 * ```
 */
export function gsam(options: GsamOptions): SharpnessTransform<SamAux> {
  checkPerturbation("gsam", options);
  checkAmount("gsam", "alpha", options.alpha);
  return fromTwoPoints("gsam", options, (clean, plus) =>
    tree.axpy(neg(options.alpha), orthogonalPart(clean.grads, plus.grads), plus.grads),
  );
}

export interface RhoOfLearningRateOptions {
  /** Radius at the largest learning rate. */
  readonly rhoMax: number;
  /** Radius at the smallest. Default 0. */
  readonly rhoMin?: number;
  readonly rateMax: number;
  /** Default 0. */
  readonly rateMin?: number;
}

/**
 * GSAM's radius: linear in the learning rate, ρ = ρmin + (ρmax − ρmin)(lr − lrmin)/(lrmax − lrmin).
 *
 * ```ts
 * await rhoOfLearningRate(0.05, { rhoMax: 0.2, rateMax: 0.1 }).item(); // 0.1
 * ```
 */
export function rhoOfLearningRate(
  rate: TensorLike,
  { rhoMax, rhoMin = 0, rateMax, rateMin = 0 }: RhoOfLearningRateOptions,
): Tensor {
  for (const [name, value] of Object.entries({ rhoMax, rhoMin, rateMax, rateMin })) {
    checkAmount("rhoOfLearningRate", name, value);
  }
  if (rateMax === rateMin) return asarray(rhoMax, { dtype: "float32" });
  return add(mul(div(sub(rate, rateMin), rateMax - rateMin), rhoMax - rhoMin), rhoMin);
}

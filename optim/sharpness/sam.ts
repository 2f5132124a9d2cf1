/** Sharpness-aware minimisation and the members that mix its gradient with the clean one. */
import { mul, neg, type Tensor, type TensorLike, tree } from "../../src/index.js";
import type { GradFn, GradResult } from "../gradient.js";
import { type SharpnessTransform, sharpResult, type WithInner } from "./aux.js";
import { ascent, type Point, pointAt, reciprocalOrZero } from "./core.js";
import { checkAmount } from "./options.js";

/** Quantities of a step that evaluates the gradient at w and at w + e. */
export interface SamAux {
  /** Loss at w. */
  readonly L0: Tensor;
  /** Loss at w + e. */
  readonly Lp: Tensor;
  /** ‖∇L(w)‖₂. */
  readonly gradNorm: Tensor;
}

export interface SamOptions {
  /** Radius of the perturbation: a number, or a scalar tensor such as a schedule's value. */
  readonly rho: TensorLike;
  /** ASAM: e = ρ·T²g/‖T g‖₂ with T = |w| + eta, invariant to the scale of the weights. */
  readonly adaptive?: boolean;
  /** ASAM's offset of |w|. Default 0. */
  readonly eta?: number;
}

function checkSam(op: string, { rho, eta = 0 }: SamOptions): void {
  checkAmount(op, "rho", rho);
  checkAmount(op, "eta", eta);
}

/** A member made of the gradients at w and at w + e. */
const fromTwoPoints =
  (
    options: SamOptions,
    mix: <P>(clean: Point<P>, plus: Point<P>) => P,
  ): SharpnessTransform<SamAux> =>
  <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>) =>
  (params: P, state: S, batch: B, key: K) => {
    const clean = gradFn(params, state, batch, key);
    const result = (grads: P, Lp: Tensor): GradResult<P, S, WithInner<SamAux, A>> =>
      sharpResult(clean, grads, { L0: clean.loss, Lp, gradNorm: tree.norm(clean.grads) });
    // A literal 0 needs no second pass: the program is that of the base gradient.
    if (options.rho === 0) return result(clean.grads, clean.loss);
    const e = ascent(params, clean.grads, options.rho, options);
    const plus = pointAt(gradFn, [params, state, batch, key], e, clean);
    return result(mix<P>(clean, plus), plus.loss);
  };

/**
 * SAM (Foret et al. 2021): the gradient at w + ρ·g/‖g‖₂, with the perturbation held constant. With
 * `adaptive`, ASAM (Kwon et al. 2021). Takes any gradient function: `accumulate(sam(o)(g))` is
 * m-sharpness, `sam(o)(accumulate(g))` perturbs by the gradient of the whole batch.
 *
 * ```ts
 * const loss = (w: Tensor, state: null, c: Tensor) => ({ loss: w.mul(w).mul(c).sum(), state });
 * const { grads } = sam({ rho: 0.5 })(gradientOf(loss))(array([3, 0]), null, array([0.5, 2]), null);
 * await grads.toArray(); // [3.5, 0]
 * ```
 */
export function sam(options: SamOptions): SharpnessTransform<SamAux> {
  checkSam("sam", options);
  return fromTwoPoints(options, (_clean, plus) => plus.grads);
}

export interface GnpOptions extends SamOptions {
  /** Share of the perturbed gradient, 0 to 1: the penalty on ‖∇L‖ is weighted alpha·rho. */
  readonly alpha: TensorLike;
}

/**
 * Gradient norm penalty (Zhao et al. 2022, "Penalizing Gradient Norm for Efficiently Improving
 * Generalization"): (1 − α)·g0 + α·g₊.
 */
export function gnp(options: GnpOptions): SharpnessTransform<SamAux> {
  checkSam("gnp", options);
  checkAmount("gnp", "alpha", options.alpha);
  // As a difference: equal gradients give g0 exactly.
  return fromTwoPoints(options, (clean, plus) =>
    tree.axpy(options.alpha, tree.sub(plus.grads, clean.grads), clean.grads),
  );
}

export interface GsamOptions extends SamOptions {
  /** Weight of the part of g0 that is orthogonal to g₊. */
  readonly alpha: TensorLike;
}

/**
 * GSAM (Zhuang et al. 2022, "Surrogate Gap Minimization Improves Sharpness-Aware Training"): descends
 * g₊ and ascends the part of g0 orthogonal to it: g₊ − α·(g0 − g₊⟨g0,g₊⟩/‖g₊‖²). The paper ties rho
 * to the learning rate: pass `rho` as a tensor for that.
 */
export function gsam(options: GsamOptions): SharpnessTransform<SamAux> {
  checkSam("gsam", options);
  checkAmount("gsam", "alpha", options.alpha);
  return fromTwoPoints(options, (clean, plus) => {
    // The orthogonal part of g0 is that of d = g0 − g₊, which is exactly zero where the two agree.
    const d = tree.sub(clean.grads, plus.grads);
    const along = mul(tree.dot(d, plus.grads), reciprocalOrZero(tree.dot(plus.grads, plus.grads)));
    const orthogonal = tree.axpy(neg(along), plus.grads, d);
    return tree.axpy(mul(options.alpha, -1), orthogonal, plus.grads);
  });
}

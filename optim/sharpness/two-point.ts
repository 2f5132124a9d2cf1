/** Members made of the gradients at w and at w + e. */
import { type Tensor, tree } from "../../src/index.js";
import type { GradFn, GradResult } from "../gradient.js";
import { type SharpnessTransform, sharpResult, type WithInner } from "./aux.js";
import { type Point, pointAt } from "./core.js";
import { type PerturbOptions, perturb } from "./perturb.js";

/** Quantities of a step that evaluates the gradient at w and at w + e. */
export interface SamAux {
  /** Loss at w. */
  readonly L0: Tensor;
  /** Loss at w + e. */
  readonly Lp: Tensor;
  /** ‖∇L(w)‖₂. */
  readonly gradNorm: Tensor;
}

/** A member whose step is `mix` of the two points. */
export const fromTwoPoints =
  (
    op: string,
    options: PerturbOptions,
    mix: <P>(clean: Point<P>, plus: Point<P>) => P,
  ): SharpnessTransform<SamAux> =>
  <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>) =>
  (params: P, state: S, batch: B, key: K) => {
    const clean = gradFn(params, state, batch, key);
    const result = (grads: P, Lp: Tensor): GradResult<P, S, WithInner<SamAux, A>> =>
      sharpResult(clean, grads, { L0: clean.loss, Lp, gradNorm: tree.norm(clean.grads) });
    // A literal 0 needs no second pass: the program is that of the base gradient.
    if (options.rho === 0) return result(clean.grads, clean.loss);
    const e = perturb(op, params, clean.grads, options);
    const plus = pointAt(gradFn, [params, state, batch, key], e, clean);
    return result(mix<P>(clean, plus), plus.loss);
  };

/** Gradient norm penalty. */
import { type TensorLike, tree } from "../../src/index.js";
import type { SharpnessTransform } from "./aux.js";
import { checkAmount } from "./options.js";
import { checkPerturbation, type PerturbOptions } from "./perturb.js";
import { fromTwoPoints, type SamAux } from "./two-point.js";

export interface GnpOptions extends PerturbOptions {
  /** Share of the perturbed gradient, 0 to 1: the penalty on ‖∇L‖ is weighted alpha·rho. */
  readonly alpha: TensorLike;
}

/**
 * Gradient norm penalty (Zhao et al. 2022, "Penalizing Gradient Norm for Efficiently Improving
 * Generalization"): (1 − α)·g0 + α·g₊.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).sum().mul(0.5), state });
 * const { grads } = gnp({ rho: 1, alpha: 0.5 })(gradientOf(loss))(array([3, 0]), null, null, null);
 * await grads.toArray(); // [3.5, 0]
 * ```
 */
export function gnp(options: GnpOptions): SharpnessTransform<SamAux> {
  checkPerturbation("gnp", options);
  checkAmount("gnp", "alpha", options.alpha);
  // As a difference: equal gradients give g0 exactly.
  return fromTwoPoints("gnp", options, (clean, plus) =>
    tree.axpy(options.alpha, tree.sub(plus.grads, clean.grads), clean.grads),
  );
}

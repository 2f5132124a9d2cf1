/** Sharpness-aware minimisation. */
import type { SharpnessTransform } from "./aux.js";
import { checkPerturbation, type PerturbOptions } from "./perturb.js";
import { fromTwoPoints, type SamAux } from "./two-point.js";

export type SamOptions = PerturbOptions;

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
  checkPerturbation("sam", options);
  return fromTwoPoints("sam", options, (_clean, plus) => plus.grads);
}

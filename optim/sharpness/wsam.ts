/** Weighted sharpness-aware minimisation. */
import { div, sub, type TensorLike, tree } from "../../src/index.js";
import type { GradFn } from "../gradient.js";
import { sharpResult, type WithInner } from "./aux.js";
import { type Point, pointAt } from "./core.js";
import { checkShare } from "./options.js";
import { checkPerturbation, type PerturbOptions, perturb } from "./perturb.js";
import type { SamAux } from "./two-point.js";

export interface WsamOptions extends PerturbOptions {
  /** The sharpness L(w + e) − L(w) is weighted γ/(1 − γ), 0 <= γ < 1: ½ is SAM. Default 0.9. */
  readonly gamma?: TensorLike;
  /**
   * Leave the sharpness out of the gradient: `grads` is g0 then, for the base optimizer with its
   * momentum, and who trains subtracts learning rate · `aux.sharpness` beside its update (the paper's
   * WSAM; with `false`, the default, it is the paper's coupled form).
   */
  readonly decouple?: boolean;
}

export interface WsamAux<P> extends SamAux {
  /** γ/(1 − γ)·(g₊ − g0), the gradient of the weighted sharpness. */
  readonly sharpness: P;
}

/**
 * WSAM (Yue et al. 2023, "Sharpness-Aware Minimization Revisited: Weighted Sharpness as a
 * Regularization Term"): the gradient of L + γ/(1 − γ)·(L(w + e) − L), which is
 * (1 − 2γ)/(1 − γ)·g0 + γ/(1 − γ)·g₊.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).sum().mul(0.5), state });
 * const step = wsam({ rho: 1, gamma: 0.75 })(gradientOf(loss));
 * await step(array([3, 0]), null, null, null).grads.toArray(); // [6, 0]
 * ```
 */
export function wsam(options: WsamOptions) {
  const { gamma = 0.9, decouple = false } = options;
  checkPerturbation("wsam", options);
  checkShare("wsam", "gamma", gamma, { one: false });
  return <P, S, B, K, A>(
    gradFn: GradFn<P, S, B, K, A>,
  ): GradFn<P, S, B, K, WithInner<WsamAux<P>, A>> =>
    (params, state, batch, key) => {
      const clean = gradFn(params, state, batch, key);
      const result = (grads: P, Lp: Point<P>["loss"], sharpness: P) =>
        sharpResult(clean, grads, {
          L0: clean.loss,
          Lp,
          gradNorm: tree.norm(clean.grads),
          sharpness,
        });
      // A literal 0 needs no second pass: the program is that of the base gradient.
      if (options.rho === 0) return result(clean.grads, clean.loss, tree.zerosLike(clean.grads));
      const e = perturb("wsam", params, clean.grads, options);
      const plus = pointAt(gradFn, [params, state, batch, key], e, clean);
      const weight = div(gamma, sub(1, gamma));
      const sharpness = tree.scale(tree.sub(plus.grads, clean.grads), weight);
      // Added as a difference: equal gradients give g0 exactly.
      return result(
        decouple ? clean.grads : tree.add(clean.grads, sharpness),
        plus.loss,
        sharpness,
      );
    };
}

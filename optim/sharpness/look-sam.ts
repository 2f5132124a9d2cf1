/** LookSAM: the sharpness-aware part of the gradient, re-used between full steps. */
import { equal, full, mod, mul, neg, type Tensor, type TensorLike, tree } from "../../src/index.js";
import type { GradFn, GradResult } from "../gradient.js";
import { type SharpnessTransform, sharpResult } from "./aux.js";
import { checkAmount, checkCount } from "./options.js";
import { type PerturbOptions, reciprocalOrZero } from "./perturb.js";
import { sam } from "./sam.js";
import { choose, type StatefulGradFn, type StatefulStep } from "./stateful.js";

export interface LookSamOptions extends Partial<PerturbOptions> {
  /** A full step every `every` steps. Default 5. */
  readonly every?: number;
  /** α: length of the re-used part relative to the gradient. Default 0.7. */
  readonly alpha?: TensorLike;
  /**
   * The member that makes the full steps, such as `crSam(...)`. Default `sam` with this object's `rho`,
   * `adaptive`, `eta` and `mask`.
   */
  readonly member?: SharpnessTransform<object>;
}

export interface LookSamState<P> {
  /** Steps so far, int32. */
  readonly count: Tensor;
  /** The part of the last full step's gradient that is orthogonal to g0. */
  readonly gv: P;
}

export interface LookSamAux {
  /** ‖∇L(w)‖₂ and ‖g_v‖₂. */
  readonly gradNorm: Tensor;
  readonly gvNorm: Tensor;
  /** 1 at full steps, else 0. */
  readonly full: Tensor;
}

/** The whole of `apply`, and its two kinds of steps for who counts steps on the host. */
export interface LookSam<P, S, B, K>
  extends StatefulGradFn<LookSamState<P>, P, S, B, K, LookSamAux> {
  /** A full step: the member's gradient; g_v is renewed. */
  readonly full: StatefulStep<LookSamState<P>, P, S, B, K, LookSamAux>;
  /** A step in between, at the cost of the base gradient: g0 + α·(‖g0‖/‖g_v‖)·g_v. */
  readonly reuse: StatefulStep<LookSamState<P>, P, S, B, K, LookSamAux>;
}

/**
 * LookSAM (Liu et al. 2022, "Towards Efficient and Scalable Sharpness-Aware Minimization"): every k-th
 * step takes SAM's gradient g_s and keeps g_v = g_s − ⟨g_s, ĝ0⟩·ĝ0; the steps in between take
 * g0 + α·(‖g0‖/‖g_v‖)·g_v.
 *
 * `apply` counts in its state and computes both kinds, of which one is used. A training loop that counts
 * on the host compiles `full` and `reuse` and saves the second pass: cost 1 + 1/k.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).mul(array([0.5, 2])).sum(), state });
 * const look = lookSam({ rho: 0.5, every: 2 })(gradientOf(loss));
 * const w = array([3, 1]);
 * const [first, next] = look.apply(look.init(w), w, null, null, null);
 * await first.grads.toArray(); // [3.3, 5.6]
 * const [second] = look.apply(next, w, null, null, null);
 * await second.aux.full.item(); // 0
 * ```
 */
export function lookSam(options: LookSamOptions = {}) {
  const { every = 5, alpha = 0.7, rho = 0.1 } = options;
  checkCount("lookSam", "every", every);
  checkAmount("lookSam", "alpha", alpha);
  const member = options.member ?? sam({ ...options, rho });
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>): LookSam<P, S, B, K> => {
    type Step = StatefulStep<LookSamState<P>, P, S, B, K, LookSamAux>;
    const sharp = member(gradFn);
    const result = (
      clean: GradResult<P, S, A>,
      grads: P,
      gv: P,
      isFull: number,
    ): GradResult<P, S, LookSamAux> => ({
      ...sharpResult({ ...clean, aux: null }, grads, {
        gradNorm: tree.norm(clean.grads),
        gvNorm: tree.norm(gv),
        full: full([], isFull, { dtype: "float32" }),
      }),
    });
    const fullStep: Step = ({ count }, params, state, batch, key) => {
      // In one program the member's own clean pass and this one are computed once.
      const clean = gradFn(params, state, batch, key);
      const { grads } = sharp(params, state, batch, key);
      const g0 = clean.grads;
      // As a difference: orthogonal parts of g_s and g_s − g0 are the same, and 0 where g_s = g0.
      const d = tree.sub(grads, g0);
      const along = mul(tree.dot(d, g0), reciprocalOrZero(tree.dot(g0, g0)));
      const gv = tree.axpy(neg(along), g0, d);
      return [result(clean, grads, gv, 1), { count: count.add(1), gv }];
    };
    const reuse: Step = ({ count, gv }, params, state, batch, key) => {
      const clean = gradFn(params, state, batch, key);
      const ratio = mul(tree.norm(clean.grads), reciprocalOrZero(tree.norm(gv)));
      const grads = tree.axpy(mul(ratio, alpha), gv, clean.grads);
      return [result(clean, grads, gv, 0), { count: count.add(1), gv }];
    };
    return {
      init: (params) => ({
        count: full([], 0, { dtype: "int32" }),
        gv: tree.zerosLike(params),
      }),
      full: fullStep,
      reuse,
      apply: (sharpState, ...at) =>
        choose(
          equal(mod(sharpState.count, every), 0),
          fullStep(sharpState, ...at),
          reuse(sharpState, ...at),
        ),
    };
  };
}

/** LookSAM: the sharpness-aware part of the gradient, re-used between full steps. */
import {
  asarray,
  cond,
  equal,
  full,
  mod,
  mul,
  neg,
  type Tensor,
  type TensorLike,
  tree,
} from "../../src/index.js";
import type { GradFn, GradResult } from "../gradient.js";
import { type SharpnessTransform, sharpResult, type WithInner } from "./aux.js";
import { checkAmount, checkCount } from "./options.js";
import { type PerturbOptions, reciprocalOrZero } from "./perturb.js";
import { sam } from "./sam.js";
import { type StatefulGradFn, type StatefulStep, withCleanPass } from "./stateful.js";

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
export interface LookSam<P, S, B, K, A = null>
  extends StatefulGradFn<LookSamState<P>, P, S, B, K, WithInner<LookSamAux, A>> {
  /** A full step: the member's gradient; g_v is renewed. */
  readonly full: StatefulStep<LookSamState<P>, P, S, B, K, WithInner<LookSamAux, A>>;
  /** A step in between, at the cost of the base gradient: g0 + α·(‖g0‖/‖g_v‖)·g_v. */
  readonly reuse: StatefulStep<LookSamState<P>, P, S, B, K, WithInner<LookSamAux, A>>;
}

/**
 * LookSAM (Liu et al. 2022, "Towards Efficient and Scalable Sharpness-Aware Minimization"): every k-th
 * step takes SAM's gradient g_s and keeps g_v = g_s − ⟨g_s, ĝ0⟩·ĝ0; the steps in between take
 * g0 + α·(‖g0‖/‖g_v‖)·g_v.
 *
 * `apply` counts in its state and decides on the device (`cond`), within the step's one submission: cost
 * 1 + 1/k. Under vmap with counts that differ between lanes both kinds are computed. A training loop that counts
 * on the host can call `full` and `reuse` instead.
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
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>): LookSam<P, S, B, K, A> => {
    type Step = StatefulStep<LookSamState<P>, P, S, B, K, WithInner<LookSamAux, A>>;
    /** What a step descends, and g_v after it. */
    interface Outcome {
      readonly grads: P;
      readonly gv: P;
    }
    const sharp = (clean: GradResult<P, S, A>, at: Parameters<typeof gradFn>): Outcome => {
      const { grads } = member(withCleanPass(gradFn, at[0], clean))(...at);
      const g0 = clean.grads;
      // As a difference: orthogonal parts of g_s and g_s − g0 are the same, and 0 where g_s = g0.
      const d = tree.sub(grads, g0);
      const along = mul(tree.dot(d, g0), reciprocalOrZero(tree.dot(g0, g0)));
      return { grads, gv: tree.axpy(neg(along), g0, d) };
    };
    const again = ({ grads: g0 }: GradResult<P, S, A>, gv: P): Outcome => {
      const ratio = mul(tree.norm(g0), reciprocalOrZero(tree.norm(gv)));
      return { grads: tree.axpy(mul(ratio, alpha), gv, g0), gv };
    };
    /** A step whose outcome is `how`'s, from the clean pass. */
    const step =
      (
        how: (
          clean: GradResult<P, S, A>,
          h: LookSamState<P>,
          at: Parameters<typeof gradFn>,
        ) => Outcome,
        isFull: (count: Tensor) => TensorLike,
      ): Step =>
      (h, ...at) => {
        const clean = gradFn(...at);
        const { grads, gv } = how(clean, h, at);
        const own = {
          gradNorm: tree.norm(clean.grads),
          gvNorm: tree.norm(gv),
          full: asarray(isFull(h.count)).astype("float32"),
        };
        return [sharpResult(clean, grads, own), { count: h.count.add(1), gv }];
      };
    const due = (count: Tensor): Tensor => equal(mod(count, every), 0);
    return {
      init: (params) => ({
        count: full([], 0, { dtype: "int32" }),
        gv: tree.zerosLike(params),
      }),
      full: step(
        (clean, _h, at) => sharp(clean, at),
        () => 1,
      ),
      reuse: step(
        (clean, { gv }) => again(clean, gv),
        () => 0,
      ),
      apply: step(
        (clean, { count, gv }, at) =>
          cond(
            due(count),
            () => sharp(clean, at),
            () => again(clean, gv),
          ) as Outcome,
        due,
      ),
    };
  };
}

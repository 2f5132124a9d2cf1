/** Weight decay inside the loss, so that the perturbation sees it. */
import { add, mul, type TensorLike, tree } from "../../src/index.js";
import type { Mask } from "../combinators.js";
import { type GradFn, given } from "../gradient.js";
import { checkAmount } from "./options.js";
import { masked } from "./perturb.js";

export interface WeightDecayOptions {
  /** λ of ½·λ·‖w‖². */
  readonly weightDecay: TensorLike;
  /** Which leaves decay. Default: all. */
  readonly mask?: Mask;
}

/**
 * The gradient function of L + ½·λ·‖w‖². Under a member of the family the decay takes part in the
 * direction v and in the gradients at w ± e, as for a loss that contains it:
 * `sam(o)(withWeightDecay({ weightDecay })(g))`. The base optimizer's `weightDecay` stays out of both
 * and acts at w; that is what the papers' code does.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.sum(), state });
 * const g = withWeightDecay({ weightDecay: 0.5 })(gradientOf(loss));
 * await g(array([2, 4]), null, null, null).grads.toArray(); // [2, 3]
 * ```
 */
export function withWeightDecay({ weightDecay, mask }: WeightDecayOptions) {
  checkAmount("withWeightDecay", "weightDecay", weightDecay);
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>): GradFn<P, S, B, K, A> =>
    (params, state, batch, key) => {
      const { perExample, ...rest } = gradFn(params, state, batch, key);
      const decayed = masked("withWeightDecay", params, mask, params);
      const penalty = mul(tree.dot(decayed, decayed), mul(weightDecay, 0.5));
      return {
        ...rest,
        loss: add(rest.loss, penalty),
        grads: tree.axpy(weightDecay, decayed, rest.grads),
        ...given({ perExample: perExample && add(perExample, penalty) }),
      };
    };
}

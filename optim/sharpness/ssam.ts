/** Sparse SAM: the perturbation under a mask that follows the Fisher information or the gradient. */
import {
  abs,
  clip,
  cond,
  cos,
  div,
  equal,
  full,
  isTensor,
  logicalAnd,
  logicalNot,
  logicalOr,
  mean,
  mod,
  mul,
  random,
  reshape,
  round,
  slice,
  square,
  sub,
  type Tensor,
  tree,
  vmap,
  where,
} from "../../src/index.js";
import type { GradFn, GradResult } from "../gradient.js";
import { mapTrees } from "../trees.js";
import { sharpResult, type WithInner } from "./aux.js";
import { pointAt } from "./core.js";
import { checkChoice, checkCount, checkShare } from "./options.js";
import { checkPerturbation, type PerturbOptions, perturb } from "./perturb.js";
import { salts, stepKey } from "./random-tree.js";
import type { StatefulGradFn, StatefulStep } from "./stateful.js";
import { topMask } from "./top-mask.js";
import type { SamAux } from "./two-point.js";

export interface SsamOptions extends PerturbOptions {
  /** s: share of the weights that is not perturbed, 0 <= s < 1. Default 0.5. */
  readonly sparsity?: number;
  /**
   * "fisher" (default): the mask keeps the weights with the largest diagonal Fisher information.
   * "dynamic": it starts at random; each renewal drops the weights with the smallest gradient and lets
   * as many others in at random.
   */
  readonly variant?: "fisher" | "dynamic";
  /** Steps between renewals of the mask. Default 100. */
  readonly updateEvery?: number;
  /**
   * Fisher: the examples of the batch whose gradients are squared and averaged, one by one. Default 16.
   * With "batch", the squared gradient of the batch: for networks that need a batch (batch norm).
   */
  readonly samples?: number | "batch";
  /** Dynamic: the share of the perturbed weights that is exchanged at first; it falls along half a cosine. Default 0.5. */
  readonly dropRate?: number;
  /** Dynamic: steps of the whole training, over which the drop rate falls to 0. */
  readonly steps?: number;
}

export interface SsamState<P> {
  /** Steps so far, int32. */
  readonly count: Tensor;
  /** 1 where a weight is perturbed, else 0. */
  readonly mask: P;
}

type Step<P, S, B, K, A> = StatefulStep<SsamState<P>, P, S, B, K, WithInner<SamAux, A>>;

export interface Ssam<P, S, B, K, A>
  extends StatefulGradFn<SsamState<P>, P, S, B, K, WithInner<SamAux, A>> {
  /** The state with its mask renewed. */
  renew(sharpState: SsamState<P>, params: P, state: S, batch: B, key: K): SsamState<P>;
  /** A step with the mask as it is: for who renews the mask on the host's count. */
  readonly sparse: Step<P, S, B, K, A>;
}

/** The diagonal of the empirical Fisher information: the mean of squared gradients of single examples. */
export function fisherDiagonal<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: readonly [P, S, B, K],
  samples: number | "batch",
): P {
  if (samples === "batch") return mapTrees<P>(square, gradFn(params, state, batch, key).grads);
  const [leaves, def] = tree.flatten(batch);
  const split = (x: unknown): x is Tensor => isTensor(x) && x.ndim > 0;
  const first = (leaves as unknown[]).find(split);
  const size = Math.min(samples, first?.shape[0] ?? 1);
  // [n, ...] becomes n batches of one example.
  const singles = def.unflatten(
    leaves.map((x) =>
      split(x)
        ? reshape(
            slice(
              x,
              x.shape.map(() => 0),
              [size, ...x.shape.slice(1)],
            ),
            [size, 1, ...x.shape.slice(1)],
          )
        : x,
    ),
  ) as B;
  const axes = def.unflatten(leaves.map((x) => (split(x) ? 0 : null)));
  const squares = (one: B): P => mapTrees<P>(square, gradFn(params, state, one, key).grads);
  const each = vmap(squares, [axes as never], 0, { axisSize: size })(singles);
  return mapTrees<P>((x) => mean(x, 0), each);
}

/**
 * SSAM (Mi et al. 2022, "Make Sharpness-Aware Minimization Stronger: A Sparsified Perturbation
 * Approach"): SAM with the perturbation ρ·(g/‖g‖) ⊙ m, where the mask m keeps 1 − s of all weights. Of
 * equal scores the first weights count, so that the share is exact.
 *
 * `apply` renews the mask every `updateEvery` steps, starting with the first, by `cond`; a training loop that
 * counts on the host can call `sparse` and `renew` instead.
 *
 * ```ts
 * const loss = (w: Tensor, state: null) => ({ loss: w.mul(w).mul(array([0.5, 2])).sum(), state });
 * const sparse = ssam({ rho: 0.5, sparsity: 0.5, samples: "batch" })(gradientOf(loss));
 * const w = array([3, 1]); // gradient (3, 4)
 * const [result] = sparse.apply(sparse.init(w), w, null, null, null);
 * await result.grads.toArray(); // [3, 5.6]
 * ```
 */
export function ssam(options: SsamOptions) {
  const { sparsity = 0.5, variant = "fisher", updateEvery = 100, samples = 16 } = options;
  const { dropRate = 0.5, steps = 0 } = options;
  checkPerturbation("ssam", options);
  checkShare("ssam", "sparsity", sparsity, { one: false });
  checkShare("ssam", "dropRate", dropRate);
  checkChoice("ssam", "variant", variant, ["fisher", "dynamic"]);
  checkCount("ssam", "updateEvery", updateEvery);
  if (samples !== "batch") checkCount("ssam", "samples", samples);
  if (variant === "dynamic") checkCount("ssam", "steps", steps);

  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>): Ssam<P, S, B, K, A> => {
    const sparse: Step<P, S, B, K, A> = ({ count, mask }, params, state, batch, key) => {
      const clean = gradFn(params, state, batch, key);
      const next = { count: count.add(1), mask };
      const result = (grads: P, Lp: Tensor): GradResult<P, S, WithInner<SamAux, A>> =>
        sharpResult(clean, grads, { L0: clean.loss, Lp, gradNorm: tree.norm(clean.grads) });
      if (options.rho === 0) return [result(clean.grads, clean.loss), next];
      const move = perturb("ssam", params, clean.grads, options);
      const e = tree.mul(move.e, mask);
      const plus = pointAt(gradFn, [params, state, batch, key], { ...move, e }, clean);
      return [result(plus.grads, plus.loss), next];
    };

    const renew: Ssam<P, S, B, K, A>["renew"] = ({ count, mask }, params, state, batch, key) => {
      const size = tree.size(params);
      const kept = Math.max(1, Math.round((1 - sparsity) * size));
      const [flatMask, restore] = tree.ravel(mask);
      const asMask = (chosen: Tensor) => ({ count, mask: restore(chosen.astype("float32")) });
      if (variant === "fisher") {
        const scores = fisherDiagonal(gradFn, [params, state, batch, key], samples);
        return asMask(topMask(tree.ravel(scores)[0], kept));
      }
      const k = random.foldIn(stepKey("ssam", "the dynamic mask", key), salts.mask);
      // Never 0, so that where a score is 0 it means "out".
      const lots = random.uniform(k, [size], { minval: 0.5, maxval: 1 });
      const gradient = abs(tree.ravel(gradFn(params, state, batch, key).grads)[0]);
      const inside = equal(flatMask, 1);
      const half = cos(mul(clip(div(count.astype("float32"), steps), 0, 1), Math.PI)).add(1);
      const room = Math.min(kept, size - kept);
      const exchanged = clip(round(mul(half, 0.5 * dropRate * kept)), 0, room).astype("int32");
      const staying = topMask(where(inside, gradient.add(2 ** -100), 0), sub(kept, exchanged));
      const grown = logicalAnd(
        topMask(where(inside, 0, lots), exchanged.add(equal(exchanged, 0).astype("int32"))),
        exchanged.astype("bool"),
      );
      const renewed = logicalOr(logicalAnd(staying, inside), logicalAnd(grown, logicalNot(inside)));
      // The first mask is a random one.
      const first = equal(count, 0);
      return asMask(where(first, topMask(lots, kept), renewed));
    };

    return {
      init: (params) => ({
        count: full([], 0, { dtype: "int32" }),
        mask: mapTrees<P>((w) => full(w.shape, 1, { dtype: "float32" }), params),
      }),
      renew,
      sparse,
      apply: (sharpState, ...at) => {
        const due = equal(mod(sharpState.count, updateEvery), 0);
        const mask = cond(
          due,
          () => renew(sharpState, ...at).mask,
          () => sharpState.mask,
        ) as P;
        return sparse({ ...sharpState, mask }, ...at);
      },
    };
  };
}

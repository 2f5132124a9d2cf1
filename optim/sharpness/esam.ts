/** ESAM: a random share of the weights is perturbed, and the second pass sees the examples that suffer. */
import {
  argsort,
  DawngradError,
  isTensor,
  neg,
  random,
  slice,
  sub,
  type Tensor,
  take,
  tree,
} from "../../src/index.js";
import type { GradFn } from "../gradient.js";
import { mapTrees } from "../trees.js";
import { type SharpnessTransform, sharpResult } from "./aux.js";
import { type Point, pointAt, pointOf, pointsAlong, pointsBesides, settle } from "./core.js";
import { checkShare } from "./options.js";
import { checkPerturbation, type Perturbation, type PerturbOptions, perturb } from "./perturb.js";
import { randomTree, salts, stepKey } from "./random-tree.js";
import { roundingFloor } from "./regulariser.js";
import {
  checkRegulariser,
  combine,
  differences,
  type RegulariserOptions,
  slopes,
} from "./three-point.js";
import type { SamAux } from "./two-point.js";

export interface EsamOptions extends PerturbOptions {
  /** β: share of the weights that are perturbed, drawn from the step's key. Default 0.5. */
  readonly weightShare?: number;
  /** γ: share of the examples, those whose loss rose most, that the second pass sees. Default 0.5. */
  readonly exampleShare?: number;
  /**
   * CR-SAM's regulariser on the chosen examples, from their losses and gradients at w, w + e and w − e
   * (by one vmap). Default: none.
   */
  readonly curvature?: RegulariserOptions;
}

/** 1 for each weight with probability `share`, else 0. */
function drawWeights<P>(params: P, key: unknown, share: number): P {
  const k = random.foldIn(stepKey("esam", "weightShare < 1", key), salts.weights);
  return randomTree(params, k, (leafKey, shape) =>
    random.bernoulli(leafKey, share, shape).astype("float32"),
  );
}

/** Chosen weights move 1/share as far: SAM's perturbation in the mean. */
const sparse = <P>(move: Perturbation<P>, chosen: P, share: number): Perturbation<P> => ({
  ...move,
  e: tree.scale(tree.mul(move.e, chosen), 1 / share),
});

/** The examples of a batch at `indices`, along axis 0 of every leaf that has one. */
const examplesAt = <B>(batch: B, indices: Tensor): B =>
  mapTrees<B>((x) => (isTensor(x) && x.ndim > 0 ? take(x, indices, 0) : x), batch);

function perExampleOf(point: Point<unknown>): Tensor {
  if (point.perExample) return point.perExample;
  throw new DawngradError(
    "esam: exampleShare < 1 chooses examples by their losses; return { loss, state, perExample } from " +
      "the loss function, with perExample the losses [batch]",
  );
}

/**
 * ESAM (Du et al. 2022, "Efficient Sharpness-aware Minimization for Improved Training of Neural
 * Networks"): e = ρ·(m/β)·g/‖g‖ with m a random mask of share β, and the step is the gradient at w + e
 * over the max(1, ⌊γ·n⌋) examples whose loss rises most. With both shares 1 it is SAM.
 *
 * Cost: the clean pass, a forward pass at w + e, and γ of a pass: 4/3 + γ. With `curvature`, 4/3 + 3γ.
 *
 * ```ts
 * const loss = (w: Tensor, state: null, x: Tensor) => {
 *   const perExample = w.mul(x).sum(1).square();
 *   return { loss: perExample.mean(), state, perExample };
 * };
 * const step = esam({ rho: 0.1, weightShare: 1, exampleShare: 0.5 })(gradientOf(loss));
 * const x = array([[1, 0], [3, 0]]);
 * await step(array([1, 1]), null, x, random.key(0)).grads.toArray(); // [19.8, 0]
 * ```
 */
export function esam(options: EsamOptions): SharpnessTransform<SamAux> {
  return esamWith(options, drawWeights);
}

/** esam with a choice of weights of the caller's. */
export function esamWith(
  options: EsamOptions,
  draw: <P>(params: P, key: unknown, share: number) => P,
): SharpnessTransform<SamAux> {
  const { weightShare = 0.5, exampleShare = 0.5, curvature } = options;
  checkPerturbation("esam", options);
  checkShare("esam", "weightShare", weightShare, { zero: false });
  checkShare("esam", "exampleShare", exampleShare, { zero: false });
  if (curvature) checkRegulariser("esam", curvature);
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>) =>
    (params: P, state: S, batch: B, key: K) => {
      const at = [params, state, batch, key] as const;
      const clean = gradFn(params, state, batch, key);
      const result = (grads: P, Lp: Tensor) =>
        sharpResult(clean, grads, { L0: clean.loss, Lp, gradNorm: tree.norm(clean.grads) });
      const whole = exampleShare === 1;
      if (options.rho === 0 && whole) return result(clean.grads, clean.loss);
      const all = perturb("esam", params, clean.grads, options);
      const move =
        weightShare === 1 ? all : sparse(all, draw(params, key, weightShare), weightShare);
      if (whole) {
        if (!curvature) {
          const plus = pointAt(gradFn, at, move, clean);
          return result(plus.grads, plus.loss);
        }
        const { plus, minus } = pointsBesides(gradFn, at, move, clean);
        return result(regularised(curvature, batch, [clean, plus, minus]), plus.loss);
      }
      // Of this pass only the losses are used: its backward half is never computed.
      const seen = pointAt(gradFn, at, move, clean);
      const rise = sub(perExampleOf(seen), perExampleOf(clean));
      const count = Math.max(1, Math.floor(exampleShare * rise.shape[0]!));
      const part = examplesAt(batch, slice(argsort(neg(rise)), [0], [count]));
      if (!curvature) {
        const { grads } = pointOf(gradFn(tree.add(params, move.e), state, part, key));
        return result(grads, seen.loss);
      }
      const [plus, centre, minus] = pointsAlong(
        gradFn,
        [params, state, part, key],
        move.e,
        [1, 0, -1],
        "vmap",
      ) as [Point<P>, Point<P>, Point<P>];
      const points = [centre, ...[plus, minus].map((p) => settle(move.still, centre, p))];
      return result(
        regularised(curvature, part, points as [Point<P>, Point<P>, Point<P>]),
        seen.loss,
      );
    };
}

/** CR-SAM's step from three points over the same examples. */
function regularised<P>(
  options: RegulariserOptions,
  examples: unknown,
  [centre, plus, minus]: readonly [Point<P>, Point<P>, Point<P>],
): P {
  const d = differences([centre, plus, minus], false, examples);
  const w = slopes(options, d, roundingFloor(centre.loss, plus.loss, minus.loss));
  return combine(centre, plus, minus, w);
}

/** What the sharpness family shares: losses and gradients at perturbed weights. */
import { arange, jvp, type Tensor, type TensorLike, tree, vmap, where } from "../../src/index.js";
import { type GradFn, type GradResult, given } from "../gradient.js";
import { mapTrees } from "../trees.js";
import type { Perturbation } from "./perturb.js";

/** Loss and gradient at one point. */
export interface Point<P> {
  readonly loss: Tensor;
  readonly grads: P;
  readonly perExample?: Tensor;
}

/** The arguments of a gradient function. */
export type Arguments<P, S, B, K> = readonly [params: P, state: S, batch: B, key: K];

/** A result without its state and aux: state comes from the clean pass. */
export const pointOf = <P, S, A>(r: GradResult<P, S, A>): Point<P> => ({
  loss: r.loss,
  grads: r.grads,
  ...given({ perExample: r.perExample }),
});

/**
 * The clean point wherever nothing moved. The two are equal then in exact arithmetic; saying so
 * makes ρ = 0 the base gradient bit for bit, in whatever order the perturbed kernels add up.
 */
export function settle<P>(still: Tensor, clean: Point<P>, moved: Point<P>): Point<P> {
  const pick = (c: Tensor, m: Tensor): Tensor => where(still, c, m);
  return {
    loss: pick(clean.loss, moved.loss),
    grads: mapTrees<P>(pick, clean.grads, moved.grads),
    ...(clean.perExample && moved.perExample
      ? { perExample: pick(clean.perExample, moved.perExample) }
      : {}),
  };
}

/** Loss and gradient at w + e. */
export function pointAt<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: Arguments<P, S, B, K>,
  { e, still }: Perturbation<P>,
  clean: Point<P>,
): Point<P> {
  return settle(still, clean, pointOf(gradFn(tree.add(params, e), state, batch, key)));
}

/**
 * Loss and gradient at w + s·e for each sign s: one vmap over the signs, so one batched dispatch for
 * each kernel of the gradient; or pass after pass, which needs less memory.
 */
export function pointsAlong<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: Arguments<P, S, B, K>,
  e: P,
  signs: readonly [1, -1] | readonly [1, 0, -1],
  lanes: "vmap" | "sequential",
): Point<P>[] {
  const shifted = (sign: TensorLike): Point<P> =>
    pointOf(gradFn(tree.axpy(sign, e, params), state, batch, key));
  if (lanes === "sequential") return signs.map(shifted);
  return tree.unstack(vmap(shifted)(evenly(signs))) as Point<P>[];
}

/** Evenly spaced numbers by arithmetic on a range: a traced program has no array to upload. */
const evenly = (xs: readonly number[]): Tensor =>
  arange(xs.length)
    .astype("float32")
    .mul(xs[1]! - xs[0]!)
    .add(xs[0]!);

/** Loss and gradient at w + e and w − e. */
export function pointsBesides<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  at: Arguments<P, S, B, K>,
  { e, still }: Perturbation<P>,
  clean: Point<P>,
  lanes: "vmap" | "sequential" = "vmap",
): { readonly plus: Point<P>; readonly minus: Point<P> } {
  const [plus, minus] = pointsAlong(gradFn, at, e, [1, -1], lanes);
  return { plus: settle(still, clean, plus!), minus: settle(still, clean, minus!) };
}

/** H·x at the clean point, as jvp of the gradient: for any gradient function that can be traced. */
export function hessianTimes<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: Arguments<P, S, B, K>,
  x: P,
): P {
  return jvp((p: P) => gradFn(p, state, batch, key).grads, [params], [x])[1];
}

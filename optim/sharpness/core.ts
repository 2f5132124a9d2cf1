/**
 * What the sharpness family shares: the perturbation, gradients at perturbed weights, and the
 * combination of three points. Every step of the family is c0·g0 + c₊·g₊ + c₋·g₋.
 */
import {
  arange,
  div,
  equal,
  greater,
  jvp,
  mul,
  type Tensor,
  type TensorLike,
  tree,
  vmap,
  where,
} from "../../src/index.js";
import { type GradFn, given } from "../gradient.js";
import { mapTrees } from "../trees.js";

/** Loss and gradient at one point. */
export interface Point<P> {
  readonly loss: Tensor;
  readonly grads: P;
  readonly perExample?: Tensor;
}

/** A perturbation of the weights. */
export interface Perturbation<P> {
  /** w ± e are the perturbed weights. */
  readonly e: P;
  /** True where `e` is zero: rho is 0, or there is no direction (‖g‖ = 0). */
  readonly still: Tensor;
}

/** 1/n, and 0 where n is 0: a gradient of zero has no direction, and the perturbation is zero. */
export function reciprocalOrZero(n: Tensor): Tensor {
  const positive = greater(n, 0);
  return where(positive, div(1, where(positive, n, 1)), 0);
}

/** e = ρ·x/‖x‖, and zero where x is. */
export function alongUnit<P>(x: P, rho: TensorLike, length = tree.norm(x)): Perturbation<P> {
  const scale = mul(reciprocalOrZero(length), rho);
  return { e: tree.scale(x, scale), still: equal(scale, 0) };
}

/**
 * SAM's ascent e = ρ·g/‖g‖₂ over all parameters, or ASAM's e = ρ·T²g/‖T g‖₂ with T = |w| + eta
 * (Kwon et al. 2021) when `adaptive`.
 */
export function ascent<P>(
  params: P,
  grads: P,
  rho: TensorLike,
  { adaptive = false, eta = 0 }: { readonly adaptive?: boolean; readonly eta?: number } = {},
): Perturbation<P> {
  if (!adaptive) return alongUnit(grads, rho);
  const t = mapTrees<P>((w) => w.abs().add(eta), params);
  const tg = tree.mul(t, grads);
  const along = alongUnit(tg, rho);
  const e = tree.mul(t, along.e);
  return { e, still: along.still };
}

const pointOf = <P, S, A>(r: ReturnType<GradFn<P, S, never, never, A>>): Point<P> => ({
  loss: r.loss,
  grads: r.grads,
  ...given({ perExample: r.perExample }),
});

/**
 * The clean point wherever nothing moved. The two are equal then in exact arithmetic; saying so
 * makes ρ = 0 the base gradient bit for bit, in whatever order the perturbed kernels add up.
 */
function settle<P>(still: Tensor, clean: Point<P>, moved: Point<P>): Point<P> {
  const pick = (c: Tensor, m: Tensor): Tensor => where(still, c, m);
  return {
    loss: pick(clean.loss, moved.loss),
    grads: mapTrees<P>(pick, clean.grads, moved.grads),
    ...(clean.perExample && moved.perExample
      ? { perExample: pick(clean.perExample, moved.perExample) }
      : {}),
  };
}

/** Loss and gradient at w + e; its state is dropped: state comes from the clean pass. */
export function pointAt<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  at: readonly [params: P, state: S, batch: B, key: K],
  { e, still }: Perturbation<P>,
  clean: Point<P>,
): Point<P> {
  const [params, state, batch, key] = at;
  return settle(still, clean, pointOf(gradFn(tree.add(params, e), state, batch, key)));
}

/**
 * Loss and gradient at w + e and w − e: one vmap over the sign, so one batched dispatch for each
 * kernel of the gradient; or two passes one after the other, which need less memory.
 */
export function pointsBesides<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  at: readonly [params: P, state: S, batch: B, key: K],
  { e, still }: Perturbation<P>,
  clean: Point<P>,
  lanes: "vmap" | "sequential" = "vmap",
): { readonly plus: Point<P>; readonly minus: Point<P> } {
  const [params, state, batch, key] = at;
  const shifted = (sign: TensorLike): Point<P> =>
    pointOf(gradFn(tree.axpy(sign, e, params), state, batch, key));
  if (lanes === "sequential") {
    return {
      plus: settle(still, clean, shifted(1)),
      minus: settle(still, clean, shifted(-1)),
    };
  }
  const signs = arange(2).astype("float32").mul(-2).add(1);
  const both = vmap(shifted)(signs);
  const [plus, minus] = tree.unstack(both) as [Point<P>, Point<P>];
  return { plus: settle(still, clean, plus), minus: settle(still, clean, minus) };
}

/** H·x at the clean point, as jvp of the gradient: for any gradient function that can be traced. */
export function hessianTimes<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  at: readonly [params: P, state: S, batch: B, key: K],
  x: P,
): P {
  const [params, state, batch, key] = at;
  return jvp((p: P) => gradFn(p, state, batch, key).grads, [params], [x])[1];
}

/** x − v⟨v,x⟩ for a unit vector v. */
export const orthogonalTo = <P>(v: P, x: P): P => tree.axpy(tree.dot(v, x).neg(), v, x);

/**
 * g₊ + a(g₊ + g₋ − 2g0) + b(g₊ − g₋), from differences, so that it is g0 exactly where the three
 * gradients are equal.
 */
export function combine<P>(
  clean: Point<P>,
  plus: Point<P>,
  minus: Point<P>,
  a: TensorLike,
  b: TensorLike,
): P {
  const leaf = (g0: Tensor, gp: Tensor, gm: Tensor): Tensor =>
    gp.add(gp.sub(g0).sub(g0.sub(gm)).mul(a)).add(gp.sub(gm).mul(b));
  return mapTrees<P>(leaf, clean.grads, plus.grads, minus.grads);
}

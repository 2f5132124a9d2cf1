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
  sqrt,
  type Tensor,
  type TensorLike,
  tree,
  vmap,
  where,
} from "../../src/index.js";
import { type GradFn, given } from "../gradient.js";

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

/** A tree times a scalar. */
export const scaled = <P>(x: P, by: TensorLike): P =>
  tree.map((leaf: Tensor) => mul(leaf, by), x as never) as P;

/** a·x + y over trees. */
export const axpy = <P>(a: TensorLike, x: P, y: P): P =>
  tree.map((xi: Tensor, yi: Tensor) => yi.add(mul(xi, a)), x as never, y as never) as P;

/** Inner product over all leaves. */
export const dot = <P>(x: P, y: P): Tensor => tree.dot(x as never, y as never);

/** 2-norm over all leaves; `sqrt` only ever sees a sum of squares. */
export const norm = <P>(x: P): Tensor => sqrt(dot(x, x));

/** e = ρ·x/‖x‖, and zero where x is. */
export function alongUnit<P>(x: P, rho: TensorLike, length = norm(x)): Perturbation<P> {
  const scale = mul(reciprocalOrZero(length), rho);
  return { e: scaled(x, scale), still: equal(scale, 0) };
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
  const t = tree.map((w: Tensor) => w.abs().add(eta), params as never) as P;
  const tg = tree.map((ti: Tensor, g: Tensor) => ti.mul(g), t as never, grads as never) as P;
  const along = alongUnit(tg, rho);
  const e = tree.map((ti: Tensor, x: Tensor) => ti.mul(x), t as never, along.e as never) as P;
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
    grads: tree.map(pick, clean.grads as never, moved.grads as never) as P,
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
  return settle(still, clean, pointOf(gradFn(axpy(1, e, params), state, batch, key)));
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
    pointOf(gradFn(axpy(sign, e, params), state, batch, key));
  if (lanes === "sequential") {
    return {
      plus: settle(still, clean, shifted(1)),
      minus: settle(still, clean, shifted(-1)),
    };
  }
  const signs = arange(2).astype("float32").mul(-2).add(1);
  const both = vmap(shifted)(signs);
  const lane = (i: number): Point<P> =>
    tree.map((x: Tensor) => x.slice([i, ...x.shape.slice(1).map(() => 0)], [i + 1, ...x.shape.slice(1)]).reshape(x.shape.slice(1)), both as never) as Point<P>;
  return { plus: settle(still, clean, lane(0)), minus: settle(still, clean, lane(1)) };
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
export const orthogonalTo = <P>(v: P, x: P): P => axpy(dot(v, x).neg(), v, x);

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
  return tree.map(
    leaf,
    clean.grads as never,
    plus.grads as never,
    minus.grads as never,
  ) as P;
}

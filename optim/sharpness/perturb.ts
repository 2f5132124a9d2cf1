/** Perturbations of the weights: one radius for all parameters, adaptive or not, masked or not. */
import {
  div,
  equal,
  greater,
  mul,
  type Tensor,
  type TensorLike,
  tree,
  where,
  zerosLike,
} from "../../src/index.js";
import { type Mask, maskLeaves } from "../combinators.js";
import { mapTrees } from "../trees.js";
import { checkAmount } from "./options.js";

/** How a member perturbs the weights; the same options for the whole family. */
export interface PerturbOptions {
  /**
   * Radius of the perturbation: a number, or a scalar tensor such as a schedule's value. Changing a
   * tensor compiles nothing anew.
   */
  readonly rho: TensorLike;
  /** ASAM: e = ρ·T²g/‖T g‖₂ with T = |w| + eta, invariant to the scale of the weights. */
  readonly adaptive?: boolean;
  /** ASAM's offset of |w|. Default 0. */
  readonly eta?: number;
  /**
   * Which leaves are perturbed: booleans in the structure of the parameters, or a function from
   * parameters to them. The others stay, and do not count in the norm. Default: all.
   */
  readonly mask?: Mask;
}

/** A perturbation of the weights. */
export interface Perturbation<P> {
  /** w ± e are the perturbed weights. */
  readonly e: P;
  /** e/ρ: the direction, of length 1 unless adaptive; zero where there is none. */
  readonly unit: P;
  /** True where `e` is zero: rho is 0, or there is no direction (‖g‖ = 0). */
  readonly still: Tensor;
}

export function checkPerturbation(op: string, { rho, eta = 0 }: PerturbOptions): void {
  checkAmount(op, "rho", rho);
  checkAmount(op, "eta", eta);
}

/** 1/n, and 0 where n is 0: a gradient of zero has no direction, and the perturbation is zero. */
export function reciprocalOrZero(n: Tensor): Tensor {
  const positive = greater(n, 0);
  return where(positive, div(1, where(positive, n, 1)), 0);
}

/** The tree with zeros in the leaves that the mask leaves out. */
export function masked<P>(op: string, x: P, mask: Mask | undefined, params: P): P {
  if (mask === undefined) return x;
  const chosen = maskLeaves(op, mask, params);
  let i = 0;
  return mapTrees<P>((leaf) => (chosen[i++] ? leaf : zerosLike(leaf)), x);
}

/**
 * e = ρ·x/‖x‖₂ over all parameters, or ASAM's e = ρ·T²x/‖T x‖₂ with T = |w| + eta (Kwon et al. 2021);
 * x is the gradient, or any other direction of ascent.
 */
export function perturb<P>(
  op: string,
  params: P,
  x: P,
  { rho, adaptive = false, eta = 0, mask }: PerturbOptions,
): Perturbation<P> {
  const chosen = masked(op, x, mask, params);
  const t = mapTrees<P>((w) => w.abs().add(eta), params);
  const scaled = adaptive ? tree.mul(t, chosen) : chosen;
  const reciprocal = reciprocalOrZero(tree.norm(scaled));
  const length = mul(reciprocal, rho);
  const along = (by: Tensor): P => {
    const unit = tree.scale(scaled, by);
    return adaptive ? tree.mul(t, unit) : unit;
  };
  return { e: along(length), unit: along(reciprocal), still: equal(length, 0) };
}

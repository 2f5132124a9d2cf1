/** CR-SAM's step from three points: c0·g0 + c₊·g₊ + c₋·g₋, and the regulariser's slopes. */
import {
  add,
  div,
  full,
  isTensor,
  logicalOr,
  mean,
  mul,
  sub,
  sum,
  type Tensor,
  type TensorLike,
} from "../../src/index.js";
import { mapTrees } from "../trees.js";
import type { Point } from "./core.js";
import { checkAmount, checkChoice } from "./options.js";
import { effectiveFloor, isFloored, type Negative, slopeOf } from "./regulariser.js";

/** A floor for the curvature A ~ ρ² and one for the slope B ~ ρ. */
export interface Floors {
  readonly A: TensorLike;
  readonly B: TensorLike;
}

export interface RegulariserOptions {
  /** Weight of the curvature term. Default 0.1. */
  readonly alpha?: TensorLike;
  /** Weight of the slope term. Default 0.01. */
  readonly beta?: TensorLike;
  /**
   * "code" (default): the authors' published code, which regularises α·A + β·B. "paper": equation 7,
   * α·log A + β·log B, which divides by A and B.
   */
  readonly variant?: "code" | "paper";
  /**
   * Below its floor τ the logarithm goes on as a straight line (see `negative`). One number for both
   * A and B, or one each. Default: the least that float32 rounding of the losses allows, which is
   * also the lower bound of any other.
   */
  readonly floor?: TensorLike | Floors;
  /**
   * The paper form where A or B is under its floor, negative values included: "linear" pulls with
   * 1/τ, "zero" not at all for values <= 0, "softabs" uses ½·log(x² + τ²) everywhere. Default
   * "linear", and "softabs" for exact curvature (the log|·| of its definition).
   */
  readonly negative?: Negative;
}

export function checkRegulariser(op: string, options: RegulariserOptions): void {
  checkAmount(op, "alpha", options.alpha ?? 0);
  checkAmount(op, "beta", options.beta ?? 0);
  checkChoice(op, "variant", options.variant ?? "code", ["code", "paper"]);
  checkChoice(op, "negative", options.negative ?? "linear", ["linear", "zero", "softabs"]);
  const { floor } = options;
  if (typeof floor === "object" && !isTensor(floor)) {
    checkAmount(op, "floor.A", floor.A);
    checkAmount(op, "floor.B", floor.B);
  } else checkAmount(op, "floor", floor ?? 0);
}

export const scalar = (x: TensorLike): Tensor =>
  isTensor(x) ? x : full([], x, { dtype: "float32" });

/** The slopes φ′(A)·α and φ′(B)·β, and whether a floor was in effect. */
export interface Slopes {
  readonly a: TensorLike;
  readonly b: TensorLike;
  readonly clamped: Tensor;
}

export function slopes(
  options: RegulariserOptions,
  { A, B }: { readonly A: Tensor; readonly B: Tensor },
  rounding: TensorLike,
  negative: Negative = options.negative ?? "linear",
): Slopes {
  const { alpha = 0.1, beta = 0.01, variant = "code" } = options;
  if (variant === "code") return { a: alpha, b: beta, clamped: scalar(0) };
  const floor = options.floor ?? 0;
  const floors: Floors =
    typeof floor === "object" && !isTensor(floor) ? floor : { A: floor, B: floor };
  const tauA = effectiveFloor(floors.A, rounding);
  const tauB = effectiveFloor(floors.B, rounding);
  return {
    a: mul(slopeOf(A, tauA, negative), alpha),
    b: mul(slopeOf(B, tauB, negative), beta),
    clamped: logicalOr(isFloored(A, tauA, negative), isFloored(B, tauB, negative)).astype(
      "float32",
    ),
  };
}

/** The step's coefficients: c0·g0 + cp·g₊ + cm·g₋; they sum to 1. */
export const coefficients = ({ a, b }: Slopes) => ({
  c0: scalar(mul(a, -2)),
  cp: scalar(add(add(a, b), 1)),
  cm: scalar(sub(a, b)),
});

/** The mean over examples, weighted where the batch carries weights. */
function overBatch(values: Tensor, batch: unknown): Tensor {
  const weights =
    typeof batch === "object" && batch !== null && "weights" in batch ? batch.weights : undefined;
  return isTensor(weights) ? div(sum(mul(values, weights)), sum(weights)) : mean(values);
}

/**
 * A = L₊ + L₋ − 2·L0 and B = L₊ − L₋; `byExample` before the mean over the examples of `batch`: there
 * the differences are small against the losses, whose mean would round them away.
 */
export function differences<P>(
  [clean, plus, minus]: readonly [clean: Point<P>, plus: Point<P>, minus: Point<P>],
  byExample: boolean,
  batch: unknown,
): { readonly A: Tensor; readonly B: Tensor } {
  const l0 = clean.perExample;
  const lp = plus.perExample;
  const lm = minus.perExample;
  if (byExample && l0 && lp && lm) {
    return {
      A: overBatch(sub(sub(lp, l0), sub(l0, lm)), batch),
      B: overBatch(sub(lp, lm), batch),
    };
  }
  return {
    A: sub(sub(plus.loss, clean.loss), sub(clean.loss, minus.loss)),
    B: sub(plus.loss, minus.loss),
  };
}

/**
 * g₊ + a(g₊ + g₋ − 2g0) + b(g₊ − g₋), from differences, so that it is g0 exactly where the three
 * gradients are equal.
 */
export function combine<P>(
  clean: Point<P>,
  plus: Point<P>,
  minus: Point<P>,
  { a, b }: Pick<Slopes, "a" | "b">,
): P {
  const leaf = (g0: Tensor, gp: Tensor, gm: Tensor): Tensor =>
    gp.add(gp.sub(g0).sub(g0.sub(gm)).mul(a)).add(gp.sub(gm).mul(b));
  return mapTrees<P>(leaf, clean.grads, plus.grads, minus.grads);
}

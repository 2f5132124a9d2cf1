/** Samples of continuous distributions, float32, with the very algorithms of jax.random. */
import {
  broadcastShapes,
  checkShape,
  type Shape,
  shapesEqual,
  showShape,
} from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { currentOp, type Trace, tracerOf } from "../../trace/tracer.js";
import { like } from "../ops/atoms.js";
import { broadcastAtom, toAtom } from "../ops/promote.js";
import { bitsAtom, keyWords } from "./key.js";

const shapeOf = (x: TensorLike): Shape => (isTensor(x) ? x.shape : []);

/** The shape of samples whose parameters may be tensors, which must broadcast to it. */
export function sampleShape(shape: Shape | undefined, ...params: readonly TensorLike[]): Shape {
  const natural = broadcastShapes(currentOp(), ...params.map(shapeOf));
  if (shape === undefined) return natural;
  checkShape(currentOp(), shape);
  if (!shapesEqual(broadcastShapes(currentOp(), shape, natural), shape)) {
    throw new ShapeError(
      `${currentOp()}: parameters of shape ${showShape(natural)} do not broadcast to the samples' shape ${showShape(shape)}`,
    );
  }
  return shape;
}

/** A parameter as float32 in the samples' shape. */
export const parameter = (x: TensorLike, shape: Shape, trace: Trace): Atom =>
  broadcastAtom(toAtom(x, trace, "float32"), shape);

/** Uniform on [0, 1): 23 random bits become the mantissa of a float in [1, 2). */
export function unitAtom(words: readonly [Atom, Atom], shape: Shape): Atom {
  const raw = bitsAtom(words, shape);
  const mantissa = prims.shiftRightLogical(raw, like(raw, 9));
  const float = prims.bitcast(prims.or(mantissa, like(raw, 0x3f800000)), "float32");
  return prims.sub(float, like(float, 1));
}

/** Uniform on [lo, hi); never below lo, whatever rounding does. */
export function uniformAtom(words: readonly [Atom, Atom], shape: Shape, lo: Atom, hi: Atom): Atom {
  const unit = unitAtom(words, shape);
  return prims.max(lo, prims.add(prims.mul(unit, prims.sub(hi, lo)), lo));
}

const constantOf = (value: number, shape: Shape): Atom =>
  prims.broadcastInDim(lit(Math.fround(value), "float32"), shape, []);

/** Uniform between two numbers. */
export const uniformBetween = (
  words: readonly [Atom, Atom],
  shape: Shape,
  lo: number,
  hi: number,
): Atom => uniformAtom(words, shape, constantOf(lo, shape), constantOf(hi, shape));

export interface UniformOptions {
  /** The least value. Default 0. */
  readonly minval?: TensorLike;
  /** What no value reaches (but for rounding). Default 1. */
  readonly maxval?: TensorLike;
}

/**
 * Uniform on [minval, maxval) (jax.random.uniform), with 23 bits of randomness.
 *
 * ```ts
 * await random.uniform(random.key(0)).item(); // 0.947667
 * ```
 */
export const uniform = (k: Tensor, shape?: Shape, options: UniformOptions = {}): Tensor =>
  operation("random.uniform", (trace) => {
    const { minval = 0, maxval = 1 } = options;
    const out = sampleShape(shape ?? [], minval, maxval);
    const words = keyWords(k, trace);
    if (minval === 0 && maxval === 1) return tracerOf(trace, unitAtom(words, out));
    const [lo, hi] = [parameter(minval, out, trace), parameter(maxval, out, trace)];
    return tracerOf(trace, uniformAtom(words, out, lo, hi));
  });

/** The float32 next to -1 towards 0, and 1 - 2^-24 with it. */
const INSIDE = -1 + 2 ** -24;

/**
 * Standard normal (jax.random.normal): √2 · erfInv of a uniform on (-1, 1).
 *
 * ```ts
 * await random.normal(random.key(0)).item(); // 1.62264
 * ```
 */
export const normal = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.normal", (trace) => {
    const u = uniformBetween(keyWords(k, trace), shape, INSIDE, 1);
    return tracerOf(trace, prims.mul(like(u, Math.fround(Math.SQRT2)), prims.erfInv(u)));
  });

/** The next float32 above (direction 1) or below (-1). */
function nextAfter(x: Atom, direction: 1 | -1): Atom {
  const raw = prims.bitcast(x, "int32");
  // Away from zero the bits count up, towards zero down.
  const away = prims.gt(prims.mul(x, like(x, direction)), like(x, 0));
  const moved = prims.select(away, prims.add(raw, like(raw, 1)), prims.sub(raw, like(raw, 1)));
  const least = like(raw, direction === 1 ? 1 : 1 - 2 ** 31);
  const atZero = prims.eq(x, like(x, 0));
  const next = prims.bitcast(prims.select(atZero, least, moved), "float32");
  const end = direction * Number.POSITIVE_INFINITY;
  return prims.select(prims.eq(x, like(x, end)), x, next);
}

/**
 * Standard normal truncated to the open interval (lower, upper) (jax.random.truncated_normal).
 *
 * ```ts
 * const x = await random.truncatedNormal(random.key(0), -2, 2, [8]).data();
 * x.every((v) => v > -2 && v < 2); // true
 * ```
 */
export const truncatedNormal = (
  k: Tensor,
  lower: TensorLike,
  upper: TensorLike,
  shape?: Shape,
): Tensor =>
  operation("random.truncatedNormal", (trace) => {
    const out = sampleShape(shape, lower, upper);
    const [lo, hi] = [parameter(lower, out, trace), parameter(upper, out, trace)];
    const root = like(lo, Math.fround(Math.SQRT2));
    const a = prims.erf(prims.div(lo, root));
    const b = prims.erf(prims.div(hi, root));
    const u = uniformAtom(keyWords(k, trace), out, a, b);
    const x = prims.mul(root, prims.erfInv(u));
    const low = nextAfter(prims.stopGradient(lo), 1);
    const high = nextAfter(prims.stopGradient(hi), -1);
    return tracerOf(trace, prims.min(prims.max(x, low), high));
  });

/**
 * Exponential with rate 1 (jax.random.exponential).
 *
 * ```ts
 * const x = await random.exponential(random.key(0), [8]).data();
 * x.every((v) => v >= 0); // true
 * ```
 */
export const exponential = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.exponential", (trace) => {
    const u = unitAtom(keyWords(k, trace), shape);
    return tracerOf(trace, prims.neg(prims.log1p(prims.neg(u))));
  });

/** The smallest normal float32. */
const TINY = 2 ** -126;

export function gumbelAtom(words: readonly [Atom, Atom], shape: Shape): Atom {
  const u = uniformBetween(words, shape, TINY, 1);
  return prims.neg(prims.log(prims.neg(prims.log(u))));
}

/**
 * Standard Gumbel (jax.random.gumbel): -log(-log u).
 *
 * ```ts
 * (await random.gumbel(random.key(0), [8]).data()).length; // 8
 * ```
 */
export const gumbel = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.gumbel", (trace) => tracerOf(trace, gumbelAtom(keyWords(k, trace), shape)));

/**
 * Standard Laplace (jax.random.laplace): density e^-|x| / 2.
 *
 * ```ts
 * (await random.laplace(random.key(0), [8]).data()).length; // 8
 * ```
 */
export const laplace = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.laplace", (trace) => {
    const u = uniformBetween(keyWords(k, trace), shape, INSIDE, 1);
    return tracerOf(trace, prims.mul(prims.sign(u), prims.log1p(prims.neg(prims.abs(u)))));
  });

/**
 * Standard logistic (jax.random.logistic): log(u / (1 - u)).
 *
 * ```ts
 * (await random.logistic(random.key(0), [8]).data()).length; // 8
 * ```
 */
export const logistic = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.logistic", (trace) => {
    const u = uniformBetween(keyWords(k, trace), shape, TINY, 1);
    return tracerOf(trace, prims.sub(prims.log(u), prims.log1p(prims.neg(u))));
  });

/**
 * Standard Cauchy (jax.random.cauchy): tan(π (u - ½)).
 *
 * ```ts
 * (await random.cauchy(random.key(0), [8]).data()).length; // 8
 * ```
 */
export const cauchy = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.cauchy", (trace) => {
    const u = uniformBetween(keyWords(k, trace), shape, 2 ** -23, 1);
    const centred = prims.sub(u, like(u, 0.5));
    return tracerOf(trace, prims.tan(prims.mul(centred, like(u, Math.fround(Math.PI)))));
  });

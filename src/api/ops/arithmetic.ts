/** Arithmetic with numpy's promotion and broadcasting. */
import { isFloat, isInteger } from "../../core/dtype.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { asFloat, isBool, like } from "./atoms.js";
import { elementwise } from "./promote.js";
import { wholePower } from "./whole-power.js";

const FLOAT = { float: true } as const;

/**
 * Sum of two tensors, broadcast together (numpy.add). A number takes the tensor's dtype; booleans
 * give their logical or.
 *
 * ```ts
 * await add(array([1, 2]), 1).toArray(); // [2, 3]
 * ```
 */
export const add = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("add", [x, y], (a, b) => (isBool(a) ? prims.or(a, b) : prims.add(a, b)));

/**
 * Difference (numpy.subtract).
 *
 * ```ts
 * await sub(array([1, 2]), array([3, 1])).toArray(); // [-2, 1]
 * ```
 */
export const sub = (x: TensorLike, y: TensorLike): Tensor => elementwise("sub", [x, y], prims.sub);

/**
 * Product (numpy.multiply). Integers wrap; booleans give their logical and.
 *
 * ```ts
 * await mul(array([1, 2]), array([[2], [3]])).toArray(); // [[2, 4], [3, 6]]
 * ```
 */
export const mul = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("mul", [x, y], (a, b) => (isBool(a) ? prims.and(a, b) : prims.mul(a, b)));

/**
 * True division (numpy.true_divide): always float32.
 *
 * ```ts
 * await div(array([1, 2], { dtype: "int32" }), 2).toArray(); // [0.5, 1]
 * ```
 */
export const div = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("div", [x, y], prims.div, FLOAT);

/**
 * Negative (numpy.negative).
 *
 * ```ts
 * await neg(array([1, -2])).toArray(); // [-1, 2]
 * ```
 */
export const neg = (x: TensorLike): Tensor => elementwise("neg", [x], prims.neg);

/** Whole exponents in this range are products; others go through exp and log. */
const WHOLE = 64;

/**
 * x to the power y (numpy.power). A whole number as the exponent becomes products, exact for
 * integers and with a sound derivative at 0; a tensor as the exponent, `exp(y log x)`. Integers to the
 * power of an integer tensor stay integers, modulo 2^32 (numpy's; a negative exponent, which numpy
 * refuses, gives 0 unless x is 1 or −1). A negative number as the exponent gives float32.
 *
 * ```ts
 * await pow(array([1, 2, -3]), 2).toArray(); // [1, 4, 9]
 * await pow(3, array([0, 1, 19], { dtype: "int32" })).toArray(); // [1, 3, 1162261467]
 * ```
 */
export function pow(x: TensorLike, y: TensorLike): Tensor {
  if (isTensor(x) && typeof y === "number" && Number.isInteger(y) && Math.abs(y) <= WHOLE) {
    // A negative power of an integer is a fraction: float32, as 2 ** -1 is 0.5.
    return elementwise("pow", [x], (a) => prims.integerPow(a, y), {
      float: y < 0 || x.dtype === "bool",
    });
  }
  return elementwise("pow", [x, y], (a, b) => {
    if (isInteger(a.aval.dtype)) return wholePower(a, b);
    return isBool(a) ? prims.pow(asFloat(a), asFloat(b)) : prims.pow(a, b);
  });
}

/**
 * x / y rounded down (numpy.floor_divide). Integers stay integers.
 *
 * ```ts
 * await floorDivide(array([7, -7], { dtype: "int32" }), 2).toArray(); // [3, -4]
 * ```
 */
export const floorDivide = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("floorDivide", [x, y], (a, b) => {
    if (isFloat(a.aval.dtype)) return prims.floor(prims.div(a, b));
    const quotient = prims.div(a, b);
    if (a.aval.dtype === "uint32") return quotient;
    // div truncates: one less where there is a remainder and the signs differ.
    const rest = prims.rem(a, b);
    const below = prims.and(
      prims.ne(rest, like(rest, 0)),
      prims.ne(prims.lt(rest, like(rest, 0)), prims.lt(b, like(b, 0))),
    );
    return prims.select(below, prims.sub(quotient, like(quotient, 1)), quotient);
  });

/**
 * Remainder with the sign of the divisor, as `%` in Python (numpy.mod).
 *
 * ```ts
 * await mod(array([5, -5]), 3).toArray(); // [2, 1]
 * ```
 */
export const mod = (x: TensorLike, y: TensorLike): Tensor => floored("mod", x, y);

/**
 * As `mod` (numpy.remainder).
 *
 * ```ts
 * await remainder(array([5, -5]), 3).toArray(); // [2, 1]
 * ```
 */
export const remainder = (x: TensorLike, y: TensorLike): Tensor => floored("remainder", x, y);

const floored = (name: string, x: TensorLike, y: TensorLike): Tensor =>
  elementwise(name, [x, y], (a, b) => {
    const rest = prims.rem(a, b);
    if (a.aval.dtype === "uint32") return rest;
    const zero = like(rest, 0);
    const other = prims.ne(prims.lt(rest, zero), prims.lt(b, zero));
    const move = prims.and(prims.ne(rest, zero), other);
    return prims.select(move, prims.add(rest, b), rest);
  });

/**
 * Remainder with the sign of the dividend, as JavaScript's `%` (numpy.fmod).
 *
 * ```ts
 * await fmod(array([5, -5]), 3).toArray(); // [2, -2]
 * ```
 */
export const fmod = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("fmod", [x, y], prims.rem);

/**
 * x·x (numpy.square).
 *
 * ```ts
 * await square(array([1, -2])).toArray(); // [1, 4]
 * ```
 */
export const square = (x: TensorLike): Tensor =>
  elementwise("square", [x], (a) => (isBool(a) ? a : prims.square(a)));

/**
 * 1 / x (numpy.reciprocal), always float32.
 *
 * ```ts
 * await reciprocal(array([2, 4])).toArray(); // [0.5, 0.25]
 * ```
 */
export const reciprocal = (x: TensorLike): Tensor =>
  elementwise("reciprocal", [x], (a) => prims.div(like(a, 1), a), FLOAT);

/**
 * Absolute value (numpy.absolute). Its derivative at 0 is 0.
 *
 * ```ts
 * await abs(array([-1, 2])).toArray(); // [1, 2]
 * ```
 */
export const abs = (x: TensorLike): Tensor =>
  elementwise("abs", [x], (a) => (isBool(a) || a.aval.dtype === "uint32" ? a : prims.abs(a)));

/**
 * -1, 0 or 1 (numpy.sign); NaN stays.
 *
 * ```ts
 * await sign(array([-3, 0, 2])).toArray(); // [-1, 0, 1]
 * ```
 */
export const sign = (x: TensorLike): Tensor => elementwise("sign", [x], prims.sign);

/**
 * The larger of two, element by element (numpy.maximum); NaN where either is NaN. A tie shares the
 * gradient half and half, as in JAX.
 *
 * ```ts
 * await maximum(array([1, 5]), 3).toArray(); // [3, 5]
 * ```
 */
export const maximum = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("maximum", [x, y], (a, b) => (isBool(a) ? prims.or(a, b) : prims.max(a, b)));

/**
 * The smaller of two, element by element (numpy.minimum).
 *
 * ```ts
 * await minimum(array([1, 5]), 3).toArray(); // [1, 3]
 * ```
 */
export const minimum = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("minimum", [x, y], (a, b) => (isBool(a) ? prims.and(a, b) : prims.min(a, b)));

/**
 * Values held within bounds (numpy.clip): `minimum(maximum(x, lo), hi)`. Either bound may be null.
 * The gradient passes where the bounds are not reached.
 *
 * ```ts
 * await clip(array([-1, 0.5, 2]), 0, 1).toArray(); // [0, 0.5, 1]
 * ```
 */
export function clip(x: TensorLike, lo: TensorLike | null, hi: TensorLike | null): Tensor {
  if (lo !== null && hi !== null) {
    return elementwise("clip", [x, lo, hi], (a, l, h) => prims.clamp(l!, a!, h!));
  }
  return operation("clip", () =>
    lo !== null
      ? maximum(x, lo)
      : hi !== null
        ? minimum(x, hi)
        : elementwise("clip", [x], (a) => a),
  );
}

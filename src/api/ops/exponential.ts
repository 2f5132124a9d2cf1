/** Exponentials, logarithms and roots. Integers become float32. */
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { like } from "./atoms.js";
import { elementwise } from "./promote.js";

const FLOAT = { float: true } as const;

/** sign(x) · |x|^(1/3); the logarithm never sees 0. */
function cubeRoot(a: Atom): Atom {
  const size = prims.abs(a);
  const zero = prims.eq(size, like(size, 0));
  const inside = prims.select(zero, like(size, 1), size);
  const rough = prims.exp(prims.div(prims.log(inside), like(size, 3)));
  const root = prims.mul(prims.sign(a), rough);
  return prims.select(zero, like(a, 0), root);
}

/**
 * e to the power x (numpy.exp).
 *
 * ```ts
 * await exp(array([0, 1])).toArray(); // [1, 2.71828]
 * ```
 */
export const exp = (x: TensorLike): Tensor => elementwise("exp", [x], prims.exp, FLOAT);

/**
 * 2 to the power x (numpy.exp2).
 *
 * ```ts
 * await exp2(array([0, 3])).toArray(); // [1, 8]
 * ```
 */
export const exp2 = (x: TensorLike): Tensor =>
  elementwise("exp2", [x], (a) => prims.exp(prims.mul(a, like(a, Math.LN2))), FLOAT);

/**
 * e^x - 1, accurate near 0 (numpy.expm1).
 *
 * ```ts
 * await expm1(array([0, 1])).toArray(); // [0, 1.71828]
 * ```
 */
export const expm1 = (x: TensorLike): Tensor => elementwise("expm1", [x], prims.expm1, FLOAT);

/**
 * Natural logarithm (numpy.log): -Infinity at 0, NaN below.
 *
 * ```ts
 * await log(array([1, 2])).toArray(); // [0, 0.693147]
 * ```
 */
export const log = (x: TensorLike): Tensor => elementwise("log", [x], prims.log, FLOAT);

/**
 * log(1 + x), accurate near 0 (numpy.log1p).
 *
 * ```ts
 * await log1p(array([0, 1])).toArray(); // [0, 0.693147]
 * ```
 */
export const log1p = (x: TensorLike): Tensor => elementwise("log1p", [x], prims.log1p, FLOAT);

/**
 * Logarithm to base 2 (numpy.log2).
 *
 * ```ts
 * await log2(array([1, 8])).toArray(); // [0, 3]
 * ```
 */
export const log2 = (x: TensorLike): Tensor =>
  elementwise("log2", [x], (a) => prims.mul(prims.log(a), like(a, Math.LOG2E)), FLOAT);

/**
 * Logarithm to base 10 (numpy.log10).
 *
 * ```ts
 * await log10(array([1, 100])).toArray(); // [0, 2]
 * ```
 */
export const log10 = (x: TensorLike): Tensor =>
  elementwise("log10", [x], (a) => prims.mul(prims.log(a), like(a, Math.LOG10E)), FLOAT);

/**
 * Square root (numpy.sqrt); NaN below 0. Its derivative at 0 is infinite; see `norm` and `where`.
 *
 * ```ts
 * await sqrt(array([4, 9])).toArray(); // [2, 3]
 * ```
 */
export const sqrt = (x: TensorLike): Tensor => elementwise("sqrt", [x], prims.sqrt, FLOAT);

/**
 * 1 / √x (lax.rsqrt).
 *
 * ```ts
 * await rsqrt(array([4, 0.25])).toArray(); // [0.5, 2]
 * ```
 */
export const rsqrt = (x: TensorLike): Tensor => elementwise("rsqrt", [x], prims.rsqrt, FLOAT);

/**
 * Cube root (numpy.cbrt), of negative numbers too. Its derivative at 0 is 0 here, not infinite.
 *
 * ```ts
 * await cbrt(array([8, -27])).toArray(); // [2, -3]
 * ```
 */
export const cbrt = (x: TensorLike): Tensor => elementwise("cbrt", [x], cubeRoot, FLOAT);

/**
 * log(e^x + e^y) without overflow (numpy.logaddexp).
 *
 * ```ts
 * await logaddexp(array([0, 1000]), array([0, 1000])).toArray(); // [0.693147, 1000.69]
 * ```
 */
export const logaddexp = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("logaddexp", [x, y], logAddExp, FLOAT);

/** max(a, b) + log1p(e^-|a-b|). Equal infinities have no difference: they are the result. */
export function logAddExp(a: Atom, b: Atom): Atom {
  const large = prims.max(a, b);
  const gap = prims.sub(a, b);
  const far = prims.isNan(gap);
  const safe = prims.select(far, like(gap, 0), gap);
  const more = prims.log1p(prims.exp(prims.neg(prims.abs(safe))));
  return prims.select(far, prims.add(a, b), prims.add(large, more));
}

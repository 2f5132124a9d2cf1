/** Special functions made of others: logarithmic odds, entropies, the normal distribution, beta. */
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { add, div, mul, neg, sub } from "./arithmetic.js";
import { astype } from "./cast.js";
import { equal, greater, less } from "./comparison.js";
import { exp, log, log1p } from "./exponential.js";
import { logicalAnd } from "./logic.js";
import { erfc, erfInv, lgamma } from "./special.js";
import { where } from "./where.js";

/**
 * log(x / (1 - x)), the inverse of sigmoid (scipy.special.logit).
 *
 * ```ts
 * await logit(array([0.5])).toArray(); // [0]
 * ```
 */
export const logit = (x: TensorLike): Tensor =>
  operation("logit", () => sub(log(x), log1p(neg(x))));

/**
 * x log y, 0 where x is 0 (scipy.special.xlogy). Derivatives are finite there, too.
 *
 * ```ts
 * await xlogy(array([0, 2]), array([0, 1])).toArray(); // [0, 0]
 * ```
 */
export const xlogy = (x: TensorLike, y: TensorLike): Tensor =>
  operation("xlogy", () => {
    const zero = equal(x, 0);
    return where(zero, 0, mul(x, log(where(zero, 1, y))));
  });

/**
 * x log(1 + y), 0 where x is 0 (scipy.special.xlog1py).
 *
 * ```ts
 * await xlog1py(array([0, 2]), array([-1, 0])).toArray(); // [0, 0]
 * ```
 */
export const xlog1py = (x: TensorLike, y: TensorLike): Tensor =>
  operation("xlog1py", () => {
    const zero = equal(x, 0);
    return where(zero, 0, mul(x, log1p(where(zero, 0, y))));
  });

/**
 * -x log x, 0 at 0 and -∞ below (scipy.special.entr).
 *
 * ```ts
 * await entr(array([0, 1])).toArray(); // [0, 0]
 * ```
 */
export const entr = (x: TensorLike): Tensor =>
  operation("entr", () =>
    where(less(x, 0), Number.NEGATIVE_INFINITY, neg(xlogy(x, where(less(x, 0), 1, x)))),
  );

/**
 * x log(x / y), with 0 for x = 0 ≤ y and ∞ outside (scipy.special.rel_entr).
 *
 * ```ts
 * await relEntr(array([0, 1]), array([1, 1])).toArray(); // [0, 0]
 * ```
 */
export const relEntr = (x: TensorLike, y: TensorLike): Tensor =>
  operation("relEntr", () => {
    const inside = logicalAnd(greater(x, 0), greater(y, 0));
    const [p, q] = [where(inside, x, 1), where(inside, y, 1)];
    const edge = where(
      logicalAnd(equal(x, 0), greater(y, -Number.MIN_VALUE)),
      0,
      Number.POSITIVE_INFINITY,
    );
    return where(inside, mul(p, sub(log(p), log(q))), edge);
  });

/**
 * x log(x / y) - x + y (scipy.special.kl_div).
 *
 * ```ts
 * await klDiv(array([1]), array([1])).toArray(); // [0]
 * ```
 */
export const klDiv = (x: TensorLike, y: TensorLike): Tensor =>
  operation("klDiv", () => add(sub(relEntr(x, y), x), y));

/**
 * log |B(x, y)|, the logarithm of the beta function (scipy.special.betaln).
 *
 * ```ts
 * await betaln(array([1]), array([1])).toArray(); // [0]
 * ```
 */
export const betaln = (x: TensorLike, y: TensorLike): Tensor =>
  operation("betaln", () => sub(add(lgamma(x), lgamma(y)), lgamma(add(x, y))));

/**
 * Γ(x) for x > 0 (scipy.special.gamma), by the logarithm: about 1e-5 relative at Γ(10).
 *
 * ```ts
 * await gamma(array([1, 2])).toArray(); // [1, 1]
 * ```
 */
export const gamma = (x: TensorLike): Tensor =>
  operation("gamma", () =>
    where(greater(x, 0), exp(lgamma(where(greater(x, 0), x, 1))), Number.NaN),
  );

/**
 * The distribution function of the standard normal (scipy.special.ndtr).
 *
 * ```ts
 * await ndtr(array([0])).toArray(); // [0.5]
 * ```
 */
export const ndtr = (x: TensorLike): Tensor =>
  operation("ndtr", () => mul(erfc(mul(x, -Math.SQRT1_2)), 0.5));

/**
 * The inverse of `ndtr` (scipy.special.ndtri).
 *
 * ```ts
 * await ndtri(array([0.5])).toArray(); // [0]
 * ```
 */
export const ndtri = (p: TensorLike): Tensor =>
  operation("ndtri", () => mul(erfInv(sub(mul(p, 2), 1)), Math.SQRT2));

/**
 * log ndtr(x), accurate far out on the left (scipy.special.log_ndtr).
 *
 * ```ts
 * await logNdtr(array([0])).toArray(); // [-0.693147]
 * ```
 */
export const logNdtr = (x: TensorLike): Tensor =>
  operation("logNdtr", () => {
    // Below -5 by the asymptotic series of the tail, where 1/x² is small.
    const far = less(x, -5);
    const z = astype(where(far, x, -5), "float32");
    const u = div(1, mul(z, z));
    const series = add(
      1,
      mul(neg(u), sub(1, mul(mul(u, 3), sub(1, mul(mul(u, 5), sub(1, mul(u, 7))))))),
    );
    const tail = sub(sub(mul(mul(z, z), -0.5), log(neg(z))), 0.5 * Math.log(2 * Math.PI));
    return where(far, add(tail, log(series)), log(ndtr(where(far, 0, x))));
  });

/**
 * sin(πx) / (πx), 1 at 0 (numpy.sinc).
 *
 * ```ts
 * await sinc(array([0])).toArray(); // [1]
 * ```
 */
export const sinc = (x: TensorLike): Tensor =>
  operation("sinc", () => {
    const zero = equal(x, 0);
    const t = mul(where(zero, 1, x), Math.PI);
    return where(zero, 1, div(t.sin(), t));
  });

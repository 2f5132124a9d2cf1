/** Further activation functions of jax.nn. */
import { normalizeAxis, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { relu6, sigmoid } from "./activations.js";
import { add, div, mul, square } from "./arithmetic.js";
import { asarray } from "./array.js";
import { greater } from "./comparison.js";
import { expm1, sqrt } from "./exponential.js";
import { slice } from "./shape.js";
import { where } from "./where.js";

/**
 * x where positive, else alpha (e^(x / alpha) - 1) (jax.nn.celu).
 *
 * ```ts
 * await celu(array([-1, 2])).toArray(); // [-0.632121, 2]
 * ```
 */
export const celu = (x: TensorLike, alpha: TensorLike = 1): Tensor =>
  operation("celu", () => {
    const positive = greater(x, 0);
    return where(positive, x, mul(alpha, expm1(div(where(positive, 0, x), alpha))));
  });

/**
 * The first half along an axis times the sigmoid of the second (jax.nn.glu).
 *
 * ```ts
 * await glu(array([2, 0])).toArray(); // [1]
 * ```
 */
export const glu = (x: TensorLike, axis = -1): Tensor =>
  operation("glu", () => {
    const a = asarray(x);
    const at = normalizeAxis("glu", axis, a.ndim);
    const n = a.shape[at]!;
    if (n % 2 !== 0) {
      throw new ShapeError(
        `glu: axis ${at} of ${showAval(a.aval)} must have an even size to be halved`,
      );
    }
    const half = (from: number) =>
      slice(
        a,
        a.shape.map((_, d) => (d === at ? from : 0)),
        a.shape.map((size, d) => (d === at ? from + n / 2 : size)),
      );
    return mul(half(0), sigmoid(half(n / 2)));
  });

/**
 * relu6(x + 3) / 6 (jax.nn.hard_sigmoid).
 *
 * ```ts
 * await hardSigmoid(array([-3, 0, 3])).toArray(); // [0, 0.5, 1]
 * ```
 */
export const hardSigmoid = (x: TensorLike): Tensor =>
  operation("hardSigmoid", () => div(relu6(add(x, 3)), 6));

/**
 * x · hardSigmoid(x) (jax.nn.hard_silu, jax.nn.hard_swish).
 *
 * ```ts
 * await hardSilu(array([-3, 3])).toArray(); // [0, 3]
 * ```
 */
export const hardSilu = (x: TensorLike): Tensor =>
  operation("hardSilu", () => mul(x, hardSigmoid(x)));

/** As `hardSilu` (jax.nn.hard_swish). */
export const hardSwish = hardSilu;

/**
 * (x + √(x² + b)) / 2, a smooth relu (jax.nn.squareplus).
 *
 * ```ts
 * await squareplus(array([0])).toArray(); // [1]
 * ```
 */
export const squareplus = (x: TensorLike, b: TensorLike = 4): Tensor =>
  operation("squareplus", () => mul(add(x, sqrt(add(square(x), b))), 0.5));

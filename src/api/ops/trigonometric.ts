/** Circular and hyperbolic functions and their inverses. Integers become float32. */
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { like } from "./atoms.js";
import { elementwise } from "./promote.js";

const FLOAT = { float: true } as const;

/**
 * Sine (numpy.sin), of radians.
 *
 * ```ts
 * await sin(array([0, 1])).toArray(); // [0, 0.841471]
 * ```
 */
export const sin = (x: TensorLike): Tensor => elementwise("sin", [x], prims.sin, FLOAT);

/**
 * Cosine (numpy.cos), of radians.
 *
 * ```ts
 * await cos(array([0, 1])).toArray(); // [1, 0.540302]
 * ```
 */
export const cos = (x: TensorLike): Tensor => elementwise("cos", [x], prims.cos, FLOAT);

/**
 * Tangent (numpy.tan), of radians.
 *
 * ```ts
 * await tan(array([0, 1])).toArray(); // [0, 1.55741]
 * ```
 */
export const tan = (x: TensorLike): Tensor => elementwise("tan", [x], prims.tan, FLOAT);

/**
 * Inverse sine (numpy.arcsin); NaN outside [-1, 1].
 *
 * ```ts
 * await asin(array([0, 1])).toArray(); // [0, 1.5708]
 * ```
 */
export const asin = (x: TensorLike): Tensor => elementwise("asin", [x], prims.asin, FLOAT);

/**
 * Inverse cosine (numpy.arccos); NaN outside [-1, 1].
 *
 * ```ts
 * await acos(array([1, 0])).toArray(); // [0, 1.5708]
 * ```
 */
export const acos = (x: TensorLike): Tensor => elementwise("acos", [x], prims.acos, FLOAT);

/**
 * Inverse tangent (numpy.arctan).
 *
 * ```ts
 * await atan(array([0, 1])).toArray(); // [0, 0.785398]
 * ```
 */
export const atan = (x: TensorLike): Tensor => elementwise("atan", [x], prims.atan, FLOAT);

/**
 * Hyperbolic sine (numpy.sinh).
 *
 * ```ts
 * await sinh(array([0, 1])).toArray(); // [0, 1.1752]
 * ```
 */
export const sinh = (x: TensorLike): Tensor => elementwise("sinh", [x], prims.sinh, FLOAT);

/**
 * Hyperbolic cosine (numpy.cosh).
 *
 * ```ts
 * await cosh(array([0, 1])).toArray(); // [1, 1.54308]
 * ```
 */
export const cosh = (x: TensorLike): Tensor => elementwise("cosh", [x], prims.cosh, FLOAT);

/**
 * Hyperbolic tangent (numpy.tanh).
 *
 * ```ts
 * await tanh(array([0, 1])).toArray(); // [0, 0.761594]
 * ```
 */
export const tanh = (x: TensorLike): Tensor => elementwise("tanh", [x], prims.tanh, FLOAT);

/**
 * Inverse hyperbolic sine (numpy.arcsinh).
 *
 * ```ts
 * await asinh(array([0, 1])).toArray(); // [0, 0.881374]
 * ```
 */
export const asinh = (x: TensorLike): Tensor => elementwise("asinh", [x], prims.asinh, FLOAT);

/**
 * Inverse hyperbolic cosine (numpy.arccosh); NaN below 1.
 *
 * ```ts
 * await acosh(array([1, 2])).toArray(); // [0, 1.31696]
 * ```
 */
export const acosh = (x: TensorLike): Tensor => elementwise("acosh", [x], prims.acosh, FLOAT);

/**
 * Inverse hyperbolic tangent (numpy.arctanh); NaN outside [-1, 1].
 *
 * ```ts
 * await atanh(array([0, 0.5])).toArray(); // [0, 0.549306]
 * ```
 */
export const atanh = (x: TensorLike): Tensor => elementwise("atanh", [x], prims.atanh, FLOAT);

/**
 * The angle of the point (x, y) in (-π, π] (numpy.arctan2): the first argument is y.
 *
 * ```ts
 * await atan2(array([1, 0]), array([0, -1])).toArray(); // [1.5708, 3.14159]
 * ```
 */
export const atan2 = (y: TensorLike, x: TensorLike): Tensor =>
  elementwise("atan2", [y, x], prims.atan2, FLOAT);

/**
 * √(x² + y²) without overflow in between (numpy.hypot). Its gradient at the origin is 0.
 *
 * ```ts
 * await hypot(array([3]), array([4])).toArray(); // [5]
 * ```
 */
export const hypot = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise(
    "hypot",
    [x, y],
    (p, q) => {
      const [a, b] = [prims.abs(p), prims.abs(q)];
      const large = prims.stopGradient(prims.max(a, b));
      const zero = prims.eq(large, like(large, 0));
      const scale = prims.select(zero, like(large, 1), large);
      const [u, v] = [prims.div(a, scale), prims.div(b, scale)];
      const squares = prims.add(prims.square(u), prims.square(v));
      const inside = prims.select(zero, like(squares, 1), squares);
      return prims.select(zero, like(large, 0), prims.mul(scale, prims.sqrt(inside)));
    },
    FLOAT,
  );

/**
 * Degrees to radians (numpy.radians).
 *
 * ```ts
 * await radians(array([180])).toArray(); // [3.14159]
 * ```
 */
export const radians = (x: TensorLike): Tensor =>
  elementwise("radians", [x], (a) => prims.mul(a, like(a, Math.PI / 180)), FLOAT);

/**
 * Radians to degrees (numpy.degrees).
 *
 * ```ts
 * await degrees(array([3.14159265])).toArray(); // [180]
 * ```
 */
export const degrees = (x: TensorLike): Tensor =>
  elementwise("degrees", [x], (a) => prims.mul(a, like(a, 180 / Math.PI)), FLOAT);

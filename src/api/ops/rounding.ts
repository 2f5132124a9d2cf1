/** Rounding. Integers and booleans pass unchanged; derivatives are 0. */
import { isFloat } from "../../core/dtype.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { like } from "./atoms.js";
import { elementwise } from "./promote.js";

const rounding = (name: string, x: TensorLike, f: (a: Atom) => Atom): Tensor =>
  elementwise(name, [x], (a) => (isFloat(a.aval.dtype) ? f(a) : a));

/**
 * The largest integer not above x (numpy.floor).
 *
 * ```ts
 * await floor(array([1.5, -1.5])).toArray(); // [1, -2]
 * ```
 */
export const floor = (x: TensorLike): Tensor => rounding("floor", x, prims.floor);

/**
 * The smallest integer not below x (numpy.ceil).
 *
 * ```ts
 * await ceil(array([1.5, -1.5])).toArray(); // [2, -1]
 * ```
 */
export const ceil = (x: TensorLike): Tensor => rounding("ceil", x, prims.ceil);

/**
 * The nearest integer, halves to the even one (numpy.round).
 *
 * ```ts
 * await round(array([0.5, 1.5, -1.2])).toArray(); // [0, 2, -1]
 * ```
 */
export const round = (x: TensorLike): Tensor => rounding("round", x, prims.round);

/**
 * The integer part (numpy.trunc).
 *
 * ```ts
 * await trunc(array([1.7, -1.7])).toArray(); // [1, -1]
 * ```
 */
export const trunc = (x: TensorLike): Tensor =>
  rounding("trunc", x, (a) => prims.select(prims.lt(a, like(a, 0)), prims.ceil(a), prims.floor(a)));

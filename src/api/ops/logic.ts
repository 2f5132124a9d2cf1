/** Logic on truth values, and the bits of integers. No gradients. */
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { asBool } from "./atoms.js";
import { elementwise } from "./promote.js";

/**
 * x and y, as truth values: anything but 0 is true (numpy.logical_and).
 *
 * ```ts
 * await logicalAnd(array([0, 1]), true).toArray(); // [false, true]
 * ```
 */
export const logicalAnd = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("logicalAnd", [x, y], (a, b) => prims.and(asBool(a), asBool(b)));

/**
 * x or y, as truth values (numpy.logical_or).
 *
 * ```ts
 * await logicalOr(array([0, 1]), false).toArray(); // [false, true]
 * ```
 */
export const logicalOr = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("logicalOr", [x, y], (a, b) => prims.or(asBool(a), asBool(b)));

/**
 * Either but not both (numpy.logical_xor).
 *
 * ```ts
 * await logicalXor(array([0, 1]), true).toArray(); // [true, false]
 * ```
 */
export const logicalXor = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("logicalXor", [x, y], (a, b) => prims.xor(asBool(a), asBool(b)));

/**
 * Not x, as a truth value (numpy.logical_not).
 *
 * ```ts
 * await logicalNot(array([0, 1])).toArray(); // [true, false]
 * ```
 */
export const logicalNot = (x: TensorLike): Tensor =>
  elementwise("logicalNot", [x], (a) => prims.not(asBool(a)));

/**
 * Bits set in both (numpy.bitwise_and); logical on bool.
 *
 * ```ts
 * await bitwiseAnd(array([6], { dtype: "int32" }), 3).toArray(); // [2]
 * ```
 */
export const bitwiseAnd = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("bitwiseAnd", [x, y], prims.and);

/**
 * Bits set in either (numpy.bitwise_or).
 *
 * ```ts
 * await bitwiseOr(array([6], { dtype: "int32" }), 3).toArray(); // [7]
 * ```
 */
export const bitwiseOr = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("bitwiseOr", [x, y], prims.or);

/**
 * Bits set in one of them (numpy.bitwise_xor).
 *
 * ```ts
 * await bitwiseXor(array([6], { dtype: "int32" }), 3).toArray(); // [5]
 * ```
 */
export const bitwiseXor = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("bitwiseXor", [x, y], prims.xor);

/**
 * All bits flipped (numpy.bitwise_not); logical on bool.
 *
 * ```ts
 * await bitwiseNot(array([0], { dtype: "int32" })).toArray(); // [-1]
 * ```
 */
export const bitwiseNot = (x: TensorLike): Tensor => elementwise("bitwiseNot", [x], prims.not);

/**
 * Bits moved left (numpy.left_shift); 0 from 32 places on.
 *
 * ```ts
 * await leftShift(array([3], { dtype: "int32" }), 2).toArray(); // [12]
 * ```
 */
export const leftShift = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("leftShift", [x, y], prims.shiftLeft);

/**
 * Bits moved right (numpy.right_shift): signed integers keep their sign.
 *
 * ```ts
 * await rightShift(array([-8, 8], { dtype: "int32" }), 1).toArray(); // [-4, 4]
 * ```
 */
export const rightShift = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("rightShift", [x, y], (a, b) =>
    a.aval.dtype === "uint32" ? prims.shiftRightLogical(a, b) : prims.shiftRightArithmetic(a, b),
  );

/**
 * Bits moved right, zeros moved in (lax.shift_right_logical).
 *
 * ```ts
 * await shiftRightLogical(array([-1], { dtype: "int32" }), 28).toArray(); // [15]
 * ```
 */
export const shiftRightLogical = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("shiftRightLogical", [x, y], prims.shiftRightLogical);

/**
 * How many bits are set (lax.population_count).
 *
 * ```ts
 * await populationCount(array([7], { dtype: "uint32" })).toArray(); // [3]
 * ```
 */
export const populationCount = (x: TensorLike): Tensor =>
  elementwise("populationCount", [x], prims.populationCount);

/**
 * How many zero bits stand above the highest set bit (lax.clz).
 *
 * ```ts
 * await clz(array([1], { dtype: "uint32" })).toArray(); // [31]
 * ```
 */
export const clz = (x: TensorLike): Tensor => elementwise("clz", [x], prims.clz);

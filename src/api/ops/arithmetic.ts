/** Arithmetic with numpy's promotion and broadcasting. */
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { elementwise } from "./promote.js";

/**
 * Sum of two tensors, broadcast together (numpy.add). A number takes the tensor's dtype.
 *
 * ```ts
 * await add(array([1, 2]), 1).toArray(); // [2, 3]
 * ```
 */
export const add = (x: TensorLike, y: TensorLike): Tensor => elementwise("add", [x, y], prims.add);

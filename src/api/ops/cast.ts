/** Between dtypes. */
import type { DType } from "../../core/dtype.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { toAtom } from "./promote.js";

/**
 * The tensor converted to another dtype by value. float32 to an integer truncates towards zero,
 * saturates at the range's ends and turns NaN into 0; int32 and uint32 reinterpret each other modulo
 * 2^32; to bool is `x != 0`. Differentiable between floats; integers and booleans carry no gradient.
 *
 * ```ts
 * await astype(array([1.7, -1.7]), "int32").toArray(); // [1, -1]
 * ```
 */
export const astype = (x: TensorLike, dtype: DType): Tensor =>
  operation("astype", (trace) => tracerOf(trace, prims.convert(toAtom(x, trace), dtype)));

/**
 * The same 32 bits as another dtype of float32, int32, uint32 (lax.bitcast_convert_type).
 *
 * ```ts
 * await bitcast(array(1), "uint32").item(); // 1065353216
 * ```
 */
export const bitcast = (x: TensorLike, dtype: DType): Tensor =>
  operation("bitcast", (trace) => tracerOf(trace, prims.bitcast(toAtom(x, trace), dtype)));

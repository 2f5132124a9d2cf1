/** Tensors of constants, ranges and the identity. Under a trace they are part of the program. */
import { checkShape, type Shape } from "../../core/aval.js";
import { type DType, isFloat } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { checkDtypeName, full } from "./array.js";
import { like } from "./atoms.js";
import { requireKnown } from "./promote.js";

export interface DtypeOption {
  readonly dtype?: DType;
}

const built = (name: string, f: () => Atom): Tensor =>
  operation(name, (trace) => tracerOf(trace, f()));

function constant(name: string, shape: Shape, value: number, dtype: DType): Tensor {
  return built(name, () => {
    checkShape(name, shape);
    checkDtypeName(name, dtype);
    return prims.broadcastInDim(lit(value, dtype), shape, []);
  });
}

/**
 * All zeros (numpy.zeros), float32 unless `dtype` says otherwise.
 *
 * ```ts
 * await zeros([2]).toArray(); // [0, 0]
 * ```
 */
export const zeros = (shape: Shape, options: DtypeOption = {}): Tensor =>
  constant("zeros", shape, 0, options.dtype ?? "float32");

/**
 * All ones (numpy.ones), float32 unless `dtype` says otherwise.
 *
 * ```ts
 * await ones([2], { dtype: "bool" }).toArray(); // [true, true]
 * ```
 */
export const ones = (shape: Shape, options: DtypeOption = {}): Tensor =>
  constant("ones", shape, 1, options.dtype ?? "float32");

const dtypeOf = (x: TensorLike): DType =>
  isTensor(x) ? x.dtype : typeof x === "boolean" ? "bool" : "float32";
const shapeOf = (x: TensorLike): Shape => (isTensor(x) ? x.shape : []);

/**
 * Zeros of the shape and dtype of another tensor (numpy.zeros_like).
 *
 * ```ts
 * await zerosLike(array([1, 2])).toArray(); // [0, 0]
 * ```
 */
export const zerosLike = (x: TensorLike, options: DtypeOption = {}): Tensor =>
  constant("zerosLike", shapeOf(x), 0, options.dtype ?? dtypeOf(x));

/**
 * Ones of the shape and dtype of another tensor (numpy.ones_like).
 *
 * ```ts
 * await onesLike(array([1, 2])).toArray(); // [1, 1]
 * ```
 */
export const onesLike = (x: TensorLike, options: DtypeOption = {}): Tensor =>
  constant("onesLike", shapeOf(x), 1, options.dtype ?? dtypeOf(x));

/**
 * One value in the shape and dtype of another tensor (numpy.full_like).
 *
 * ```ts
 * await fullLike(array([1, 2]), 5).toArray(); // [5, 5]
 * ```
 */
export const fullLike = (x: TensorLike, value: TensorLike, options: DtypeOption = {}): Tensor =>
  full(shapeOf(x), value, { dtype: options.dtype ?? dtypeOf(x) });

/**
 * Evenly spaced numbers (numpy.arange): `arange(stop)`, `arange(start, stop)`,
 * `arange(start, stop, step)`, without the stop. int32 when all are whole numbers, else float32.
 *
 * ```ts
 * await arange(3).toArray(); // [0, 1, 2]
 * await arange(1, 2, 0.5).toArray(); // [1, 1.5]
 * ```
 */
export function arange(stop: number, options?: DtypeOption): Tensor;
export function arange(start: number, stop: number, options?: DtypeOption): Tensor;
export function arange(start: number, stop: number, step: number, options?: DtypeOption): Tensor;
export function arange(...args: readonly (number | DtypeOption | undefined)[]): Tensor {
  if (args.some((a) => isTensor(a))) {
    throw new ShapeError(
      "arange: start, stop and step decide the shape and must be JavaScript numbers, known when the " +
        "function is traced, not tensors; take them from x.shape, or make the argument static (jit's " +
        "staticArgnums)",
    );
  }
  const list = args.filter((a): a is number => typeof a === "number");
  const options = args.find((a): a is DtypeOption => typeof a === "object") ?? {};
  const [start, stop, step] =
    list.length === 1 ? [0, list[0]!, 1] : [list[0]!, list[1]!, list[2] ?? 1];
  if (step === 0 || ![start, stop, step].every(Number.isFinite)) {
    throw new ShapeError(
      `arange: start ${start}, stop ${stop}, step ${step} must be finite, and the step not 0`,
    );
  }
  const whole = [start, stop, step].every(Number.isInteger);
  const dtype = options.dtype ?? (whole ? "int32" : "float32");
  checkDtypeName("arange", dtype);
  if (dtype === "bool")
    throw new DtypeError("arange: bool has no range; compare one with something");
  if (!isFloat(dtype) && !whole) {
    throw new DtypeError(`arange: start ${start} and step ${step} must be whole for ${dtype}`);
  }
  const n = Math.max(0, Math.ceil((stop - start) / step));
  return built("arange", () => {
    const at = prims.iota(dtype, [n], 0);
    return prims.add(prims.mul(at, like(at, step)), like(at, start));
  });
}

/**
 * `num` evenly spaced numbers from start to stop, which is included unless `endpoint` is false
 * (numpy.linspace). float32; both ends are exact.
 *
 * ```ts
 * await linspace(0, 1, 5).toArray(); // [0, 0.25, 0.5, 0.75, 1]
 * ```
 */
export function linspace(
  start: number,
  stop: number,
  num = 50,
  options: { readonly endpoint?: boolean } = {},
): Tensor {
  requireKnown("linspace", "start, stop and num", start, stop, num);
  if (!Number.isInteger(num) || num < 0) {
    throw new ShapeError(`linspace: num ${num} must be a non-negative integer`);
  }
  const intervals = (options.endpoint ?? true) ? num - 1 : num;
  return built("linspace", () => {
    const at = prims.iota("float32", [num], 0);
    if (intervals < 1) return prims.add(at, like(at, start));
    // (start (m - i) + stop i) / m is exact at both ends.
    const left = prims.mul(prims.sub(like(at, intervals), at), like(at, start));
    const right = prims.mul(at, like(at, stop));
    return prims.div(prims.add(left, right), like(at, intervals));
  });
}

/**
 * Positions along an axis of a shape (lax.broadcasted_iota), int32 unless `dtype` says otherwise.
 *
 * ```ts
 * await iota([2, 2], 1).toArray(); // [[0, 1], [0, 1]]
 * ```
 */
export const iota = (shape: Shape | number, axis = 0, options: DtypeOption = {}): Tensor =>
  built("iota", () => {
    requireKnown("iota", "the shape", shape);
    return prims.iota(options.dtype ?? "int32", typeof shape === "number" ? [shape] : shape, axis);
  });

/** Where the k-th diagonal of an n × m matrix is. */
export function onDiagonal(n: number, m: number, k: number): Atom {
  const row = prims.iota("int32", [n, m], 0);
  const column = prims.iota("int32", [n, m], 1);
  return prims.eq(prims.add(row, like(row, k)), column);
}

/**
 * Ones on the k-th diagonal (numpy.eye), `n` × `m` (square by default).
 *
 * ```ts
 * await eye(2).toArray(); // [[1, 0], [0, 1]]
 * ```
 */
export const eye = (
  n: number,
  m: number = n,
  options: DtypeOption & { readonly k?: number } = {},
): Tensor =>
  built("eye", () => {
    checkShape("eye", [n, m]);
    return prims.convert(onDiagonal(n, m, options.k ?? 0), options.dtype ?? "float32");
  });

/**
 * The identity matrix (numpy.identity).
 *
 * ```ts
 * await identity(2).toArray(); // [[1, 0], [0, 1]]
 * ```
 */
export const identity = (n: number, options: DtypeOption = {}): Tensor => eye(n, n, options);

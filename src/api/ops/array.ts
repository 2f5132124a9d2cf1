/** array: tensors from JavaScript numbers, nested lists and typed arrays. */
import { aval, checkShape, type Shape, showAval, showShape, sizeOf } from "../../core/aval.js";
import { type DType, dtypes, integerRange, isFloat, type TypedArray } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { hostBuffer, hostTensor } from "../concrete.js";
import { astype } from "./cast.js";
import { stack } from "./join.js";
import { broadcastTo, reshape } from "./shape.js";

/** The typed arrays that `array` takes. */
export type NumericTypedArray =
  | TypedArray
  | Int8Array
  | Int16Array
  | Uint8ClampedArray
  | Uint16Array;

/** Nested lists of numbers, booleans or tensors. */
export type NestedList = readonly (TensorLike | NestedList)[];

/** What `array` takes. */
export type ArrayData = TensorLike | NumericTypedArray | NestedList;

export interface ArrayOptions {
  /** Element type of the result. */
  readonly dtype?: DType;
  /** Shape of the result, for flat data. */
  readonly shape?: Shape;
}

/**
 * A tensor from a number, a boolean, nested lists, or a typed array (flat unless `shape` is given).
 * The values are copied at once and stay on the host until an operation needs them.
 *
 * Dtypes: numbers give float32, booleans give bool; floating typed arrays give float32, signed ones
 * int32, unsigned ones (Uint8Array too) uint32. `dtype` overrides: fractions are truncated for
 * integers, and a NaN or a number out of the integers' range is an error.
 *
 * Lists may hold tensors, traced ones too: they are stacked.
 *
 * @throws ShapeError for ragged lists or a shape of another size, DtypeError for other values.
 *
 * ```ts
 * await array([[1, 2], [3, 4]]).toArray(); // [[1, 2], [3, 4]]
 * await array(new Uint8Array([1, 2, 3, 4]), { dtype: "float32", shape: [2, 2] }).toArray(); // [[1, 2], [3, 4]]
 * ```
 */
export function array(data: ArrayData, options: ArrayOptions = {}): Tensor {
  const { dtype, shape } = options;
  if (shape !== undefined) checkShape("array", shape);
  if (dtype !== undefined) checkDtypeName("array", dtype);
  if (isTensor(data) || (Array.isArray(data) && containsTensor(data))) {
    return operation("array", () => {
      const x = isTensor(data) ? data : stackNested(data as NestedList);
      const cast = dtype === undefined ? x : astype(x, dtype);
      return shape === undefined ? cast : reshape(cast, shape);
    });
  }
  const flat: (number | boolean)[] = [];
  const source: ArrayLike<number | boolean> = isTyped(data) ? data : flat;
  const natural = isTyped(data) ? [data.length] : flattenNested(data, flat);
  const out = shape ?? natural;
  if (sizeOf(out) !== source.length) {
    throw new ShapeError(
      `array: ${source.length} values do not fill the shape ${showShape(out)}, which has ${sizeOf(out)} elements`,
    );
  }
  const type = dtype ?? naturalDtype(data, flat);
  return hostTensor(aval([...out], type), convertData(source, type, out));
}

export function checkDtypeName(op: string, dtype: DType): void {
  if (!dtypes.includes(dtype)) {
    throw new DtypeError(
      `${op}: no dtype ${JSON.stringify(dtype)}; there are ${dtypes.join(", ")}`,
    );
  }
}

const isTyped = (x: unknown): x is NumericTypedArray =>
  ArrayBuffer.isView(x) &&
  !(x instanceof DataView) &&
  !(x instanceof BigInt64Array) &&
  !(x instanceof BigUint64Array);

const containsTensor = (x: unknown): boolean =>
  Array.isArray(x) ? x.some(containsTensor) : isTensor(x);

const stackNested = (data: NestedList): Tensor =>
  stack(data.map((x) => (isTensor(x) ? x : array(x as ArrayData))));

function naturalDtype(data: ArrayData, flat: readonly (number | boolean)[]): DType {
  if (isTyped(data)) {
    if (data instanceof Float32Array || data instanceof Float64Array) return "float32";
    return data instanceof Int8Array || data instanceof Int16Array || data instanceof Int32Array
      ? "int32"
      : "uint32";
  }
  return flat.length > 0 && flat.every((x) => typeof x === "boolean") ? "bool" : "float32";
}

/** Append the leaves of nested lists to `out` and give their shape. */
function flattenNested(data: unknown, out: (number | boolean)[]): number[] {
  const shape: number[] = [];
  for (let x = data; Array.isArray(x); x = x[0]) shape.push(x.length);
  const go = (x: unknown, depth: number, path: string): void => {
    if (depth === shape.length) {
      if (typeof x === "number" || typeof x === "boolean") {
        out.push(x);
        return;
      }
      if (!Array.isArray(x)) throw new DtypeError(notNumber(x, path));
    }
    const want = shape[depth];
    if (!Array.isArray(x) || x.length !== want) {
      const have = Array.isArray(x) ? `a list of ${x.length}` : `the ${typeof x} ${String(x)}`;
      throw new ShapeError(
        `array: ragged nested lists: element ${path || "(root)"} is ${have} but the first of its ` +
          `level is ${want === undefined ? "a number" : `a list of ${want}`}; make them equally long`,
      );
    }
    for (let i = 0; i < x.length; i++) go(x[i], depth + 1, `${path}[${i}]`);
  };
  go(data, 0, "");
  return shape;
}

function notNumber(x: unknown, path: string): string {
  const what =
    x === null ? "null" : typeof x === "object" ? (x?.constructor?.name ?? "object") : typeof x;
  const hint =
    typeof x === "bigint" || x instanceof BigInt64Array || x instanceof BigUint64Array
      ? "there are no 64-bit integers: convert to numbers first"
      : "it takes numbers, booleans, nested lists of them, typed arrays and tensors";
  return `array: element ${path || "(root)"} is a ${what}; ${hint}`;
}

/** A copy of the values in the host representation of a dtype. */
function convertData(source: ArrayLike<number | boolean>, dtype: DType, shape: Shape): TypedArray {
  const out = hostBuffer(dtype, shape);
  if (isFloat(dtype)) {
    for (let i = 0; i < out.length; i++) out[i] = Number(source[i]);
  } else if (dtype === "bool") {
    for (let i = 0; i < out.length; i++) out[i] = Number(source[i]) !== 0 ? 1 : 0;
  } else {
    const [lo, hi] = integerRange(dtype);
    for (let i = 0; i < out.length; i++) {
      const v = Math.trunc(Number(source[i]));
      if (!(v >= lo && v <= hi)) {
        throw new DtypeError(
          `array: the value ${String(source[i])} at flat position ${i} does not fit ` +
            `${showAval(aval(shape, dtype))} (${lo} to ${hi}); choose another dtype`,
        );
      }
      out[i] = v;
    }
  }
  return out;
}

/**
 * A tensor as it is; anything else through `array` (jnp.asarray).
 *
 * ```ts
 * await asarray([1, 2]).toArray(); // [1, 2]
 * ```
 */
export const asarray = (data: ArrayData, options: ArrayOptions = {}): Tensor =>
  isTensor(data) && options.dtype === undefined && options.shape === undefined
    ? data
    : array(data, options);

/**
 * A tensor of one value (numpy.full). The value may be a tensor, which is broadcast to the shape.
 * Numbers give float32 and booleans bool unless `dtype` says otherwise.
 *
 * ```ts
 * await full([2], 7).toArray(); // [7, 7]
 * ```
 */
export function full(
  shape: Shape,
  value: TensorLike,
  options: { readonly dtype?: DType } = {},
): Tensor {
  checkShape("full", shape);
  if (options.dtype !== undefined) checkDtypeName("full", options.dtype);
  const natural = isTensor(value) ? value.dtype : typeof value === "boolean" ? "bool" : "float32";
  return operation("full", () => broadcastTo(astype(value, options.dtype ?? natural), shape));
}

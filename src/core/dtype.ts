/** The element types, how they are stored, and how they promote. */

/** `bool` is stored as one 32-bit word per element on the device: WGSL has no storable bool. */
export type DType = "float32" | "int32" | "uint32" | "bool";

export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** What `await x.data()` gives for each dtype. */
export type DataOf<D extends DType> = D extends "float32"
  ? Float32Array
  : D extends "int32"
    ? Int32Array
    : D extends "uint32"
      ? Uint32Array
      : Uint8Array;

export const dtypes: readonly DType[] = ["float32", "int32", "uint32", "bool"];

export const isFloat = (dtype: DType): boolean => dtype === "float32";
export const isInteger = (dtype: DType): boolean => dtype === "int32" || dtype === "uint32";

/** The least and the greatest integer of a dtype. */
export const integerRange = (dtype: DType): readonly [lo: number, hi: number] =>
  dtype === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : dtype === "bool" ? [0, 1] : [0, 2 ** 32 - 1];

/** Whether a number is a value of a dtype as it stands. */
export function isValueOf(dtype: DType, x: number): boolean {
  if (isFloat(dtype)) return true;
  const [lo, hi] = integerRange(dtype);
  return Number.isInteger(x) && x >= lo && x <= hi;
}

/** Bytes of one element on the device. */
export const itemSize = 4;

/**
 * The dtype of a binary operation between two dtypes, both strong (as JAX with x64 disabled:
 * bool < uint32, int32 < float32; uint32 with int32 gives int32, the widest integer there is).
 */
export function promoteDtypes(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a === "bool") return b;
  if (b === "bool") return a;
  if (a === "float32" || b === "float32") return "float32";
  return "int32";
}

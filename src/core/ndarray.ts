/** Host arrays of the reference interpreter: floats in f64, everything row-major and dense. */
import { type Aval, aval, type Shape, sizeOf } from "./aval.js";
import type { DType } from "./dtype.js";

export type HostData = Float64Array | Int32Array | Uint32Array | Uint8Array;

/** An array on the host. `float32` values are held in f64: this is the oracle, not an emulator. */
export interface NdArray {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: HostData;
}

export function hostData(dtype: DType, size: number): HostData {
  switch (dtype) {
    case "float32":
      return new Float64Array(size);
    case "int32":
      return new Int32Array(size);
    case "uint32":
      return new Uint32Array(size);
    case "bool":
      return new Uint8Array(size);
  }
}

export function ndarray(
  shape: Shape,
  dtype: DType,
  data: ArrayLike<number | boolean> | number,
): NdArray {
  const size = sizeOf(shape);
  const out = hostData(dtype, size);
  if (typeof data === "number") out.fill(data);
  else for (let i = 0; i < size; i++) out[i] = Number(data[i]);
  return { shape, dtype, data: out };
}

/** Build an array by calling `f` with each row-major position. */
export function ndFromFunction(
  shape: Shape,
  dtype: DType,
  f: (index: readonly number[], flat: number) => number,
): NdArray {
  const out = hostData(dtype, sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < out.length; flat++) {
    out[flat] = f(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return { shape, dtype, data: out };
}

export const avalOf = (x: NdArray): Aval => aval(x.shape, x.dtype);

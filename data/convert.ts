/** Stored tensors to and from the element types of dawngrad. */
import { swapBytes, viewAs } from "./bytes.js";
import { fail } from "./file.js";
import type { StoredTensor, StoredType } from "./safetensors-format.js";

/** Values as `array(data, { dtype, shape })` takes them. */
export type Values =
  | { readonly dtype: "float32"; readonly data: Float32Array }
  | { readonly dtype: "int32"; readonly data: Int32Array }
  | { readonly dtype: "uint32"; readonly data: Uint32Array }
  | { readonly dtype: "bool"; readonly data: Uint8Array };

const storedTypes = {
  float32: "F32",
  int32: "I32",
  uint32: "U32",
  bool: "BOOL",
} as const satisfies Record<Values["dtype"], StoredType>;

/** What `Values` is stored as, without loss. */
export function toStored(values: Values, shape: readonly number[]): StoredTensor {
  const { buffer, byteOffset, byteLength } = values.data;
  const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice();
  swapBytes(bytes, values.data.BYTES_PER_ELEMENT, "LE");
  return { dtype: storedTypes[values.dtype], shape, bytes };
}

/**
 * Floats of any width become float32 (F64 rounds), signed integers int32, unsigned ones uint32;
 * 64-bit integers that do not fit are an error. `path` and `name` are for the message.
 */
export function fromStored(path: string, name: string, stored: StoredTensor): Values {
  const { dtype } = stored;
  const bytes = stored.bytes.slice();
  switch (dtype) {
    case "F32":
      return { dtype: "float32", data: elements(bytes, "float32", 4) };
    case "F64":
      return { dtype: "float32", data: Float32Array.from(elements(bytes, "float64", 8)) };
    case "F16":
      return {
        dtype: "float32",
        data: Float32Array.from(elements(bytes, "uint16", 2), halfToFloat),
      };
    case "BF16": {
      const words = Uint32Array.from(elements(bytes, "uint16", 2), (half) => half << 16);
      return { dtype: "float32", data: new Float32Array(words.buffer) };
    }
    case "I32":
      return { dtype: "int32", data: elements(bytes, "int32", 4) };
    case "I16":
      return { dtype: "int32", data: Int32Array.from(elements(bytes, "int16", 2)) };
    case "I8":
      return { dtype: "int32", data: Int32Array.from(elements(bytes, "int8", 1)) };
    case "U32":
      return { dtype: "uint32", data: elements(bytes, "uint32", 4) };
    case "U16":
      return { dtype: "uint32", data: Uint32Array.from(elements(bytes, "uint16", 2)) };
    case "U8":
      return { dtype: "uint32", data: Uint32Array.from(bytes) };
    case "I64":
      return { dtype: "int32", data: narrow(path, name, bytes, true) as Int32Array };
    case "U64":
      return { dtype: "uint32", data: narrow(path, name, bytes, false) as Uint32Array };
    case "BOOL": {
      const wrong = bytes.find((b) => b > 1);
      if (wrong !== undefined) {
        throw fail(path, `booleans 0 or 1 in tensor "${name}"`, `${wrong}`);
      }
      return { dtype: "bool", data: bytes };
    }
  }
}

function elements<T extends Parameters<typeof viewAs>[1]>(
  bytes: Uint8Array,
  type: T,
  size: number,
) {
  swapBytes(bytes, size, "LE");
  return viewAs(bytes, type);
}

function narrow(
  path: string,
  name: string,
  bytes: Uint8Array,
  signed: boolean,
): Int32Array | Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = signed ? new Int32Array(bytes.length / 8) : new Uint32Array(bytes.length / 8);
  for (let i = 0; i < out.length; i++) {
    const value = signed ? view.getBigInt64(8 * i, true) : view.getBigUint64(8 * i, true);
    out[i] = Number(BigInt.asIntN(53, value));
    if (BigInt(out[i]!) !== value) {
      throw fail(path, `64-bit integers that fit 32 bits in tensor "${name}"`, `${value}`);
    }
  }
  return out;
}

/** IEEE binary16 by its bits. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

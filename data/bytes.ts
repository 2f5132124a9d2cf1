/** Raw bytes as typed arrays: byte order and alignment. */
import { endianness } from "node:os";

const constructors = {
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

export type ElementType = keyof typeof constructors;
export type ArrayOf<T extends ElementType> = InstanceType<(typeof constructors)[T]>;

/** See `bytes` (a whole number of elements, in the machine's byte order) as elements. */
export function viewAs<T extends ElementType>(bytes: Uint8Array, type: T): ArrayOf<T> {
  const make = constructors[type];
  const size = make.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new make(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / size,
  ) as ArrayOf<T>;
}

/** Convert in place between a file's byte order and the machine's; `size` is that of an element. */
export function swapBytes(bytes: Uint8Array, size: number, order: "BE" | "LE" = "BE"): void {
  if (endianness() === order || size === 1) return;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else buffer.swap64();
}

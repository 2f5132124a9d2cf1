/** Arrays on the device: a shape and dtype over shared, counted storage. */
import { type Aval, aval, type Shape, showAval, sizeOf } from "../core/aval.js";
import { type DType, itemSize, type TypedArray } from "../core/dtype.js";
import { DisposedError, ShapeError } from "../core/errors.js";
import { currentGpu, type Gpu } from "../device/index.js";
import { liveCount } from "./memory.js";

/** A buffer of the pool, shared by the arrays that look at it or at parts of it. */
export class Storage {
  readonly gpu: Gpu;
  readonly buffer: GPUBuffer;
  #count = 0;
  /** How many arrays begin at an offset, where some do not begin at 0. */
  #parts: Map<number, number> | undefined;

  constructor(gpu: Gpu, buffer: GPUBuffer) {
    this.gpu = gpu;
    this.buffer = buffer;
  }

  /** Arrays that look at it. */
  get viewers(): number {
    return this.#count;
  }

  /** Arrays that begin at this offset (arrays at different offsets never overlap). */
  viewersAt(offset: number): number {
    return this.#parts ? (this.#parts.get(offset) ?? 0) : offset === 0 ? this.#count : 0;
  }

  retain(offset: number): void {
    if (offset !== 0) this.#parts ??= new Map([[0, this.#count]]);
    this.#parts?.set(offset, (this.#parts.get(offset) ?? 0) + 1);
    this.#count += 1;
  }

  release(offset: number): void {
    this.#parts?.set(offset, this.#parts.get(offset)! - 1);
    this.#count -= 1;
    if (this.#count === 0 && !this.gpu.lost) this.gpu.pool.release(this.buffer);
  }
}

type State = { readonly kind: "live" | "disposed" } | { readonly kind: "donated"; to: string };

const live: State = { kind: "live" };

// A backstop for arrays that are dropped without dispose(): runs some time after they became garbage.
const collected = new FinalizationRegistry<{ storage: Storage; offset: number }>(
  ({ storage, offset }) => {
    liveCount(storage.gpu).count -= 1;
    storage.release(offset);
  },
);

/** Bytes of an array's elements in memory, in whole vectors: kernels may write the last in full. */
export const storageBytes = (a: Aval): number => Math.ceil((sizeOf(a.shape) * itemSize) / 16) * 16;

export class ConcreteArray {
  readonly aval: Aval;
  /** Where its elements begin in the buffer; results of one program may share a buffer. */
  readonly byteOffset: number;
  readonly #storage: Storage;
  #state: State = live;

  constructor(a: Aval, storage: Storage, byteOffset = 0) {
    this.aval = a;
    this.byteOffset = byteOffset;
    this.#storage = storage;
    storage.retain(byteOffset);
    liveCount(storage.gpu).count += 1;
    collected.register(this, { storage, offset: byteOffset }, this);
  }

  get state(): "live" | "disposed" | "donated" {
    return this.#state.kind;
  }

  /** The storage, or a DisposedError that says where the array went. */
  use(operation: string): Storage {
    const state = this.#state;
    if (state.kind === "live") return this.#storage;
    const what = `${operation}: this ${showAval(this.aval)}`;
    if (state.kind === "donated") {
      throw new DisposedError(
        `${what} was donated to '${state.to}', which wrote its results over it; keep the result ` +
          "instead, or leave the argument out of donateArgnums",
      );
    }
    throw new DisposedError(`${what} was disposed; keep it, or compute it again`);
  }

  get buffer(): GPUBuffer {
    return this.use("buffer").buffer;
  }

  /** The elements, row-major, on the host. */
  async read(label = "data()"): Promise<TypedArray> {
    const storage = this.use(label);
    const { shape, dtype } = this.aval;
    const n = sizeOf(shape);
    const bytes = await storage.gpu.readback(storage.buffer, this.byteOffset, n * itemSize, label);
    switch (dtype) {
      case "float32":
        return new Float32Array(bytes);
      case "int32":
        return new Int32Array(bytes);
      case "uint32":
        return new Uint32Array(bytes);
      case "bool":
        return Uint8Array.from(new Uint32Array(bytes));
    }
  }

  /** Give up the array; its buffer is free once no other array shares it. Twice is harmless. */
  dispose(): void {
    if (this.#state.kind !== "live") return;
    this.#leave({ kind: "disposed" });
    this.#storage.release(this.byteOffset);
  }

  /** The program `to` takes the array over; results that lie in its storage keep that alive. */
  donate(to: string): void {
    const storage = this.use(to);
    this.#leave({ kind: "donated", to });
    storage.release(this.byteOffset);
  }

  #leave(state: State): void {
    this.#state = state;
    collected.unregister(this);
    liveCount(this.#storage.gpu).count -= 1;
  }
}

/** A new array with the values of a typed array (floats for float32, 0 and 1 for bool). */
export function fromHost(
  data: TypedArray,
  { shape, dtype }: { readonly shape: Shape; readonly dtype: DType },
): ConcreteArray {
  const a = aval(shape, dtype);
  const label = `array ${showAval(a)}`;
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(`${label}: got ${data.length} values for ${sizeOf(shape)} elements`);
  }
  const gpu = currentGpu(label);
  const bytes = storageBytes(a);
  const buffer = gpu.pool.acquire(bytes, label);
  gpu.write(buffer, 0, wordsOf(data, dtype));
  return new ConcreteArray(a, new Storage(gpu, buffer));
}

function wordsOf(data: TypedArray, dtype: DType): ArrayBufferView {
  switch (dtype) {
    case "float32":
      return data instanceof Float32Array ? data : Float32Array.from(data);
    case "int32":
      return data instanceof Int32Array ? data : Int32Array.from(data);
    case "uint32":
      return data instanceof Uint32Array ? data : Uint32Array.from(data);
    case "bool":
      return Uint32Array.from(data, (x) => (x !== 0 ? 1 : 0));
  }
}

/** Wait until all that was submitted before is done; rejects with what went wrong. */
export async function blockArrays(arrays: readonly ConcreteArray[]): Promise<void> {
  for (const x of arrays) x.use("block");
  const gpus = new Set(arrays.map((x) => x.use("block").gpu));
  for (const gpu of gpus) await gpu.waitDone("block");
}

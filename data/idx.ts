/**
 * The IDX format of MNIST and its relatives, plain or gzipped: two zero bytes, one byte for the
 * element type, one for the rank, the sizes as big-endian 32-bit integers, then the elements in
 * row-major order, big-endian. (Y. LeCun, C. Cortes, C. Burges, "The MNIST database".)
 *
 * Files are not trusted: nothing is allocated for sizes that the file cannot hold, and a file that
 * is too short, too long or damaged is refused.
 */
import { swapBytes, viewAs } from "./bytes.js";
import { fail, openFile, type SourceFile } from "./file.js";

/** Element types of IDX by their name here. */
export type IdxType = "uint8" | "int8" | "int16" | "int32" | "float32" | "float64";

export type IdxData =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array;

export interface IdxArray {
  readonly shape: readonly number[];
  readonly dtype: IdxType;
  /** Row-major elements, in the machine's byte order. */
  readonly data: IdxData;
}

export interface IdxOptions {
  /** Refuse a file with another element type. */
  readonly dtype?: IdxType;
  /** Refuse a file with another number of dimensions. */
  readonly rank?: number;
  /** Refuse a file whose elements take more bytes than this (2 GiB by default). */
  readonly maxBytes?: number;
}

const typeOfCode: ReadonlyMap<number, IdxType> = new Map([
  [0x08, "uint8"],
  [0x09, "int8"],
  [0x0b, "int16"],
  [0x0c, "int32"],
  [0x0d, "float32"],
  [0x0e, "float64"],
]);

const bytesOf: Readonly<Record<IdxType, number>> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  float32: 4,
  float64: 8,
};

/** DEFLATE cannot expand its input by more than this factor (zlib's technical notes: 1032:1). */
const MAX_DEFLATE_RATIO = 1032;

/**
 * Read an IDX file, gzipped or not (told by its content, not by its name).
 *
 * Throws a DataError, which names the file, what was expected and what was found, if the file is
 * absent, is not IDX, or does not have exactly the length that its header says.
 *
 * ```ts no-run
 * const { shape } = await readIdx("train-images-idx3-ubyte", { dtype: "uint8", rank: 3 });
 * console.log(shape); // [60000, 28, 28]
 * ```
 */
export async function readIdx(path: string, options: IdxOptions = {}): Promise<IdxArray> {
  const file = await openFile(path);
  try {
    const reader = new IdxReader(file, options);
    for await (const chunk of file.chunks()) reader.push(chunk);
    return reader.finish();
  } finally {
    await file.close();
  }
}

/** Takes the (decompressed) bytes of a file in pieces of any size. */
class IdxReader {
  readonly #file: SourceFile;
  readonly #options: IdxOptions;
  /** The magic number first, then the whole header once the rank is known. */
  #header = new Uint8Array(4);
  #headerBytes = 0;
  #dtype: IdxType | undefined;
  #shape: number[] | undefined;
  #payload = new Uint8Array(0);
  #payloadBytes = 0;
  #expected = 0;

  constructor(file: SourceFile, options: IdxOptions) {
    this.#file = file;
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (this.#shape === undefined && at < chunk.length) {
      const n = Math.min(this.#header.length - this.#headerBytes, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + n), this.#headerBytes);
      this.#headerBytes += n;
      at += n;
      if (this.#headerBytes < this.#header.length) return;
      if (this.#dtype === undefined) this.#readMagic();
      else this.#readSizes();
    }
    if (at < chunk.length) this.#append(chunk.subarray(at));
  }

  finish(): IdxArray {
    if (this.#dtype === undefined || this.#shape === undefined) {
      throw fail(
        this.#file.path,
        this.#dtype === undefined
          ? "an IDX header of at least 8 bytes"
          : `an IDX header of ${this.#header.length} bytes`,
        `only ${this.#headerBytes} ${this.#headerBytes === 1 ? "byte" : "bytes"}`,
        "the file is truncated; fetch it again",
      );
    }
    if (this.#payloadBytes !== this.#expected) throw this.#wrongLength(this.#payloadBytes);
    const size = bytesOf[this.#dtype];
    swapBytes(this.#payload, size);
    return {
      shape: this.#shape,
      dtype: this.#dtype,
      data: viewAs(this.#payload, this.#dtype),
    };
  }

  #readMagic(): void {
    const [zero0, zero1, code, rank] = this.#header as unknown as [number, number, number, number];
    const dtype = typeOfCode.get(code);
    if (zero0 !== 0 || zero1 !== 0 || dtype === undefined || rank === 0) {
      throw fail(
        this.#file.path,
        "an IDX file, which begins with the bytes 00 00, a type (08, 09, 0b, 0c, 0d or 0e) and a rank of at least 1",
        `the bytes ${[...this.#header].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`,
        "is this the right file, and whole?",
      );
    }
    if (this.#options.dtype !== undefined && dtype !== this.#options.dtype) {
      throw fail(this.#file.path, `elements of type ${this.#options.dtype}`, dtype);
    }
    if (this.#options.rank !== undefined && rank !== this.#options.rank) {
      throw fail(this.#file.path, `${this.#options.rank} dimensions`, `${rank}`);
    }
    this.#dtype = dtype;
    const header = new Uint8Array(4 + 4 * rank);
    header.set(this.#header);
    this.#header = header;
  }

  #readSizes(): void {
    const view = new DataView(this.#header.buffer);
    const shape: number[] = [];
    for (let at = 4; at < this.#header.length; at += 4) shape.push(view.getUint32(at));
    // A zero among huge sizes makes an empty array, though the product of the rest may overflow.
    const elements = shape.includes(0) ? 0 : shape.reduce((n, d) => n * d, 1);
    this.#expected = elements * bytesOf[this.#dtype!];
    this.#shape = shape;
    const maxBytes = this.#options.maxBytes ?? 2 ** 31;
    if (this.#expected > maxBytes) {
      throw fail(
        this.#file.path,
        `at most ${maxBytes} bytes of elements (maxBytes)`,
        `a header that says ${this.#describe()}`,
        "the header is damaged, or maxBytes must be raised",
      );
    }
    if (this.#file.compressed) {
      if (this.#expected > this.#file.size * MAX_DEFLATE_RATIO) {
        throw this.#wrongLength(
          `a gzip file of ${this.#file.size} bytes, which cannot hold that many`,
        );
      }
    } else if (this.#file.size !== this.#header.length + this.#expected) {
      throw this.#wrongLength(this.#file.size - this.#header.length);
    }
    // For gzip the length is only known at the end: grow with what really arrives.
    this.#payload = new Uint8Array(
      this.#file.compressed ? Math.min(this.#expected, 1 << 20) : this.#expected,
    );
  }

  #append(chunk: Uint8Array): void {
    const end = this.#payloadBytes + chunk.length;
    if (end > this.#expected) throw this.#wrongLength(`at least ${end}`);
    if (end > this.#payload.length) {
      const grown = new Uint8Array(
        Math.min(this.#expected, Math.max(end, 2 * this.#payload.length)),
      );
      grown.set(this.#payload.subarray(0, this.#payloadBytes));
      this.#payload = grown;
    }
    this.#payload.set(chunk, this.#payloadBytes);
    this.#payloadBytes = end;
  }

  #describe(): string {
    return `${this.#dtype}[${this.#shape!.join(",")}], which is ${this.#expected} bytes`;
  }

  #wrongLength(found: number | string): Error {
    const bytes = typeof found === "number" && found < this.#expected;
    return fail(
      this.#file.path,
      `exactly the elements that its header says: ${this.#describe()} after the header`,
      typeof found === "number" ? `${found}` : found,
      bytes ? "the file is truncated; fetch it again" : "the file is damaged; fetch it again",
    );
  }
}

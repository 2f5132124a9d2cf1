/**
 * The safetensors format: a little-endian 64-bit header length, a JSON header that gives each
 * tensor's type, shape and place, then the bytes of all tensors with no gap between them.
 * (Hugging Face, "Safetensors: format".) Files are not trusted.
 */
import { fail, messageOf, openFile } from "./file.js";

/** Element types by their names in the format, with their sizes in bytes. */
export const elementBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type StoredType = keyof typeof elementBytes;

export interface StoredTensor {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  /** Little-endian elements, row-major. */
  readonly bytes: Uint8Array;
}

export interface StoredFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** The reference implementation's limit. */
const MAX_HEADER = 100_000_000;

/** The reference implementation's order of types in a file: wide ones first, so that all are aligned. */
const order: readonly StoredType[] = [
  ...(["U64", "I64", "F64", "F32", "U32", "I32"] as const),
  ...(["BF16", "F16", "U16", "I16", "I8", "U8", "BOOL"] as const),
];

/** The pieces of a file with these tensors: the bytes that the reference implementation writes. */
export function encodeSafetensors(file: StoredFile): Uint8Array[] {
  const ordered = [...file.tensors].sort(
    ([m, a], [n, b]) =>
      order.indexOf(a.dtype) - order.indexOf(b.dtype) ||
      Buffer.compare(Buffer.from(m), Buffer.from(n)),
  );
  // Not by an object: it would put names that are numbers first.
  const entry = (name: string, value: unknown) =>
    `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  const metadata = Object.fromEntries(file.metadata);
  const entries = file.metadata.size === 0 ? [] : [entry("__metadata__", metadata)];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of ordered) {
    const end = offset + bytes.length;
    entries.push(entry(name, { dtype, shape, data_offsets: [offset, end] }));
    offset = end;
  }
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  return [head, ...ordered.map(([, t]) => t.bytes)];
}

/** Read a file; the tensors' bytes are views of one buffer. Throws a DataError that names the file. */
export async function readSafetensors(path: string): Promise<StoredFile> {
  const file = await openFile(path);
  try {
    const { path: where, size } = file;
    if (size < 8) throw fail(where, "a safetensors header", `a file of ${size} bytes`);
    const length = Number(new DataView((await file.readAt(8, 0)).buffer).getBigUint64(0, true));
    if (length > MAX_HEADER || length > size - 8) {
      throw fail(
        where,
        `a header length of at most ${Math.min(MAX_HEADER, size - 8)} bytes`,
        `${length}`,
        "the file is truncated, or not in the safetensors format",
      );
    }
    const header = parseHeader(where, await file.readAt(length, 8));
    const places = checkHeader(where, header, size - 8 - length);
    const data = await file.readAt(size - 8 - length, 8 + length);
    return {
      metadata: header.metadata,
      tensors: new Map(
        places.map(({ name, dtype, shape, start, end }) => [
          name,
          { dtype, shape, bytes: data.subarray(start, end) },
        ]),
      ),
    };
  } finally {
    await file.close();
  }
}

interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  readonly entries: readonly (readonly [string, unknown])[];
}

interface Place {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

function parseHeader(path: string, bytes: Uint8Array): Header {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw fail(path, "a JSON header", `damage: ${messageOf(error)}`);
  }
  if (!isRecord(json)) throw fail(path, "a JSON object as header", describe(json));
  const entries = Object.entries(json).filter(([name]) => name !== "__metadata__");
  const raw = Object.hasOwn(json, "__metadata__") ? json.__metadata__ : {};
  if (!isRecord(raw)) throw fail(path, "__metadata__ to be an object", describe(raw));
  const metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value !== "string") {
      throw fail(path, `__metadata__.${key} to be a string`, describe(value));
    }
    metadata.set(key, value);
  }
  return { metadata, entries };
}

/** Every tensor's place: of the size that its shape says, without gap or overlap, filling the file. */
function checkHeader(path: string, header: Header, dataBytes: number): Place[] {
  const places = header.entries.map(([name, entry]) => placeOf(path, name, entry));
  places.sort((a, b) => a.start - b.start || a.end - b.end);
  let at = 0;
  for (const { name, start, end } of places) {
    if (start !== at) {
      throw fail(
        path,
        `tensor "${name}" to begin at byte ${at} of the data, where the one before ends`,
        `${start}`,
        start < at ? "tensors overlap" : "bytes that belong to no tensor",
      );
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw fail(
      path,
      `${at} bytes of data, as the header says`,
      `${dataBytes}`,
      dataBytes < at ? "the file is truncated" : "trailing bytes that belong to no tensor",
    );
  }
  return places;
}

function placeOf(path: string, name: string, entry: unknown): Place {
  if (!isRecord(entry)) throw fail(path, `an object for tensor "${name}"`, describe(entry));
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype)) {
    throw fail(
      path,
      `tensor "${name}" to have one of the types ${Object.keys(elementBytes).join(", ")}`,
      describe(dtype),
    );
  }
  if (!isSizes(shape)) {
    throw fail(path, `tensor "${name}" to have a list of sizes as shape`, describe(shape));
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail(path, `tensor "${name}" to have two data_offsets`, describe(offsets));
  }
  const [start, end] = offsets as readonly [number, number];
  const elements = shape.includes(0) ? 0 : shape.reduce((n, d) => n * d, 1);
  const bytes = elements * elementBytes[dtype as StoredType];
  if (end - start !== bytes) {
    throw fail(
      path,
      `tensor "${name}", ${dtype}[${shape.join(",")}], to take ${bytes} bytes`,
      `offsets ${start} to ${end}`,
    );
  }
  return { name, dtype: dtype as StoredType, shape, start, end };
}

const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && !Array.isArray(x);

const isSizes = (x: unknown): x is readonly number[] =>
  Array.isArray(x) && x.every((d) => Number.isSafeInteger(d) && d >= 0);

const describe = (x: unknown): string => {
  const text = JSON.stringify(x) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

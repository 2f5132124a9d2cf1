/** Opening data files, gzipped or not, with errors that say what was expected and what is there. */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { PassThrough, pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { DataError } from "../src/index.js";

/** `path: expected …, found … (hint)` as a DataError. */
export function fail(path: string, expected: string, found: string, hint?: string): DataError {
  return new DataError(
    `${path}: expected ${expected}, found ${found}${hint === undefined ? "" : ` (${hint})`}`,
  );
}

/** The message of whatever was thrown. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export interface SourceFile {
  /** Absolute path, for messages. */
  readonly path: string;
  /** Bytes on disk. */
  readonly size: number;
  readonly compressed: boolean;
  /** The content, decompressed. Reports damage as a DataError. Read it once. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Exactly `length` bytes as they are on disk, from position `at` on. */
  readAt(length: number, at: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Whether `path` is there as a regular file. */
export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (s) => s.isFile(),
    () => false,
  );
}

/** Whether `path` is there as a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
}

/** Open a regular file; gzip is told by its first two bytes. */
export async function openFile(path: string): Promise<SourceFile> {
  const where = resolve(path);
  let handle: FileHandle;
  try {
    // Non-blocking, or opening a named pipe would wait for its writer for ever.
    handle = await open(where, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw absent(where, error);
  }
  try {
    const info = await handle.stat();
    if (!info.isFile()) {
      throw fail(where, "a file", info.isDirectory() ? "a folder" : "something that is no file");
    }
    const start = new Uint8Array(2);
    await handle.read(start, 0, 2, 0);
    const compressed = start[0] === 0x1f && start[1] === 0x8b;
    return {
      path: where,
      size: info.size,
      compressed,
      chunks: () => (compressed ? inflated(handle, where, info.size) : plain(handle, where)),
      readAt: (length, at) => exactly(handle, where, length, at),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error instanceof DataError ? error : unreadable(where, error);
  }
}

function absent(path: string, error: unknown): DataError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR"
    ? new DataError(`${path}: expected a file, found nothing there`, { cause: error })
    : unreadable(path, error);
}

const unreadable = (path: string, error: unknown): DataError =>
  new DataError(`${path}: expected a readable file, found: ${messageOf(error)}`, { cause: error });

async function exactly(
  handle: FileHandle,
  path: string,
  length: number,
  at: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(out, done, length - done, at + done);
    if (bytesRead === 0) {
      throw fail(path, `${at + length} bytes`, `${at + done}`, "the file is truncated");
    }
    done += bytesRead;
  }
  return out;
}

async function* plain(handle: FileHandle, path: string): AsyncIterable<Uint8Array> {
  const stream = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 18 });
  try {
    yield* stream;
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function* inflated(
  handle: FileHandle,
  path: string,
  size: number,
): AsyncIterable<Uint8Array> {
  const source = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 16 });
  const gunzip = createGunzip({ chunkSize: 1 << 16 });
  const out = new PassThrough();
  // pipeline destroys all three when one fails or the reader stops early.
  pipeline(source, gunzip, out, () => {});
  let bytes = 0;
  try {
    for await (const chunk of out as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `${path}: expected a whole gzip file, found damage after ${bytes} decompressed bytes: ` +
        `${messageOf(error)} (the file is truncated or corrupt; fetch it again)`,
      { cause: error },
    );
  }
  // zlib stops at the end of the last member and ignores what follows.
  if (gunzip.bytesWritten !== size) {
    throw fail(
      path,
      "a gzip file and nothing after it",
      `${size - gunzip.bytesWritten} trailing bytes`,
      "the file is damaged; fetch it again",
    );
  }
}

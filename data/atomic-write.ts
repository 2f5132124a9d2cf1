/** Files that are there whole or not at all. */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "../src/index.js";
import { messageOf } from "./file.js";

/**
 * Write `parts` as the file at `path`, replacing an older one only when all is on the disk: a
 * process or a machine that stops half-way leaves the older file. Throws a DataError naming the file.
 */
export async function writeAtomically(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const target = resolve(path);
  // In the same folder: a rename does not cross file systems.
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`,
  );
  try {
    const handle = await open(temporary, "wx");
    try {
      for (const part of parts) await writeAll(handle, part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new DataError(`${target}: expected to write this file, found: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

/** Makes the rename itself durable, where folders can be synced (Windows refuses). */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

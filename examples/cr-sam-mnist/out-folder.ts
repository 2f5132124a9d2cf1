/** The folder that results go to. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "dawngrad";

/** Makes the folder; throws a DataError, before any work is done, if it cannot be written to. */
export async function writableFolder(path: string): Promise<void> {
  const probe = join(path, `.probe.${process.pid}`);
  try {
    await mkdir(path, { recursive: true });
    await writeFile(probe, "x");
    await rm(probe);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new DataError(`${path}: expected a folder to write to, found: ${found}`, {
      cause: error,
    });
  }
}

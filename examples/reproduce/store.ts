/** Raw results: one JSON file for each piece of work, so that an interrupted run goes on where it was. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataError } from "dawngrad";

export interface Raw<R> {
  /** Everything that decides the result: another key makes the work be done again. */
  readonly key: unknown;
  readonly device: string;
  readonly seconds: number;
  readonly result: R;
}

/** A piece of work that a store that only reads has no result of. */
export class NotRun extends Error {
  override readonly name = "NotRun";
}

export interface Store {
  readonly folder: string;
  /**
   * The file's result where its key is the same, else the work's, which is written first; a store that
   * only reads throws NotRun.
   */
  once<R>(name: string, key: unknown, work: () => Promise<R>): Promise<Raw<R>>;
  /** The same store, for reading alone. */
  reading(): Store;
  /** Seconds of the results that were given so far, by device. */
  readonly seconds: ReadonlyMap<string, number>;
}

const canonical = (key: unknown): string => JSON.stringify(key);

export function storeIn(folder: string, device: string, readOnly = false): Store {
  const fileOf = (name: string) => join(folder, "raw", `${name}.json`);
  const read = async <R>(name: string): Promise<Raw<R> | undefined> => {
    let text: string;
    try {
      text = await readFile(fileOf(name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    try {
      return JSON.parse(text) as Raw<R>;
    } catch {
      throw new DataError(
        `${fileOf(name)}: expected raw results as JSON, found something else: remove it, and it is made again`,
      );
    }
  };
  const seconds = new Map<string, number>();
  const counted = new Set<string>();
  const given = <R>(name: string, raw: Raw<R>): Raw<R> => {
    if (counted.has(name)) return raw;
    counted.add(name);
    seconds.set(raw.device, (seconds.get(raw.device) ?? 0) + raw.seconds);
    return raw;
  };
  return {
    folder,
    seconds,
    reading: () => storeIn(folder, device, true),
    async once<R>(name: string, key: unknown, work: () => Promise<R>) {
      const before = await read<R>(name);
      if (before && canonical(before.key) === canonical(key)) return given(name, before);
      if (readOnly) throw new NotRun(`${name} has not been run`);
      const began = performance.now();
      const result = await work();
      const took = Math.round((performance.now() - began) / 100) / 10;
      const raw: Raw<R> = { key, device, seconds: took, result };
      const file = fileOf(name);
      await mkdir(dirname(file), { recursive: true });
      // Renamed into place: an interruption leaves the old file or the new one.
      await writeFile(`${file}.part`, `${JSON.stringify(raw)}\n`);
      await rename(`${file}.part`, file);
      return given(name, raw);
    },
  };
}

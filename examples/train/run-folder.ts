/** The folder of a run: its options, its log and its checkpoint. */
import { constants } from "node:fs";
import { access, appendFile, open, readFile, rename, statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError, restoreKernelChoices } from "dawngrad";
import { loadCheckpoint, saveCheckpoint } from "dawngrad/data";
import { writableFolder } from "../cr-sam-mnist/out-folder.js";
import type { Options } from "./options.js";
import { configFile, identityOf, savedOptions } from "./parse.js";
import type { TrainState } from "./train-state.js";

/** What a checkpoint holds. */
export interface Checkpoint {
  readonly train: TrainState;
  readonly step: number;
  /** Epochs whose evaluation is in the log. */
  readonly epochsDone: number;
  readonly model: SavedModel;
  /** The variants of kernels that it was trained with, as JSON: others round otherwise. */
  readonly kernels?: string;
}

/** What evaluation needs to build the model again. */
export interface SavedModel {
  /** The options that make the run what it is, as JSON. */
  readonly options: string;
  readonly classes: readonly string[];
  readonly inputShape: readonly number[];
}

export type LogEntry = Readonly<Record<string, unknown>> & {
  readonly event: string;
  /** Steps done when it was written. */
  readonly step: number;
};

export interface RunFolder {
  readonly path: string;
  readonly checkpoint: string;
  log(entry: LogEntry): Promise<void>;
  save(checkpoint: Checkpoint): Promise<void>;
  saveKernels(choices: Readonly<Record<string, string>>): Promise<void>;
}

const checkpointFile = "checkpoint.safetensors";
const logFile = "log.jsonl";
const kernelsFile = "kernels.json";

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/**
 * A folder for a new run, which must not hold another one, with room for two checkpoints of `bytes`.
 * Throws a DataError before anything is trained if it cannot be written, or the disk is too full.
 */
export async function createRun(options: Options, bytes: number): Promise<RunFolder> {
  const path = resolve(options.out);
  const taken = [checkpointFile, logFile].map((name) => join(path, name));
  for (const file of taken) {
    if (await exists(file)) {
      throw new DataError(
        `--out ${path}: expected a folder for a new run, found one: go on with it by ` +
          "--resume, or choose another folder",
      );
    }
  }
  await writableFolder(path);
  await roomFor(path, 2 * bytes);
  const folder = runFolder(path);
  await writeWhole(join(path, configFile), `${JSON.stringify(savedOptions(options), null, 2)}\n`);
  return folder;
}

/**
 * The folder and the last checkpoint of a run that is to go on; a run that was ended before its first
 * checkpoint begins again. Log entries of steps that will be done again are dropped.
 */
export async function resumeRun(
  options: Options,
  bytes: number,
): Promise<{ readonly folder: RunFolder; readonly checkpoint: Checkpoint | undefined }> {
  const path = resolve(options.resume ?? options.out);
  await writableFolder(path);
  await roomFor(path, bytes);
  const folder = runFolder(path);
  const checkpoint = (await exists(folder.checkpoint))
    ? await loadCheckpoint<Checkpoint>(folder.checkpoint)
    : undefined;
  if (checkpoint !== undefined) checkIdentity(folder.checkpoint, checkpoint, options);
  // Before anything is compiled: the steps to come round as the uninterrupted run's.
  const kernels =
    checkpoint?.kernels ?? (await readFile(join(path, kernelsFile), "utf8").catch(() => "{}"));
  restoreKernelChoices(JSON.parse(kernels) as Record<string, string>);
  await trimLog(join(path, logFile), checkpoint?.step ?? 0);
  return { folder, checkpoint };
}

function checkIdentity(path: string, { model }: Checkpoint, options: Options): void {
  const saved = JSON.parse(model.options) as Record<string, unknown>;
  const now = identityOf(options) as Record<string, unknown>;
  const names = new Set([...Object.keys(saved), ...Object.keys(now)]);
  for (const name of names) {
    if (JSON.stringify(saved[name]) !== JSON.stringify(now[name])) {
      throw new DataError(
        `${path}: expected a checkpoint of the run in ${configFile}, found another ${name}: ` +
          `${JSON.stringify(saved[name])} against ${JSON.stringify(now[name])}`,
      );
    }
  }
}

function runFolder(path: string): RunFolder {
  const checkpoint = join(path, checkpointFile);
  return {
    path,
    checkpoint,
    log: (entry) => appendFile(join(path, logFile), `${JSON.stringify(entry)}\n`),
    save: (content) =>
      saveCheckpoint(checkpoint, content, {
        metadata: { step: String(content.step), options: content.model.options },
      }),
    saveKernels: (choices) => writeWhole(join(path, kernelsFile), `${JSON.stringify(choices)}\n`),
  };
}

async function roomFor(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (free < bytes) {
    const mib = (n: number) => `${Math.ceil(n / 2 ** 20)} MiB`;
    throw new DataError(
      `${path}: expected ${mib(bytes)} of free space for checkpoints, found ${mib(free)}`,
    );
  }
}

/** There whole or not at all. */
async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}

/** Keeps the entries of the steps up to `step`; a line that was cut off goes too. */
async function trimLog(path: string, step: number): Promise<void> {
  if (!(await exists(path))) return;
  const kept = (await readFile(path, "utf8")).split("\n").filter((line) => {
    try {
      return (JSON.parse(line) as LogEntry).step <= step;
    } catch {
      return false;
    }
  });
  await writeWhole(path, kept.map((line) => `${line}\n`).join(""));
}

/** Labelled image files in folders: one folder a class. ImageNet-1k and its relatives. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError } from "../src/index.js";
import type { FileSource } from "./dataset.js";
import { imageEndings } from "./decode.js";
import { fail, isFolder, messageOf } from "./file.js";

export interface ImageFolderOptions {
  /** For messages and tables. Default: the folder's path. */
  readonly name?: string;
  /**
   * The classes by label, as folder names. Default: the folders that are there, in the order of their
   * names. Give a training set's classes to number the folders of a subset of them in the same way.
   */
  readonly classes?: readonly string[];
  /**
   * What a file that cannot be decoded does: "error" (default) stops the loader with a DataError,
   * "skip" leaves it out with a counted warning. Another row of the batch takes its place, with
   * weight 0 where the loader gives weights (`pad`).
   */
  readonly corrupt?: "error" | "skip";
  /** Hears of every file that is skipped, once. Default: a warning of the process. */
  readonly onSkip?: (file: string, reason: string, count: number) => void;
}

/** Image files by class; decoded, at any size, when the loader makes their batch. */
export interface ImageFolder extends FileSource {
  /** Folder names, by label. */
  readonly classes: readonly string[];
  /** Files that were skipped so far, with the reasons. */
  readonly skipped: ReadonlyMap<string, string>;
  /** The examples at `indices`, in that order. */
  subset(indices: ArrayLike<number>, name?: string): ImageFolder;
}

/**
 * Images in one folder a class, `dir/cat/1.jpg`, at any depth within it; the labels are the positions
 * in `classes`. Pixels are read when a batch is made, by the package `sharp`, which has to be
 * installed beside this one.
 *
 * Images differ in size: the first transform must give them one, `randomResizedCrop`, or `resize`
 * and `centerCrop`.
 *
 * Throws a DataError if the folder is absent, has no class, or a class that `classes` does not name,
 * or has no image.
 *
 * ```ts no-run
 * const train = await imageFolder("imagenet/train", { corrupt: "skip" });
 * const transform = [randomResizedCrop({ size: 224 }), randomHorizontalFlip()];
 * for await (using batch of loader(train, { batchSize: 64, shuffle: 0, transform, workers: 4 })) {
 *   console.log(batch.x.shape); // [64, 224, 224, 3]
 *   break;
 * }
 * ```
 */
export async function imageFolder(
  dir: string,
  options: ImageFolderOptions = {},
): Promise<ImageFolder> {
  const root = resolve(dir);
  const entries = await list(root);
  const folders = entries.filter((e) => e.folder).map((e) => e.name);
  const { classes = folders, name = root, corrupt = "error" } = options;
  if (corrupt !== "error" && corrupt !== "skip") {
    throw new DataError(
      `imageFolder: expected corrupt "error" or "skip", found ${String(corrupt)}`,
    );
  }
  if (folders.length === 0) {
    const images = entries.filter((e) => isImage(e.name)).length;
    throw fail(
      root,
      "one folder for each class, with its images",
      images > 0 ? `${images} images and no folder` : "no folder",
      images > 0 ? "move the images into folders named by their classes" : "is it unpacked here?",
    );
  }
  const labelOf = new Map(classes.map((c, label) => [c, label]));
  const unknown = folders.filter((folder) => !labelOf.has(folder));
  if (unknown.length > 0) {
    throw fail(
      root,
      `folders named by the ${classes.length} classes (${classes[0]}, …)`,
      `${unknown.length} others: ${unknown.slice(0, 3).join(", ")}${unknown.length > 3 ? ", …" : ""}`,
    );
  }
  const files: string[] = [];
  const labels: number[] = [];
  for (const folder of folders) {
    for (const file of await imagesIn(join(root, folder))) {
      files.push(file);
      labels.push(labelOf.get(folder)!);
    }
  }
  if (files.length === 0) {
    throw fail(root, `images (${imageEndings.join(", ")})`, `none in ${folders.length} folders`);
  }
  const onSkip = options.onSkip ?? warn;
  const skipped = new Map<string, string>();
  const skip = (file: string, reason: string) => {
    if (skipped.has(file)) return;
    skipped.set(file, reason);
    onSkip(file, reason, skipped.size);
  };
  const shared = { classes: [...classes], corrupt, skipped, skip };
  return make(name, files, Int32Array.from(labels), shared);
}

type Shared = Pick<ImageFolder, "classes" | "corrupt" | "skipped" | "skip">;

function make(
  name: string,
  files: readonly string[],
  labels: Int32Array,
  shared: Shared,
): ImageFolder {
  const subset = (
    indices: ArrayLike<number>,
    as = `${name} (${indices.length} examples)`,
  ): ImageFolder => {
    const chosen = Array.from(indices);
    const wrong = chosen.find((i) => !Number.isInteger(i) || i < 0 || i >= files.length);
    if (wrong !== undefined) {
      throw new DataError(
        `subset: expected an index from 0 to ${files.length - 1} in ${name}, found ${wrong}`,
      );
    }
    const part = chosen.map((i) => files[i]!);
    return make(
      as,
      part,
      Int32Array.from(chosen, (i) => labels[i]!),
      shared,
    );
  };
  return { ...shared, name, files, labels, size: files.length, inputShape: [-1, -1, 3], subset };
}

/** At 1, 10, 100, … skipped files: a damaged disk does not flood the terminal. */
function warn(file: string, reason: string, count: number): void {
  if (!/^10*$/.test(String(count))) return;
  const why = reason.startsWith(file) ? reason : `${file}: ${reason}`;
  process.emitWarning(`image files skipped so far: ${count}; the last is ${why}`, "DataWarning");
}

const isImage = (name: string): boolean =>
  imageEndings.some((ending) => name.toLowerCase().endsWith(ending)) && !name.startsWith(".");

interface Entry {
  readonly name: string;
  readonly folder: boolean;
}

/** What is in a folder, hidden things left out, in the order of the names' code units. */
async function list(dir: string): Promise<Entry[]> {
  let found: Awaited<ReturnType<typeof names>>;
  try {
    found = await names(dir);
  } catch (error) {
    throw fail(dir, "a readable folder of images", messageOf(error));
  }
  const entries = await Promise.all(
    found
      .filter((e) => !e.name.startsWith("."))
      .map(async (e) => ({
        name: e.name,
        folder: e.isDirectory() || (e.isSymbolicLink() ? await isFolder(join(dir, e.name)) : false),
      })),
  );
  return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const names = (dir: string) => readdir(dir, { withFileTypes: true });

/** Deeper than any data set, and an end to links that lead back. */
const MAX_DEPTH = 8;

async function imagesIn(dir: string, depth = 0): Promise<string[]> {
  if (depth > MAX_DEPTH) throw fail(dir, `at most ${MAX_DEPTH} folders in each other`, "more");
  const files: string[] = [];
  for (const { name, folder } of await list(dir)) {
    const path = join(dir, name);
    if (folder) files.push(...(await imagesIn(path, depth + 1)));
    else if (isImage(name)) files.push(path);
  }
  return files;
}

/**
 * ImageNet-1k: `dir/train` and `dir/val`, with one folder a class (such as n01440764) in each. The
 * classes are those of the training set. Throws a DataError as `imageFolder` does.
 */
export async function imageNet(
  dir: string,
  options: Pick<ImageFolderOptions, "corrupt" | "onSkip"> = {},
): Promise<{ readonly train: ImageFolder; readonly test: ImageFolder }> {
  const train = await imageFolder(join(dir, "train"), { ...options, name: "ImageNet train" });
  const { classes } = train;
  const test = await imageFolder(join(dir, "val"), { ...options, classes, name: "ImageNet val" });
  return { train, test };
}

/** One corruption of ImageNet-C at one severity. */
export interface CorruptedFolder {
  readonly corruption: string;
  /** 1 to 5. */
  readonly severity: number;
  /** Lists the files. */
  open(): Promise<ImageFolder>;
}

/**
 * ImageNet-C (D. Hendrycks and T. Dietterich, 2019): `dir/<corruption>/<severity>/<class>`, as many
 * of the corruptions as there are. `classes` are those of ImageNet, by label.
 *
 * Throws a DataError if the folder is absent or holds no corruption.
 */
export async function imageNetC(
  dir: string,
  options: Omit<ImageFolderOptions, "name">,
): Promise<CorruptedFolder[]> {
  const root = resolve(dir);
  const found: CorruptedFolder[] = [];
  for (const { name: corruption, folder } of await list(root)) {
    if (!folder) continue;
    for (const { name } of await list(join(root, corruption))) {
      if (!/^[1-9]$/.test(name)) continue;
      const path = join(root, corruption, name);
      found.push({
        corruption,
        severity: Number(name),
        open: () => imageFolder(path, { ...options, name: `ImageNet-C ${corruption} ${name}` }),
      });
    }
  }
  if (found.length === 0) {
    throw fail(root, "folders <corruption>/<severity>/<class>, severity 1 to 5", "none");
  }
  return found;
}

/**
 * ImageNet-R (D. Hendrycks et al., "The many faces of robustness", 2021): images of 200 of ImageNet's
 * classes, matched by folder name. `present` are the labels that occur; accuracy is usually that of
 * the largest of these 200 logits.
 */
export async function imageNetR(
  dir: string,
  options: Omit<ImageFolderOptions, "name"> & { readonly classes: readonly string[] },
): Promise<{ readonly test: ImageFolder; readonly present: readonly number[] }> {
  const test = await imageFolder(dir, { ...options, name: "ImageNet-R" });
  return { test, present: [...new Set(test.labels)].sort((a, b) => a - b) };
}

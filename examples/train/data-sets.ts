/** The data sets that can be trained on, by name. */
import { DataError } from "dawngrad";
import {
  cifar10,
  cifar100,
  Dataset,
  fashionMnist,
  hostKey,
  hostPermutation,
  type ImageFolder,
  imageNet,
  mnist,
} from "dawngrad/data";
import type { AugmentationName, AugmentOptions, Statistics } from "./augment.js";
import type { Options } from "./options.js";

export type Source = Dataset | ImageFolder;

/** Training and test images, and what is known of them. */
export interface DataSet {
  readonly train: Source;
  readonly test: Source;
  readonly classes: readonly string[];
  /** Shape of an image after the transforms. */
  readonly inputShape: readonly [height: number, width: number, channels: number];
  readonly augment: AugmentOptions;
}

interface Opening {
  readonly dir?: string | undefined;
  readonly corrupt: Options["corrupt"];
}

interface Entry {
  open(options: Opening): Promise<{ readonly train: Source; readonly test: Source }>;
  readonly statistics: Statistics;
  readonly augment: readonly AugmentationName[];
  readonly policy: AugmentOptions["policy"];
  readonly cutoutSize: number;
  /** Images are files of any size. */
  readonly files?: true;
  /** The files have a usual place. */
  readonly dirOptional?: true;
}

const small = { augment: ["crop", "flip"], policy: "cifar10" } as const;
const files = {
  open: ({ dir, corrupt }: Opening) => imageNet(dir ?? "", { corrupt }),
  statistics: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  augment: ["resized-crop", "flip"],
  policy: "imagenet",
  cutoutSize: 56,
  files: true,
} as const;

/** Means and deviations are those of the training images. */
export const dataSets = {
  mnist: {
    open: ({ dir }) => mnist(dir),
    statistics: { mean: 0.1307, std: 0.3081 },
    augment: [],
    policy: "cifar10",
    cutoutSize: 8,
    dirOptional: true,
  },
  "fashion-mnist": {
    open: ({ dir }) => fashionMnist(dir),
    statistics: { mean: 0.286, std: 0.353 },
    ...small,
    cutoutSize: 8,
    dirOptional: true,
  },
  cifar10: {
    open: ({ dir }) => cifar10(dir ?? ""),
    statistics: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
    ...small,
    cutoutSize: 16,
  },
  cifar100: {
    open: ({ dir }) => cifar100(dir ?? ""),
    statistics: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
    ...small,
    cutoutSize: 8,
  },
  imagenet: files,
  "image-folder": files,
} as const satisfies Record<string, Entry>;

export type DataSetName = keyof typeof dataSets;
export const dataSetNames = Object.keys(dataSets) as DataSetName[];

export const entryOf = (name: DataSetName): Entry => dataSets[name];

export async function openDataSet(options: Options): Promise<DataSet> {
  const { train, test } = await entryOf(options.data).open(options);
  return {
    train: sample("--train-size", train, options.trainSize, options.seed),
    test: sample("--test-size", test, options.testSize, options.seed),
    classes: train.classes,
    ...shapeOf(options.data, train, options),
  };
}

/** The test images alone. */
export async function openTest(name: DataSetName, options: OpenTestOptions) {
  const { test } = await entryOf(name).open(options);
  const part = sample("--test-size", test, options.testSize, 0);
  return { test: part, ...shapeOf(name, test, options) };
}

interface OpenTestOptions extends Opening {
  readonly imageSize: number;
  readonly testSize?: number | undefined;
}

function shapeOf(
  name: DataSetName,
  source: Source,
  { imageSize, cutoutSize }: { readonly imageSize: number; readonly cutoutSize?: number },
): Pick<DataSet, "inputShape" | "augment"> {
  const entry = entryOf(name);
  const shape = entry.files ? [imageSize, imageSize, 3] : source.inputShape;
  return {
    inputShape: shape as [number, number, number],
    augment: {
      statistics: entry.statistics,
      policy: entry.policy,
      cutoutSize: cutoutSize ?? entry.cutoutSize,
      imageSize: entry.files ? imageSize : undefined,
    },
  };
}

/** `count` examples at random, the same for a seed. */
function sample(option: string, source: Source, count: number | undefined, seed: number): Source {
  if (count === undefined || count === source.size) return source;
  if (count > source.size) {
    throw new DataError(`${option} ${count}: ${source.name} has ${source.size} images`);
  }
  if (source instanceof Dataset) return source.sample(count, { seed });
  return source.subset(hostPermutation(hostKey(seed), source.size).subarray(0, count));
}

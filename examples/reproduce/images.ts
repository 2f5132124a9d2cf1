/** Data sets: which images an experiment trains and tests on, and what is held out. */
import { existsSync } from "node:fs";
import {
  cifar10,
  cifar100,
  Dataset,
  fashionMnist,
  hostKey,
  hostPermutation,
  type ImageFolder,
  imageNet,
  labelNoise,
  mnist,
} from "dawngrad/data";
import type { DatasetName, Experiment } from "./settings.js";

/** Folders of the data sets that npm does not bring, and of ImageNet's relatives. */
export type Folders = Readonly<Partial<Record<DatasetName | "imagenet-c" | "imagenet-r", string>>>;

/** Decides which images, which wrong labels, and the held-out split. */
const dataSeed = 0;

export type Source = Dataset | ImageFolder;

export interface Images {
  readonly train: Source;
  readonly test: Source;
  /** Official training images that no run of the experiment trains on, in a random order. */
  readonly unused?: Dataset;
  /** The fraction of wrong labels. */
  readonly noise: number;
  /** Shape of an image as the network sees it. */
  readonly inputShape: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Where Debian's package dataset-fashion-mnist is, which fashionMnist() looks for by itself. */
const debianFashion = "/usr/share/datasets/fashion-mnist";

const wanted = {
  "fashion-mnist": {
    option: "--fashion",
    what: "its four IDX files, from https://github.com/zalandoresearch/fashion-mnist, or install Debian's package dataset-fashion-mnist",
  },
  "cifar-10": {
    option: "--cifar",
    what: "its binary version, from https://www.cs.toronto.edu/~kriz/cifar.html",
  },
  "cifar-100": {
    option: "--cifar100",
    what: "its binary version, from https://www.cs.toronto.edu/~kriz/cifar.html",
  },
  imagenet: {
    option: "--imagenet",
    what: "train and val, a folder a class in each, from https://www.image-net.org/download.php",
  },
} as const;

export const optionOf = (name: keyof Folders): string =>
  name === "mnist" || name === "imagenet-c" || name === "imagenet-r"
    ? `--${name}`
    : wanted[name].option;

/** Why a data set cannot be read here; undefined where it can. */
export function missing(name: DatasetName, folders: Folders): string | undefined {
  if (name === "mnist") return undefined;
  if (name === "fashion-mnist" && !folders[name] && existsSync(debianFashion)) return undefined;
  const folder = folders[name];
  const { option, what } = wanted[name];
  if (folder === undefined) return `give ${option} FOLDER with ${what}`;
  return existsSync(folder)
    ? undefined
    : `the folder ${folder} does not exist; it should have ${what}`;
}

function open(name: DatasetName, dir: string | undefined) {
  switch (name) {
    case "mnist":
      return mnist();
    case "fashion-mnist":
      return fashionMnist(dir);
    case "cifar-10":
      return cifar10(dir!);
    case "cifar-100":
      return cifar100(dir!);
    case "imagenet":
      return imageNet(dir!, { corrupt: "skip" });
  }
}

/** Of ImageNet, as everyone has them; of images in memory they are counted. */
const imagenetStatistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Side of an image that comes from a file. */
const fileSide = 224;

export async function readImages(e: Experiment, folders: Folders): Promise<Images> {
  const { train: all, test } = await open(e.data, folders[e.data]);
  const chosen = sample(all, Math.min(e.trainSize ?? all.size, all.size));
  const part = first(test, Math.min(e.testSize ?? test.size, test.size));
  if (!(chosen instanceof Dataset)) {
    const inputShape = [fileSide, fileSide, 3];
    return { train: chosen, test: part, noise: 0, inputShape, ...imagenetStatistics };
  }
  const train = noisy(chosen, e.noise, dataSeed);
  const [, unused] = (all as Dataset).split(chosen.size, { seed: dataSeed }); // as sample() orders them
  const { inputShape } = train;
  return { train, test: part, unused, noise: e.noise, inputShape, ...statistics(train) };
}

const noisy = (images: Dataset, fraction: number, seed: number): Dataset =>
  fraction === 0 ? images : labelNoise(images, { fraction, seed });

function sample(source: Source, count: number): Source {
  if (count === source.size) return source;
  if (source instanceof Dataset) return source.sample(count, { seed: dataSeed });
  return source.subset(hostPermutation(hostKey(dataSeed), source.size).subarray(0, count));
}

/** In memory the first; of folders, whose classes follow each other, evenly spread. */
export function first(source: Source, count: number): Source {
  if (source instanceof Dataset) return source.take(Math.min(count, source.size));
  if (count >= source.size) return source;
  return source.subset(
    Array.from({ length: count }, (_, i) => Math.floor((i * source.size) / count)),
  );
}

/**
 * Images of the training file play the test set: such as no run trains on, where there are enough, with as many
 * wrong labels as the others; else a part of those that runs train on.
 */
export function heldOut(images: Images, count: number): Images {
  const { train: all, unused, noise } = images;
  if (unused && unused.size >= count) {
    return { ...images, test: noisy(unused.take(count), noise, dataSeed + 1) };
  }
  if (all instanceof Dataset) {
    const [test, train] = all.split(count, { seed: dataSeed });
    return { ...images, train, test };
  }
  const order = hostPermutation(hostKey(dataSeed), all.size);
  return {
    ...images,
    test: all.subset(order.subarray(0, count)),
    train: all.subset(order.subarray(count)),
  };
}

function statistics({ images, inputShape }: Dataset): Pick<Images, "mean" | "std"> {
  const channels = inputShape.at(-1)!;
  const sums = new Array<number>(channels).fill(0);
  const squares = new Array<number>(channels).fill(0);
  images.forEach((byte, i) => {
    const x = byte / 255;
    sums[i % channels]! += x;
    squares[i % channels]! += x * x;
  });
  const n = images.length / channels;
  const mean = sums.map((s) => s / n);
  return { mean, std: squares.map((s, c) => Math.sqrt(s / n - mean[c]! ** 2) || 1) };
}

/** Data sets, what is held out of them, and batches on the device. */
import { existsSync } from "node:fs";
import { array } from "dawngrad";
import {
  autoAugment,
  cifar10,
  cifar100,
  cutout,
  type Dataset,
  fashionMnist,
  labelNoise,
  mnist,
  normalize,
  randomCrop,
  randomHorizontalFlip,
  type Transform,
} from "dawngrad/data";
import type { Labelled } from "./networks.js";
import type { Augmentation, DatasetName, Experiment } from "./scales.js";

/** Folders of the data sets that npm does not bring. */
export type Folders = Readonly<Partial<Record<DatasetName, string>>>;

/** Decides which images, which wrong labels, and the held-out split. */
const dataSeed = 0;

export interface Images {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Where Debian's package dataset-fashion-mnist is, which fashionMnist() looks for by itself. */
const debianFashion = "/usr/share/datasets/fashion-mnist";

/** Why a data set cannot be read here; undefined where it can. */
export function missing(name: DatasetName, folders: Folders): string | undefined {
  if (name === "mnist") return undefined;
  if (name === "fashion-mnist" && !folders[name] && existsSync(debianFashion)) return undefined;
  const folder = folders[name];
  const option = { "fashion-mnist": "--fashion", "cifar-10": "--cifar", "cifar-100": "--cifar100" }[
    name
  ];
  const source = {
    "fashion-mnist":
      "its four IDX files, from https://github.com/zalandoresearch/fashion-mnist, or install Debian's package dataset-fashion-mnist",
    "cifar-10": "its binary version, from https://www.cs.toronto.edu/~kriz/cifar.html",
    "cifar-100": "its binary version, from https://www.cs.toronto.edu/~kriz/cifar.html",
  }[name];
  if (folder === undefined) return `give ${option} FOLDER with ${source}`;
  return existsSync(folder)
    ? undefined
    : `the folder ${folder} does not exist; it should have ${source}`;
}

export async function readImages(e: Experiment, folders: Folders): Promise<Images> {
  const dir = folders[e.data];
  const { train: all, test } =
    e.data === "mnist"
      ? await mnist()
      : e.data === "fashion-mnist"
        ? await fashionMnist(dir)
        : e.data === "cifar-10"
          ? await cifar10(dir!)
          : await cifar100(dir!);
  const size = Math.min(e.trainSize ?? all.size, all.size);
  const chosen = size === all.size ? all : all.sample(size, { seed: dataSeed });
  const train = e.noise === 0 ? chosen : labelNoise(chosen, { fraction: e.noise, seed: dataSeed });
  const { mean, std } = statistics(train);
  return { train, test: test.take(Math.min(e.testSize ?? test.size, test.size)), mean, std };
}

/** A part of the training images is held out, and plays the test set. */
export function heldOut(images: Images, count: number): Images {
  const [test, train] = images.train.split(count, { seed: dataSeed });
  return { ...images, train, test };
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

/** Flips would turn digits into what is none: MNIST is only cropped. */
const flips = (data: DatasetName): Transform[] =>
  data === "mnist" ? [] : [randomHorizontalFlip()];

export function transformsOf(kind: Augmentation, data: DatasetName, images: Images): Transform[] {
  const basic = [randomCrop({ padding: 4 }), ...flips(data)];
  const { mean, std } = images;
  const before: Record<Augmentation, Transform[]> = {
    none: [],
    basic,
    cutout: basic,
    autoaugment: [...basic, autoAugment({ policy: "cifar10" })],
  };
  const after =
    kind === "none" || kind === "basic"
      ? []
      : [cutout({ size: data.startsWith("cifar") ? 16 : 14 })];
  return [...before[kind], normalize({ mean: [...mean], std: [...std] }), ...after];
}

/** Bytes as normalised floats. */
export function normalised(bytes: ArrayLike<number>, { mean, std }: Images): Float32Array {
  const channels = mean.length;
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < out.length; i++) {
    const c = i % channels;
    out[i] = (bytes[i]! / 255 - mean[c]!) / std[c]!;
  }
  return out;
}

/** The first `count` examples in pieces of at most `size`, on the device. */
export function pieces(data: Dataset, images: Images, count: number, size: number): Labelled[] {
  const out: Labelled[] = [];
  for (let from = 0; from < Math.min(count, data.size); from += size) {
    const part = data.slice(from, Math.min(from + size, count, data.size));
    out.push({
      x: array(normalised(part.images, images), { shape: [part.size, ...part.inputShape] }),
      y: array(part.labels, { dtype: "int32" }),
    });
  }
  return out;
}

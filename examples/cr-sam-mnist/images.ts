/** The images: a small training set with wrong labels, said openly, and the full test set. */
import { array, type Tensor } from "dawngrad";
import {
  cifar10,
  type Dataset,
  fashionMnist,
  labelNoise,
  mnist,
  type TrainTest,
} from "dawngrad/data";
import type { DatasetName, Options } from "./options.js";

/** Decides which images and which wrong labels; the same for every method and seed. */
const dataSeed = 0;

const readers: Readonly<Record<DatasetName, (dir?: string) => Promise<TrainTest>>> = {
  mnist,
  "fashion-mnist": fashionMnist,
  "cifar-10": (dir = ".") => cifar10(dir),
};

export interface Images {
  readonly train: Dataset;
  readonly test: Dataset;
  /** How many of the training labels are wrong. */
  readonly wrongLabels: number;
  /** Of the training images' bytes as numbers in [0, 1], one for each channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** @throws DataError for absent or damaged files, or fewer images than asked for. */
export async function readImages(options: Options): Promise<Images> {
  const { train: all, test } = await readers[options.data](options.dir);
  const clean = all.sample(options.trainSize, { seed: dataSeed });
  const train =
    options.noise === 0 ? clean : labelNoise(clean, { fraction: options.noise, seed: dataSeed });
  const wrongLabels = train.labels.filter((label, i) => label !== clean.labels[i]).length;
  return { train, test, wrongLabels, ...statistics(train) };
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
  const std = squares.map((s, c) => Math.sqrt(s / n - mean[c]! ** 2) || 1);
  return { mean, std };
}

/** A batch for evaluation: images, normalised as in training, and their labels. */
export interface Labelled {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** The first `count` examples in pieces of at most `size`, on the device for good. */
export function pieces(data: Dataset, images: Images, count: number, size: number): Labelled[] {
  const { mean, std } = images;
  const channels = mean.length;
  const out: Labelled[] = [];
  for (let from = 0; from < Math.min(count, data.size); from += size) {
    const part = data.slice(from, Math.min(from + size, count, data.size));
    const x = new Float32Array(part.images.length);
    for (let i = 0; i < x.length; i++) {
      const c = i % channels;
      x[i] = (part.images[i]! / 255 - mean[c]!) / std[c]!;
    }
    out.push({
      x: array(x, { shape: [part.size, ...part.inputShape] }),
      y: array(part.labels, { dtype: "int32" }),
    });
  }
  return out;
}

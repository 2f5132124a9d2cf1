/** Batches of images on the device: for training, and for measuring. */
import { array, type Tensor } from "dawngrad";
import {
  autoAugment,
  centerCrop,
  cutout,
  Dataset,
  loader,
  normalize,
  randomCrop,
  randomHorizontalFlip,
  randomResizedCrop,
  resize,
  type Transform,
} from "dawngrad/data";
import { first, type Images, type Source } from "./images.js";
import type { Labelled } from "./networks.js";
import type { Augmentation, DatasetName } from "./settings.js";

/** Flips would turn digits into what is none: MNIST is only cropped. */
const flips = (data: DatasetName): Transform[] =>
  data === "mnist" ? [] : [randomHorizontalFlip()];

const cutoutSize = (data: DatasetName): number =>
  data === "imagenet" ? 112 : data.startsWith("cifar") ? 16 : 14;

/** What training does to images. */
export function transformsOf(kind: Augmentation, data: DatasetName, images: Images): Transform[] {
  const { mean, std, inputShape } = images;
  const files = data === "imagenet";
  const crop = files ? randomResizedCrop({ size: inputShape[0]! }) : randomCrop({ padding: 4 });
  const sized = files ? evaluationSize(inputShape[0]!) : [];
  return [
    ...(kind === "none" ? sized : [crop, ...flips(data)]),
    ...(kind === "autoaugment" ? [autoAugment({ policy: files ? "imagenet" : "cifar10" })] : []),
    normalize({ mean: [...mean], std: [...std] }),
    ...(kind === "none" || kind === "basic" ? [] : [cutout({ size: cutoutSize(data) })]),
  ];
}

/** The usual 256 to 224, in proportion. */
const evaluationSize = (side: number): Transform[] => [
  resize({ size: Math.round((side * 256) / 224) }),
  centerCrop({ size: side }),
];

/** Batches that stay on the device, or that are read anew each time they are gone through. */
export type Batches = readonly Labelled[] | (() => AsyncIterable<Labelled>);

export const iterate = (batches: Batches): Iterable<Labelled> | AsyncIterable<Labelled> =>
  typeof batches === "function" ? batches() : batches;

export const disposeBatches = (batches: Batches): void => {
  if (typeof batches === "function") return;
  for (const { x, y } of batches) for (const t of [x, y] as Tensor[]) t.dispose();
};

/** `count` examples in pieces of at most `size`. */
export function pieces(source: Source, images: Images, count: number, size: number): Batches {
  const part = first(source, count);
  if (part instanceof Dataset) return inMemory(part, part.images, images, size);
  const { mean, std, inputShape } = images;
  const transform = [
    ...evaluationSize(inputShape[0]!),
    normalize({ mean: [...mean], std: [...std] }),
  ];
  const batches = loader(part, { batchSize: size, transform, autoDispose: true });
  return async function* () {
    for await (const { x, y } of batches.epoch(0)) yield { x, y };
  };
}

/** The labels of a data set with these bytes as its images. */
export function inMemory(
  data: Dataset,
  bytes: Uint8Array,
  images: Images,
  size: number,
): Labelled[] {
  const out: Labelled[] = [];
  for (let from = 0; from < data.size; from += size) {
    const to = Math.min(from + size, data.size);
    const part = bytes.subarray(from * data.exampleSize, to * data.exampleSize);
    out.push({
      x: array(normalised(part, images), { shape: [to - from, ...data.inputShape] }),
      y: array(data.labels.slice(from, to), { dtype: "int32" }),
    });
  }
  return out;
}

/** Bytes as normalised floats. */
function normalised(bytes: ArrayLike<number>, { mean, std }: Images): Float32Array {
  const channels = mean.length;
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < out.length; i++) {
    const c = i % channels;
    out[i] = (bytes[i]! / 255 - mean[c]!) / std[c]!;
  }
  return out;
}

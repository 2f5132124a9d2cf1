/** What is done to images before training and before evaluation, by name. */
import {
  autoAugment,
  centerCrop,
  cutout,
  normalize,
  randomCrop,
  randomHorizontalFlip,
  randomResizedCrop,
  resize,
  type Transform,
} from "dawngrad/data";

export const augmentationNames = [
  "crop",
  "resized-crop",
  "flip",
  "auto-augment",
  "cutout",
] as const;
export type AugmentationName = (typeof augmentationNames)[number];

export interface Statistics {
  readonly mean: number | readonly number[];
  readonly std: number | readonly number[];
}

export interface AugmentOptions {
  readonly statistics: Statistics;
  readonly policy: "cifar10" | "imagenet";
  readonly cutoutSize: number;
  /** Of files: the side of the images that they are brought to. */
  readonly imageSize: number | undefined;
}

/** In the order of torchvision's recipes; cutout blanks to the mean, as in its paper. */
export function trainingTransforms(
  names: readonly AugmentationName[],
  options: AugmentOptions,
): Transform[] {
  const { statistics, policy, cutoutSize, imageSize } = options;
  const has = (name: AugmentationName) => names.includes(name);
  const sized =
    imageSize === undefined
      ? []
      : has("resized-crop")
        ? [randomResizedCrop({ size: imageSize })]
        : evaluationSize(imageSize);
  return [
    ...sized,
    ...(has("crop") ? [randomCrop({ padding: 4 })] : []),
    ...(has("flip") ? [randomHorizontalFlip()] : []),
    ...(has("auto-augment") ? [autoAugment({ policy })] : []),
    normalize(statistics),
    ...(has("cutout") ? [cutout({ size: cutoutSize })] : []),
  ];
}

/** The usual 256 to 224, in proportion. */
const evaluationSize = (side: number): Transform[] => [
  resize({ size: Math.round((side * 256) / 224) }),
  centerCrop({ size: side }),
];

export const evaluationTransforms = ({ statistics, imageSize }: AugmentOptions): Transform[] => [
  ...(imageSize === undefined ? [] : evaluationSize(imageSize)),
  normalize(statistics),
];

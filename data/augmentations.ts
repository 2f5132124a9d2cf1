/** The augmentations as transforms of a loader. */
import { DataError } from "../src/index.js";
import type { AutoAugmentOptions } from "./augment/auto-augment.js";
import type { CutoutOptions } from "./augment/cutout.js";
import type { NormalizeOptions } from "./augment/normalize.js";
import type { RandomCropOptions } from "./augment/random-crop.js";
import type { RandomHorizontalFlipOptions } from "./augment/random-horizontal-flip.js";
import type { RandomResizedCropOptions } from "./augment/random-resized-crop.js";
import { fromSpec, type OptionsOf, type TransformName } from "./augment/registry.js";
import type { CenterCropOptions, ResizeOptions } from "./augment/resize.js";
import { messageOf } from "./file.js";
import type { Transform } from "./transform.js";

export type {
  AutoAugmentOptions,
  CenterCropOptions,
  CutoutOptions,
  NormalizeOptions,
  RandomCropOptions,
  RandomHorizontalFlipOptions,
  RandomResizedCropOptions,
  ResizeOptions,
};

/** A transform that worker threads can make again. Wrong options are a DataError. */
function named<N extends TransformName>(name: N, options: OptionsOf<N>): Transform {
  const spec = { name, options };
  try {
    return Object.assign(fromSpec(spec), { spec }) as Transform;
  } catch (error) {
    throw new DataError(messageOf(error), { cause: error });
  }
}

/**
 * A transform that takes bytes (scaled to [0, 1] first) or floats to (x - mean) / std, by channel,
 * the last axis.
 *
 * ```ts
 * const { train } = await mnist();
 * const transform = normalize({ mean: 0.1307, std: 0.3081 });
 * loader(train, { batchSize: 128, transform }).batchesPerEpoch; // 469
 * ```
 */
export const normalize = (options: NormalizeOptions): Transform => named("normalize", options);

/**
 * A crop of the image's own size (or `size`) at a random place of the image padded by 4 pixels: the
 * augmentation of CIFAR (K. He et al., "Deep residual learning", 2016, §4.2; torchvision's
 * RandomCrop). `mode: "reflect"` pads with the mirrored image, as in "Wide residual networks".
 *
 * ```ts
 * const { train } = await mnist();
 * const transform = [randomCrop({ padding: 4 }), randomHorizontalFlip()];
 * loader(train, { batchSize: 100, shuffle: 0, transform }).batchesPerEpoch; // 600
 * ```
 */
export const randomCrop = (options: RandomCropOptions = {}): Transform =>
  named("randomCrop", options);

/** Left and right exchanged with probability `p` (0.5). */
export const randomHorizontalFlip = (options: RandomHorizontalFlipOptions = {}): Transform =>
  named("randomHorizontalFlip", options);

/**
 * A square of `size` (16) pixels around a random pixel set to `fill`; it may reach over the edge
 * (T. DeVries and G. Taylor, "Improved regularization of convolutional neural networks with cutout",
 * 2017: 16 for CIFAR-10, 8 for CIFAR-100). After `normalize` the fill 0 is the mean, as there.
 */
export const cutout = (options: CutoutOptions = {}): Transform => named("cutout", options);

/**
 * AutoAugment with the policy learnt on CIFAR-10 or on ImageNet (E. Cubuk et al., 2019): one of 25
 * pairs of operations, each with its own probability and magnitude; the operations are Pillow's and
 * the magnitudes torchvision's, bit for bit. Takes bytes, so it comes before `normalize`; and after
 * the crop and the flip, as in torchvision's recipes.
 */
export const autoAugment = (options: AutoAugmentOptions): Transform =>
  named("autoAugment", options);

/**
 * A random box of 8 to 100% of the area and an aspect ratio of 3/4 to 4/3, at one size (C. Szegedy et
 * al., "Going deeper with convolutions", 2015; torchvision's RandomResizedCrop). Takes bytes, of
 * images of any size; resizes as Pillow does (bilinear, antialiased), bit for bit.
 */
export const randomResizedCrop = (options: RandomResizedCropOptions): Transform =>
  named("randomResizedCrop", options);

/**
 * The shorter side at `size` pixels, the other in proportion; or [height, width] (torchvision's
 * Resize, with Pillow's antialiased bilinear filter, bit for bit). Takes bytes.
 *
 * ```ts
 * // Evaluation on ImageNet:
 * const transform = [
 *   resize({ size: 256 }),
 *   centerCrop({ size: 224 }),
 *   normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
 * ];
 * transform.length; // 3
 * ```
 */
export const resize = (options: ResizeOptions): Transform => named("resize", options);

/** The middle of the image; zeros around a smaller one (torchvision's CenterCrop). */
export const centerCrop = (options: CenterCropOptions): Transform => named("centerCrop", options);

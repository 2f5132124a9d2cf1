/** The augmentations by name: a name and its options are what a worker thread is told. */
import type { Transform } from "../transform.js";
import { autoAugment } from "./auto-augment.js";
import { cutout } from "./cutout.js";
import type { ImageFunction } from "./image.js";
import { normalize } from "./normalize.js";
import { randomCrop } from "./random-crop.js";
import { randomHorizontalFlip } from "./random-horizontal-flip.js";
import { randomResizedCrop } from "./random-resized-crop.js";
import { centerCrop, resize } from "./resize.js";
import { eachImage, type ImageTransform } from "./rows.js";

const images =
  <O>(make: (options: O) => ImageFunction) =>
  (options: O): ImageTransform =>
    eachImage(make(options));

const makers = {
  autoAugment: images(autoAugment),
  centerCrop: images(centerCrop),
  cutout: images(cutout),
  normalize,
  randomCrop: images(randomCrop),
  randomHorizontalFlip: images(randomHorizontalFlip),
  randomResizedCrop: images(randomResizedCrop),
  resize: images(resize),
};

type Makers = typeof makers;
export type TransformName = keyof Makers;
export type OptionsOf<N extends TransformName> = NonNullable<Parameters<Makers[N]>[0]>;

/** A transform as data. */
export type TransformSpec = {
  [N in TransformName]: { readonly name: N; readonly options: OptionsOf<N> };
}[TransformName];

/** The transform that a specification describes. Throws an Error for wrong options. */
export function fromSpec<N extends TransformName>(spec: {
  readonly name: N;
  readonly options: OptionsOf<N>;
}): Transform {
  const make = makers[spec.name] as (options: OptionsOf<N>) => Transform;
  const transform = make(spec.options);
  return Object.defineProperty(transform, "name", { value: spec.name });
}

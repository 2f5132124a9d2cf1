/** AutoAugment: a random pair of operations of a learnt policy. */
import { hostUniform } from "../threefry.js";
import {
  asBytes,
  below,
  checkFill,
  type Fill,
  type HostImage,
  type ImageFunction,
} from "./image.js";
import { brightness, color, contrast, sharpness } from "./pil/enhance.js";
import { rotate, shearX, shearY, translate } from "./pil/geometry.js";
import { autoContrast, equalize, invert, posterize, solarize } from "./pil/tone.js";
import { type Choice, cifar10, imagenet, type OperationName } from "./policies.js";

export interface AutoAugmentOptions {
  /** The data set that the policy was learnt on. */
  readonly policy: "cifar10" | "imagenet";
  /** Colour of what a shear, shift or rotation uncovers. Default 0, as torchvision; the authors use 128. */
  readonly fill?: Fill;
}

const policies = { cifar10, imagenet } as const;

type Bytes = HostImage<Uint8Array>;

interface Operation {
  /** The magnitude of a level from 0 to 9; an image's longer sides shift further. */
  magnitude(level: number, image: HostImage): number;
  /** Half of the time the magnitude is negated. */
  readonly signed: boolean;
  apply(image: Bytes, magnitude: number, fill: Fill): HostImage;
}

/** torch.linspace(from, to, 10) in float32, whose rounding decides some pixels: from both ends. */
const linear =
  (from: number, to: number) =>
  (level: number): number => {
    const [a, b] = [Math.fround(from), Math.fround(to)];
    const step = Math.fround(Math.fround(b - a) / 9);
    // One rounding for product and sum: the compiled loop uses a fused multiply-add.
    return level < 5 ? Math.fround(a + step * level) : Math.fround(b - step * (9 - level));
  };

const none = () => 0;
/** The authors' images of 331 pixels shift by up to 150. */
const shift = (side: "width" | "height") => (level: number, image: HostImage) =>
  linear(0, (150 / 331) * image[side])(level);

/** Pillow's operations with torchvision's magnitudes. */
export const operations: Readonly<Record<OperationName, Operation>> = {
  shearX: { magnitude: linear(0, 0.3), signed: true, apply: shearX },
  shearY: { magnitude: linear(0, 0.3), signed: true, apply: shearY },
  translateX: {
    magnitude: shift("width"),
    signed: true,
    apply: (image, by, fill) => translate(image, Math.trunc(by), 0, fill),
  },
  translateY: {
    magnitude: shift("height"),
    signed: true,
    apply: (image, by, fill) => translate(image, 0, Math.trunc(by), fill),
  },
  rotate: { magnitude: linear(0, 30), signed: true, apply: rotate },
  brightness: {
    magnitude: linear(0, 0.9),
    signed: true,
    apply: (image, by) => brightness(image, 1 + by),
  },
  color: { magnitude: linear(0, 0.9), signed: true, apply: (image, by) => color(image, 1 + by) },
  contrast: {
    magnitude: linear(0, 0.9),
    signed: true,
    apply: (image, by) => contrast(image, 1 + by),
  },
  sharpness: {
    magnitude: linear(0, 0.9),
    signed: true,
    apply: (image, by) => sharpness(image, 1 + by),
  },
  posterize: {
    magnitude: (level) => 8 - Math.round(level / 2.25),
    signed: false,
    apply: posterize,
  },
  solarize: { magnitude: linear(255, 0), signed: false, apply: solarize },
  autoContrast: { magnitude: none, signed: false, apply: autoContrast },
  equalize: { magnitude: none, signed: false, apply: equalize },
  invert: { magnitude: none, signed: false, apply: invert },
};

export function autoAugment(options: AutoAugmentOptions): ImageFunction {
  const { policy, fill = 0 } = options;
  if (!Object.hasOwn(policies, policy)) {
    throw new Error(
      `autoAugment: expected policy to be one of ${Object.keys(policies).join(", ")}, found ${String(policy)}`,
    );
  }
  checkFill("autoAugment", fill);
  const pairs = policies[policy];
  return (image, key) => {
    const u = hostUniform(key, 5);
    const [first, second] = pairs[below(pairs.length, u[0]!)]!;
    const once = applyChoice(asBytes("autoAugment", image), first, u[1]!, u[2]!, fill);
    return applyChoice(once, second, u[3]!, u[4]!, fill);
  };
}

/** `chance` decides whether, `side` the sign. */
export function applyChoice(
  image: Bytes,
  [name, probability, level = 0]: Choice,
  chance: number,
  side: number,
  fill: Fill,
): Bytes {
  if (chance >= probability) return image;
  const { magnitude, signed, apply } = operations[name];
  const size = magnitude(level, image);
  return apply(image, signed && side < 0.5 ? -size : size, fill) as Bytes;
}

/** A random part of an image, of random size and shape, at one size. */
import { type HostKey, hostUniform } from "../threefry.js";
import {
  asBytes,
  below,
  checkSize,
  copyBox,
  emptyLike,
  type HostImage,
  type ImageFunction,
} from "./image.js";
import { resizeBilinear } from "./resample.js";

export interface RandomResizedCropOptions {
  /** Side of the result, or [height, width]. */
  readonly size: number | readonly [number, number];
  /** Least and largest share of the image's area. Default [0.08, 1]. */
  readonly scale?: readonly [number, number];
  /** Least and largest width / height. Default [3/4, 4/3]. */
  readonly ratio?: readonly [number, number];
}

/** Attempts to find a box that fits before the largest central one is taken. */
const ATTEMPTS = 10;

export function randomResizedCrop(options: RandomResizedCropOptions): ImageFunction {
  const { size, scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options;
  const [height, width] = typeof size === "number" ? [size, size] : size;
  for (const side of [height, width]) checkSize("randomResizedCrop", "size", side);
  for (const [name, [least, most]] of Object.entries({ scale, ratio })) {
    if (!(least > 0 && least <= most && Number.isFinite(most))) {
      throw new Error(
        `randomResizedCrop: expected ${name} to be two positive numbers in order, found ${least} and ${most}`,
      );
    }
  }
  return (image, key) => {
    const bytes = asBytes("randomResizedCrop", image);
    const box = boxOf(image, scale, ratio, key);
    const crop = emptyLike(bytes, box.height, box.width) as HostImage<Uint8Array>;
    copyBox(bytes, box.top, box.left, crop);
    return resizeBilinear(crop, height, width);
  };
}

interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** The box of C. Szegedy et al. ("Going deeper with convolutions", 2015), as torchvision draws it. */
export function boxOf(
  { height, width }: HostImage,
  scale: readonly [number, number],
  ratio: readonly [number, number],
  key: HostKey,
): Box {
  const [logLeast, logMost] = [Math.log(ratio[0]), Math.log(ratio[1])];
  const u = hostUniform(key, 4 * ATTEMPTS);
  for (let i = 0; i < 4 * ATTEMPTS; i += 4) {
    const area = height * width * (scale[0] + (scale[1] - scale[0]) * u[i]!);
    const aspect = Math.exp(logLeast + (logMost - logLeast) * u[i + 1]!);
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = below(height - h + 1, u[i + 2]!);
      const left = below(width - w + 1, u[i + 3]!);
      return { top, left, height: h, width: w };
    }
  }
  const aspect = width / height;
  const w = aspect > ratio[1] ? Math.max(1, Math.round(height * ratio[1])) : width;
  const h = aspect < ratio[0] ? Math.max(1, Math.round(width / ratio[0])) : height;
  return { top: (height - h) >> 1, left: (width - w) >> 1, height: h, width: w };
}

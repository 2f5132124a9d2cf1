/** Resizing and cropping for evaluation. */
import {
  asBytes,
  checkSize,
  copyBox,
  emptyLike,
  type HostImage,
  type ImageFunction,
} from "./image.js";
import { resizeBilinear } from "./resample.js";

export interface ResizeOptions {
  /** Length of the shorter side (the other keeps the proportion), or [height, width]. */
  readonly size: number | readonly [number, number];
}

/** torchvision's rule: the longer side is cut off to a whole number of pixels. */
function resizedTo(image: HostImage, size: ResizeOptions["size"]): readonly [number, number] {
  if (typeof size !== "number") return size;
  const { height, width } = image;
  return width <= height
    ? [Math.trunc((size * height) / width), size]
    : [size, Math.trunc((size * width) / height)];
}

export function resize({ size }: ResizeOptions): ImageFunction {
  for (const side of typeof size === "number" ? [size] : size) checkSize("resize", "size", side);
  return (image) => {
    const bytes = asBytes("resize", image);
    return resizeBilinear(bytes, ...resizedTo(image, size));
  };
}

export interface CenterCropOptions {
  /** Side of the result, or [height, width]. */
  readonly size: number | readonly [number, number];
}

export function centerCrop({ size }: CenterCropOptions): ImageFunction {
  const [height, width] = typeof size === "number" ? [size, size] : size;
  for (const side of [height, width]) checkSize("centerCrop", "size", side);
  return (image) => {
    const out = emptyLike(image, height, width);
    const top = offset(image.height - height);
    const left = offset(image.width - width);
    // A smaller image is padded with zeros.
    copyBox(image, top, left, out);
    return out;
  };
}

/** Half of what is over, .5 to the even neighbour as Python rounds; of what is missing, less above. */
function offset(over: number): number {
  if (over < 0) return -Math.floor(-over / 2);
  const down = Math.floor(over / 2);
  return over % 2 === 0 || down % 2 === 0 ? down : down + 1;
}

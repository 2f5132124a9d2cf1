/** A square of every image blanked out. */
import { hostUniform } from "../threefry.js";
import {
  below,
  checkFill,
  checkSize,
  type Fill,
  type HostImage,
  type ImageFunction,
} from "./image.js";

export interface CutoutOptions {
  /** Side of the square in pixels. Default 16. */
  readonly size?: number;
  /** Default 0: black before normalisation, the mean after it. */
  readonly fill?: Fill;
}

export function cutout(options: CutoutOptions = {}): ImageFunction {
  const { size = 16, fill = 0 } = options;
  checkSize("cutout", "size", size);
  checkFill("cutout", fill);
  return (image, key) => {
    const [u, v] = hostUniform(key, 2);
    const top = below(image.height, u!) - Math.floor(size / 2);
    const left = below(image.width, v!) - Math.floor(size / 2);
    return blanked(image, top, left, size, fill);
  };
}

/** The square may reach over the edges. */
function blanked(image: HostImage, top: number, left: number, size: number, fill: Fill): HostImage {
  const { width, height, channels } = image;
  const data = image.data.slice();
  const values = typeof fill === "number" ? [fill] : fill;
  for (let y = Math.max(0, top); y < Math.min(height, top + size); y++) {
    for (let x = Math.max(0, left); x < Math.min(width, left + size); x++) {
      const at = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) data[at + c] = values[c % values.length]!;
    }
  }
  return { ...image, data };
}

/** A random crop of a padded image. */

import { hostUniform } from "../threefry.js";
import {
  below,
  checkFill,
  checkSize,
  copyBox,
  emptyLike,
  type Fill,
  fillWith,
  type HostImage,
  type ImageFunction,
} from "./image.js";

export interface RandomCropOptions {
  /** Side of the result, or [height, width]. Default: the image's own size. */
  readonly size?: number | readonly [number, number];
  /** Pixels added on every side first. Default 4. */
  readonly padding?: number;
  /** "constant" (default) pads with `fill`, "reflect" with the image mirrored at its edge pixels. */
  readonly mode?: "constant" | "reflect";
  /** Default 0: black before normalisation, the mean after it. */
  readonly fill?: Fill;
}

export function randomCrop(options: RandomCropOptions = {}): ImageFunction {
  const { size, padding = 4, mode = "constant", fill = 0 } = options;
  checkSize("randomCrop", "padding", padding, 0);
  checkFill("randomCrop", fill);
  if (mode !== "constant" && mode !== "reflect") {
    throw new Error(`randomCrop: expected mode "constant" or "reflect", found ${String(mode)}`);
  }
  const sides = size === undefined ? undefined : typeof size === "number" ? [size, size] : size;
  for (const side of sides ?? []) checkSize("randomCrop", "size", side);
  return (image, key) => {
    const [height, width] = sides ?? [image.height, image.width];
    const rows = image.height + 2 * padding - height! + 1;
    const columns = image.width + 2 * padding - width! + 1;
    if (rows < 1 || columns < 1) {
      throw new Error(
        `randomCrop: expected images of at least ${height}×${width} with a padding of ${padding}, ` +
          `found one of ${image.height}×${image.width}`,
      );
    }
    const [u, v] = hostUniform(key, 2);
    const top = below(rows, u!) - padding;
    const left = below(columns, v!) - padding;
    const out = emptyLike(image, height!, width!);
    if (mode === "constant") {
      if (fill !== 0) fillWith(out, fill);
      copyBox(image, top, left, out);
    } else {
      copyMirrored(image, top, left, out);
    }
    return out;
  };
}

/** Position `i` on a line of `n` pixels that is mirrored at its first and last ones. */
function mirrored(i: number, n: number): number {
  if (n === 1) return 0;
  const period = 2 * (n - 1);
  const at = ((i % period) + period) % period;
  return at < n ? at : period - at;
}

function copyMirrored(image: HostImage, top: number, left: number, out: HostImage): void {
  const { channels } = image;
  for (let y = 0; y < out.height; y++) {
    const row = mirrored(y + top, image.height) * image.width;
    for (let x = 0; x < out.width; x++) {
      const from = (row + mirrored(x + left, image.width)) * channels;
      const to = (y * out.width + x) * channels;
      for (let c = 0; c < channels; c++) out.data[to + c] = image.data[from + c]!;
    }
  }
}

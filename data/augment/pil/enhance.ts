/**
 * Pillow's ImageEnhance: every operation blends an image with a duller one of its own, in float32;
 * factors above 1 go beyond the image.
 */
import type { HostImage } from "../image.js";

type Bytes = HostImage<Uint8Array>;

/** from + factor·(to − from), cut off to a byte. */
function blend(from: Bytes | number, to: Bytes, factor: number): Bytes {
  const f = Math.fround(factor);
  if (f === 1) return to;
  const data = new Uint8Array(to.data.length);
  for (let i = 0; i < data.length; i++) {
    const a = typeof from === "number" ? from : from.data[i]!;
    const x = Math.fround(a + Math.fround(f * (to.data[i]! - a)));
    data[i] = x <= 0 ? 0 : x >= 255 ? 255 : Math.trunc(x);
  }
  return { ...to, data };
}

/** ITU-R 601 luma, as Pillow converts to "L"; one channel stays what it is. */
function luma({ data, channels }: Bytes): Uint8Array {
  if (channels !== 3) return data;
  const out = new Uint8Array(data.length / 3);
  for (let i = 0; i < out.length; i++) {
    const at = 3 * i;
    out[i] = (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16;
  }
  return out;
}

/** 0 is black, 1 the image. */
export const brightness = (image: Bytes, factor: number): Bytes => blend(0, image, factor);

/** 0 is grey, 1 the image. */
export function color(image: Bytes, factor: number): Bytes {
  const grey = luma(image);
  const { channels } = image;
  const data = image.data.map((_, i) => grey[Math.floor(i / channels)]!);
  return blend({ ...image, data }, image, factor);
}

/** 0 is the mean grey, 1 the image. */
export function contrast(image: Bytes, factor: number): Bytes {
  const grey = luma(image);
  const mean = grey.reduce((sum, x) => sum + x, 0) / grey.length;
  return blend(Math.trunc(mean + 0.5), image, factor);
}

/** 0 is smoothed, 1 the image. */
export const sharpness = (image: Bytes, factor: number): Bytes =>
  blend(smooth(image), image, factor);

/** A 3×3 mean in which the centre counts five times; the outermost pixels stay as they are. */
function smooth(image: Bytes): Bytes {
  const { data, height, width, channels } = image;
  const out = data.slice();
  const line = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let x = channels; x < line - channels; x++) {
      const at = y * line + x;
      let sum = 4 * data[at]!;
      for (let row = at - line; row <= at + line; row += line) {
        sum += data[row - channels]! + data[row]! + data[row + channels]!;
      }
      out[at] = Math.trunc(sum / 13 + 0.5);
    }
  }
  return { ...image, data: out };
}

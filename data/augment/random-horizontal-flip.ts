/** Left and right exchanged, by chance. */
import { checkShare, draw, emptyLike, type HostImage, type ImageFunction } from "./image.js";

export interface RandomHorizontalFlipOptions {
  /** Probability. Default 0.5. */
  readonly p?: number;
}

export function randomHorizontalFlip(options: RandomHorizontalFlipOptions = {}): ImageFunction {
  const { p = 0.5 } = options;
  checkShare("randomHorizontalFlip", "p", p);
  return (image, key) => (draw(key) < p ? flipped(image) : image);
}

export function flipped(image: HostImage): HostImage {
  const { data, height, width, channels } = image;
  const out = emptyLike(image, height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      const to = (y * width + width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) out.data[to + c] = data[from + c]!;
    }
  }
  return out;
}

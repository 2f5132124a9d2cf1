/** Batches as lists of images: every row has a key of its own. */

import { type HostKey, threefry2x32 } from "../threefry.js";
import type { HostBatch, Transform } from "../transform.js";
import type { HostImage, ImageFunction, Pixels } from "./image.js";

/** A transform that changes every image by itself. */
export interface ImageTransform extends Transform {
  readonly perImage: ImageFunction;
}

/** The key of a row: that of `random.split(key, rows)[row]`. */
export const rowKey = (key: HostKey, row: number): HostKey => threefry2x32(key, 0, row);

export function eachImage(f: ImageFunction): ImageTransform {
  const transform: Transform = (batch, { key }) =>
    batchOf(
      imagesOf(batch).map((image, row) => f(image, rowKey(key, row))),
      batch,
    );
  return Object.assign(transform, { perImage: f });
}

/** The rows, as views. */
export function imagesOf({ images, shape, sizes, indices }: HostBatch): HostImage[] {
  if (shape.length !== 4) {
    throw new Error(
      `expected a batch of images [rows, height, width, channels], found shape [${shape.join(",")}]`,
    );
  }
  const [, height, width, channels] = shape as readonly [number, number, number, number];
  let at = 0;
  return Array.from(indices, (_, row) => {
    const [h, w] = sizes ? [sizes[2 * row]!, sizes[2 * row + 1]!] : [height, width];
    const length = h * w * channels;
    const data = images.subarray(at, at + length);
    at += length;
    return { data, height: h, width: w, channels };
  });
}

/** Images as the rows of a batch, with the labels and indices of `rest`. */
export function batchOf(
  list: readonly HostImage[],
  rest: Pick<HostBatch, "labels" | "indices">,
): HostBatch {
  const { labels, indices } = rest;
  const first = list[0] ?? { data: new Uint8Array(0), height: 0, width: 0, channels: 3 };
  const { channels, height, width } = first;
  const images = joined(list.map((image) => image.data));
  const same = list.every((i) => i.height === height && i.width === width);
  if (!list.every((i) => i.channels === channels)) {
    throw new Error("expected images of one number of channels, found several");
  }
  if (same) return { images, shape: [list.length, height, width, channels], labels, indices };
  const sizes = Int32Array.from(list.flatMap((image) => [image.height, image.width]));
  return { images, shape: [list.length, -1, -1, channels], sizes, labels, indices };
}

function joined(parts: readonly Pixels[]): Pixels {
  const length = parts.reduce((n, part) => n + part.length, 0);
  const out = parts[0] instanceof Float32Array ? new Float32Array(length) : new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

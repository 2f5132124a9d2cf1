/** One image on the host, and augmentations as functions of an image and a key. */
import { type HostKey, hostUniform } from "../threefry.js";

/** An image: rows of pixels, channels last. Bytes, or floats after normalisation. */
export interface HostImage<A extends Pixels = Pixels> {
  readonly data: A;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export type Pixels = Uint8Array | Float32Array;

/** A function of an image and a key, and of nothing else. It does not write into its argument. */
export type ImageFunction = (image: HostImage, key: HostKey) => HostImage;

/** Room for an image of the same kind of pixels. */
export const emptyLike = (
  { data, channels }: HostImage,
  height: number,
  width: number,
): HostImage => {
  const size = height * width * channels;
  return {
    data: data instanceof Uint8Array ? new Uint8Array(size) : new Float32Array(size),
    height,
    width,
    channels,
  };
};

/** The image as bytes; `op` is for the error. */
export function asBytes(op: string, image: HostImage): HostImage<Uint8Array> {
  if (image.data instanceof Uint8Array) return image as HostImage<Uint8Array>;
  throw new Error(`${op}: expected images of bytes, found floats: put it before normalize`);
}

/** A number in [0, 1). */
export const draw = (key: HostKey): number => hostUniform(key, 1)[0]!;

/** A whole number from 0 to below n, from a number in [0, 1). */
export const below = (n: number, uniform: number): number =>
  Math.min(n - 1, Math.floor(n * uniform));

/** Copy the box at (top, left) of the size of `out`; what lies outside of `image` stays as it is. */
export function copyBox(image: HostImage, top: number, left: number, out: HostImage): void {
  const { channels } = image;
  const from = Math.max(0, left);
  const to = Math.min(image.width, left + out.width);
  if (to <= from) return;
  for (let y = 0; y < out.height; y++) {
    const row = y + top;
    if (row < 0 || row >= image.height) continue;
    const start = (row * image.width + from) * channels;
    out.data.set(
      image.data.subarray(start, start + (to - from) * channels),
      (y * out.width + from - left) * channels,
    );
  }
}

/** Set every pixel to a colour: one number for all channels, or one each. */
export function fillWith({ data, channels }: HostImage, fill: Fill): void {
  if (typeof fill === "number") data.fill(fill);
  else for (let i = 0; i < data.length; i++) data[i] = fill[i % channels]!;
}

/** A colour: one value for all channels, or a list with one for each. */
export type Fill = number | readonly number[];

export function checkFill(op: string, fill: Fill): void {
  const values = typeof fill === "number" ? [fill] : fill;
  if (values.length === 0 || !values.every(Number.isFinite)) {
    throw new Error(`${op}: expected fill to be finite numbers, found ${JSON.stringify(fill)}`);
  }
}

export function checkSize(op: string, name: string, value: number, least = 1): void {
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`${op}: expected ${name} to be an integer >= ${least}, found ${value}`);
  }
}

export function checkShare(op: string, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) {
    throw new Error(`${op}: expected ${name} to be from 0 to 1, found ${value}`);
  }
}

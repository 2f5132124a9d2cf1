/** Pillow's ImageOps: every byte of a channel through a table. */
import type { HostImage } from "../image.js";

type Bytes = HostImage<Uint8Array>;

/** One table for all channels, or one each. */
function through(image: Bytes, tableOf: (channel: number) => Uint8Array): Bytes {
  const { channels } = image;
  const data = new Uint8Array(image.data.length);
  for (let c = 0; c < channels; c++) {
    const table = tableOf(c);
    for (let i = c; i < data.length; i += channels) data[i] = table[image.data[i]!]!;
  }
  return { ...image, data };
}

const table = (f: (byte: number) => number): Uint8Array =>
  new Uint8Array(256).map((_, byte) => f(byte));

function same(image: Bytes, f: (byte: number) => number): Bytes {
  const t = table(f);
  return through(image, () => t);
}

export const invert = (image: Bytes): Bytes => same(image, (x) => 255 - x);

/** Keeps the highest `bits` bits. */
export const posterize = (image: Bytes, bits: number): Bytes =>
  same(image, (x) => x & ~(2 ** (8 - bits) - 1));

/** Inverts what is not below the threshold. */
export const solarize = (image: Bytes, threshold: number): Bytes =>
  same(image, (x) => (x < threshold ? x : 255 - x));

function histogram({ data, channels }: Bytes, channel: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = channel; i < data.length; i += channels) counts[data[i]!]!++;
  return counts;
}

/** Spreads each channel over the whole range. */
export const autoContrast = (image: Bytes): Bytes =>
  through(image, (channel) => {
    const counts = histogram(image, channel);
    const lo = counts.findIndex((n) => n > 0);
    const hi = counts.findLastIndex((n) => n > 0);
    if (hi <= lo) return table((x) => x);
    const scale = 255 / (hi - lo);
    const offset = -lo * scale;
    return table((x) => Math.min(255, Math.max(0, Math.trunc(x * scale + offset))));
  });

/** Gives each channel's histogram an even spread. */
export const equalize = (image: Bytes): Bytes =>
  through(image, (channel) => {
    const counts = histogram(image, channel);
    const used = counts.filter((n) => n > 0);
    const total = used.reduce((sum, n) => sum + n, 0);
    const step = Math.floor((total - (used.at(-1) ?? 0)) / 255);
    if (used.length <= 1 || step === 0) return table((x) => x);
    let n = Math.floor(step / 2);
    return table((x) => {
      const value = Math.floor(n / step);
      n += counts[x]!;
      return Math.min(255, value);
    });
  });

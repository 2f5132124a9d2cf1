/**
 * Corruptions of images after ImageNet-C (Hendrycks & Dietterich 2019): those that need no other data.
 * Strengths are the published ones for CIFAR-sized images where an image is small enough to compare.
 */
import { type HostKey, hostFoldIn, hostKey, hostUniform } from "dawngrad/data";

/** Bytes of one image with its shape, changed into other bytes. */
export type Corruption = (
  image: Uint8Array,
  shape: readonly [height: number, width: number, channels: number],
  severity: number,
  key: HostKey,
) => Uint8Array;

const byte = (x: number): number => Math.max(0, Math.min(255, Math.round(255 * x)));
const at = (values: readonly number[], severity: number): number => values[severity - 1]!;

/** Standard normal numbers by Box and Muller. */
function normals(key: HostKey, n: number): Float64Array {
  const [u, v] = [hostUniform(hostFoldIn(key, 0), n), hostUniform(hostFoldIn(key, 1), n)];
  return Float64Array.from(
    u,
    (x, i) => Math.sqrt(-2 * Math.log(1 - x)) * Math.cos(2 * Math.PI * v[i]!),
  );
}

const pixelwise = (image: Uint8Array, f: (x: number, i: number) => number): Uint8Array =>
  Uint8Array.from(image, (b, i) => byte(f(b / 255, i)));

/** The mean with weights over a window around each pixel; edges repeat. */
function filtered(
  image: Uint8Array,
  [h, w, c]: readonly [number, number, number],
  radius: number,
  weight: (dy: number, dx: number) => number,
): Uint8Array {
  const offsets: [number, number, number][] = [];
  let total = 0;
  for (let dy = -radius; dy <= radius; dy++) {
    for (let dx = -radius; dx <= radius; dx++) {
      const value = weight(dy, dx);
      if (value > 0) offsets.push([dy, dx, value]);
      total += value;
    }
  }
  const inside = (x: number, n: number) => Math.max(0, Math.min(n - 1, x));
  return Uint8Array.from(image, (_, i) => {
    const [y, x, k] = [Math.floor(i / (w * c)), Math.floor(i / c) % w, i % c];
    let sum = 0;
    for (const [dy, dx, value] of offsets) {
      sum += value * image[(inside(y + dy, h) * w + inside(x + dx, w)) * c + k]!;
    }
    return Math.round(sum / total);
  });
}

export const corruptions: Readonly<Record<string, Corruption>> = {
  "gaussian noise": (image, _shape, s, key) => {
    const n = normals(key, image.length);
    return pixelwise(image, (x, i) => x + at([0.04, 0.06, 0.08, 0.09, 0.1], s) * n[i]!);
  },
  // Poisson counts of λ·x photons, by their normal limit.
  "shot noise": (image, _shape, s, key) => {
    const n = normals(key, image.length);
    const photons = at([500, 250, 100, 75, 50], s);
    return pixelwise(image, (x, i) => x + Math.sqrt(x / photons) * n[i]!);
  },
  "impulse noise": (image, _shape, s, key) => {
    const u = hostUniform(key, image.length);
    const share = at([0.01, 0.02, 0.03, 0.05, 0.07], s);
    return pixelwise(image, (x, i) => (u[i]! < share / 2 ? 0 : u[i]! < share ? 1 : x));
  },
  "defocus blur": (image, shape, s) => {
    const r = at([1, 1.25, 1.5, 2, 2.5], s);
    return filtered(image, shape, Math.ceil(r), (dy, dx) => (Math.hypot(dy, dx) <= r ? 1 : 0));
  },
  "gaussian blur": (image, shape, s) => {
    const sigma = at([0.4, 0.6, 0.7, 0.8, 1], s);
    return filtered(image, shape, 3, (dy, dx) =>
      Math.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma)),
    );
  },
  brightness: (image, _shape, s) => pixelwise(image, (x) => x + at([0.05, 0.1, 0.15, 0.2, 0.3], s)),
  contrast: (image, _shape, s) => {
    const mean = image.reduce((a, b) => a + b, 0) / (255 * image.length);
    return pixelwise(image, (x) => mean + (x - mean) * at([0.75, 0.5, 0.4, 0.3, 0.15], s));
  },
  pixelate: (image, [h, w, c], s) => {
    const scale = at([0.95, 0.9, 0.85, 0.75, 0.65], s);
    const [rows, columns] = [Math.round(h * scale), Math.round(w * scale)];
    const source = (x: number, n: number, m: number) =>
      Math.min(n - 1, Math.floor(((Math.floor((x * m) / n) + 0.5) * n) / m));
    return Uint8Array.from(image, (_, i) => {
      const [y, x, k] = [Math.floor(i / (w * c)), Math.floor(i / c) % w, i % c];
      return image[(source(y, h, rows) * w + source(x, w, columns)) * c + k]!;
    });
  },
};

/** All images of a data set, corrupted; the same noise for every network. */
export function corrupted(
  images: Uint8Array,
  inputShape: readonly number[],
  name: string,
  severity: number,
): Uint8Array {
  const [h, w, c] = inputShape as [number, number, number];
  const size = h * w * c;
  const key = hostFoldIn(hostKey(severity), Object.keys(corruptions).indexOf(name));
  const out = new Uint8Array(images.length);
  for (let i = 0; i * size < images.length; i++) {
    const image = images.subarray(i * size, (i + 1) * size);
    out.set(corruptions[name]!(image, [h, w, c], severity, hostFoldIn(key, i)), i * size);
  }
  return out;
}

/**
 * Pillow's `resize` with the bilinear filter, to the bit: the filter widens with the reduction (so
 * that it averages), weights are integers of 22 bits, and bytes are rounded after each direction.
 */
import type { HostImage } from "./image.js";

const PRECISION = 22;

interface Weights {
  /** First input and number of inputs of each output. */
  readonly bounds: Int32Array;
  readonly weights: Int32Array;
  /** Weights kept for each output. */
  readonly stride: number;
}

function weightsOf(inSize: number, outSize: number): Weights {
  const scale = inSize / outSize;
  const support = Math.max(scale, 1);
  const stride = Math.ceil(support) * 2 + 1;
  const bounds = new Int32Array(2 * outSize);
  const weights = new Int32Array(stride * outSize);
  const row = new Float64Array(stride);
  for (let i = 0; i < outSize; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(inSize, Math.trunc(centre + support + 0.5)) - first;
    let total = 0;
    for (let k = 0; k < count; k++) {
      const distance = Math.abs((k + first - centre + 0.5) * (1 / support));
      row[k] = distance < 1 ? 1 - distance : 0;
      total += row[k]!;
    }
    for (let k = 0; k < count; k++) {
      const w = total === 0 ? row[k]! : row[k]! / total;
      weights[i * stride + k] = Math.trunc(0.5 + w * 2 ** PRECISION);
    }
    bounds[2 * i] = first;
    bounds[2 * i + 1] = count;
  }
  return { bounds, weights, stride };
}

/**
 * One direction: `lines` independent lines, `step` apart from pixel to pixel. Sums stay below 2^31:
 * the weights are positive and add up to 2^22.
 */
function along(
  from: Uint8Array,
  to: Uint8Array,
  { bounds, weights, stride }: Weights,
  place: (line: number) => readonly [from: number, to: number],
  lines: number,
  step: number,
): void {
  const outputs = bounds.length / 2;
  for (let line = 0; line < lines; line++) {
    const [source, target] = place(line);
    for (let i = 0; i < outputs; i++) {
      let sum = 1 << (PRECISION - 1);
      let at = source + bounds[2 * i]! * step;
      const count = bounds[2 * i + 1]!;
      for (let k = 0; k < count; k++, at += step) sum += from[at]! * weights[i * stride + k]!;
      to[target + i * step] = Math.min(255, sum >> PRECISION);
    }
  }
}

/** The whole image at another size. */
export function resizeBilinear(
  image: HostImage<Uint8Array>,
  height: number,
  width: number,
): HostImage<Uint8Array> {
  const { channels } = image;
  let { data } = image;
  if (width !== image.width) {
    const out = new Uint8Array(image.height * width * channels);
    const w = weightsOf(image.width, width);
    const place = (line: number) => {
      const row = Math.floor(line / channels);
      const c = line % channels;
      return [row * image.width * channels + c, row * width * channels + c] as const;
    };
    along(data, out, w, place, image.height * channels, channels);
    data = out;
  }
  if (height !== image.height) {
    const line = width * channels;
    const out = new Uint8Array(height * line);
    along(data, out, weightsOf(image.height, height), (x) => [x, x] as const, line, line);
    data = out;
  }
  return { data, height, width, channels };
}

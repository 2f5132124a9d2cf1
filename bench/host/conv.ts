/** 3×3 convolutions (channels last, zero padding) and pooling by 2 on the host, with gradients. */

export interface ConvShape {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly ci: number;
  readonly co: number;
}

/** Calls `visit(pixel, source pixel, tap)` for each pixel and each tap that lies inside. */
export function taps(
  { n, h, w }: Pick<ConvShape, "n" | "h" | "w">,
  visit: (to: number, from: number, tap: number) => void,
): void {
  for (let image = 0; image < n; image++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        for (let tap = 0; tap < 9; tap++) {
          const [sy, sx] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1];
          if (sy < 0 || sy >= h || sx < 0 || sx >= w) continue;
          visit((image * h + y) * w + x, (image * h + sy) * w + sx, tap);
        }
      }
    }
  }
}

export function conv3(
  x: Float64Array,
  k: Float64Array,
  b: Float64Array,
  s: ConvShape,
): Float64Array {
  const { ci, co } = s;
  const out = new Float64Array(s.n * s.h * s.w * co);
  for (let i = 0; i < out.length; i++) out[i] = b[i % co]!;
  taps(s, (to, from, tap) => {
    for (let c = 0; c < ci; c++) {
      const v = x[from * ci + c]!;
      const at = (tap * ci + c) * co;
      for (let o = 0; o < co; o++) out[to * co + o]! += v * k[at + o]!;
    }
  });
  return out;
}

export function conv3Gradient(
  x: Float64Array,
  k: Float64Array,
  g: Float64Array,
  s: ConvShape,
): { dx: Float64Array; dk: Float64Array; db: Float64Array } {
  const { ci, co } = s;
  const dx = new Float64Array(x.length);
  const dk = new Float64Array(k.length);
  const db = new Float64Array(co);
  for (let i = 0; i < g.length; i++) db[i % co]! += g[i]!;
  taps(s, (to, from, tap) => {
    for (let c = 0; c < ci; c++) {
      const v = x[from * ci + c]!;
      const at = (tap * ci + c) * co;
      let sum = 0;
      for (let o = 0; o < co; o++) {
        const d = g[to * co + o]!;
        sum += d * k[at + o]!;
        dk[at + o]! += v * d;
      }
      dx[from * ci + c]! += sum;
    }
  });
  return { dx, dk, db };
}

/** Maximum of each 2×2 window, and where it was (the first, should several be equal). */
export function pool2(
  x: Float64Array,
  { n, h, w, co: c }: ConvShape,
): { out: Float64Array; from: Int32Array } {
  const size = (n * h * w * c) / 4;
  const out = new Float64Array(size);
  const from = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const channel = i % c;
    const pixel = Math.floor(i / c);
    const px = pixel % (w / 2);
    const py = Math.floor(pixel / (w / 2)) % (h / 2);
    const image = Math.floor(pixel / (w / 2) / (h / 2));
    out[i] = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < 4; k++) {
      const at = ((image * h + 2 * py + (k >> 1)) * w + 2 * px + (k & 1)) * c + channel;
      if (x[at]! > out[i]!) {
        out[i] = x[at]!;
        from[i] = at;
      }
    }
  }
  return { out, from };
}

export function pool2Gradient(g: Float64Array, from: Int32Array, size: number): Float64Array {
  const dx = new Float64Array(size);
  for (let i = 0; i < g.length; i++) dx[from[i]!]! += g[i]!;
  return dx;
}

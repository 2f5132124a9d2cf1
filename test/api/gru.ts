/** A GRU of 64 units, as a scan and written out. */
import {
  array,
  checkpoint,
  matmul,
  reshape,
  scan,
  sigmoid,
  slice,
  type Tensor,
  tanh,
  zeros,
} from "dawngrad";

export const waveValues = (scale: number, ...shape: number[]): Float32Array<ArrayBuffer> => {
  const n = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * i + 0.3));
};

export const wave = (scale: number, ...shape: number[]): Tensor =>
  array(waveValues(scale, ...shape), { shape });

const batch = 4;
const width = 16;

export interface GruParams {
  readonly wx: Tensor;
  readonly wh: Tensor;
  readonly b: Tensor;
}

export const gruParams = (units = 64): GruParams => ({
  wx: wave(0.1, width, 3 * units),
  wh: wave(0.1, units, 3 * units),
  b: zeros([3 * units]),
});

export const gruInputs = (length: number): Tensor => wave(1, length, batch, width);

/** Bytes of one state of 64 units. */
export const stateBytes = 4 * batch * 64;

export function cell(p: GruParams, h: Tensor, x: Tensor): Tensor {
  const [units] = p.wh.shape as [number];
  const gx = matmul(x, p.wx).add(p.b);
  const gh = matmul(h, p.wh);
  const part = (t: Tensor, i: number) => slice(t, [0, i * units], [batch, (i + 1) * units]);
  const r = sigmoid(part(gx, 0).add(part(gh, 0)));
  const z = sigmoid(part(gx, 1).add(part(gh, 1)));
  const n = tanh(part(gx, 2).add(r.mul(part(gh, 2))));
  return n.sub(z.mul(n)).add(z.mul(h));
}

const start = (p: GruParams) => zeros([batch, p.wh.shape[0]!]);
const loss = (h: Tensor): Tensor => h.mul(h).mean();

export const looped = (p: GruParams, xs: Tensor): Tensor =>
  loss(scan((h, x) => [cell(p, h, x), null], start(p), xs)[0]);

/** √length chunks of √length steps, each kept as its first state and computed again when it is needed. */
export function chunked(p: GruParams, xs: Tensor): Tensor {
  const side = Math.sqrt(xs.shape[0]!);
  const step = checkpoint((p: GruParams, h: Tensor, x: Tensor) => cell(p, h, x));
  const chunk = checkpoint(
    (p: GruParams, h: Tensor, xs: Tensor) => scan((h, x) => [step(p, h, x), null], h, xs)[0],
  );
  const chunks = reshape(xs, [side, side, batch, width]);
  return loss(scan((h, x) => [chunk(p, h, x), null], start(p), chunks)[0]);
}

export function unrolled(p: GruParams, xs: Tensor): Tensor {
  let h = start(p);
  for (let i = 0; i < xs.shape[0]!; i++) {
    h = cell(p, h, reshape(slice(xs, [i, 0, 0], [i + 1, batch, width]), [batch, width]));
  }
  return loss(h);
}

/** A GRU of 64 units over a sequence: a scan here, a loop written out where there is no scan. */
import {
  checkpoint,
  matmul,
  scan,
  sigmoid,
  slice,
  type Tensor,
  tanh,
  valueAndGrad,
  zeros,
} from "dawngrad";
import { filled, uniform, type Values } from "../harness/values.js";
import type { Jax, JaxArray } from "../libraries/jax.js";

const [batch, width, units] = [4, 16, 64];

export interface Gru {
  readonly length: number;
  /** wx, wh, b, and the sequence. */
  readonly inputs: readonly Values[];
}

export function gru(length: number): Gru {
  const next = uniform(7);
  return {
    length,
    inputs: [
      filled([width, 3 * units], 0.4, next),
      filled([units, 3 * units], 0.4, next),
      filled([3 * units], 0.2, next),
      filled([length, batch, width], 2, next),
    ],
  };
}

type Cell = (h: Tensor, x: Tensor) => Tensor;

const cellOf =
  (wx: Tensor, wh: Tensor, b: Tensor): Cell =>
  (h, x) => {
    const gx = matmul(x, wx).add(b);
    const gh = matmul(h, wh);
    const part = (t: Tensor, i: number) => slice(t, [0, i * units], [batch, (i + 1) * units]);
    const r = sigmoid(part(gx, 0).add(part(gh, 0)));
    const z = sigmoid(part(gx, 1).add(part(gh, 1)));
    const n = tanh(part(gx, 2).add(r.mul(part(gh, 2))));
    return n.sub(z.mul(n)).add(z.mul(h));
  };

const through = (cell: Cell, h: Tensor, xs: Tensor): Tensor =>
  scan((c, x) => [cell(c, x), null], h, xs)[0];

const gradients =
  (run: (cell: Cell, h: Tensor, xs: Tensor) => Tensor) =>
  (...[wx, wh, b, xs]: Tensor[]): Tensor[] => {
    const loss = (u: Tensor, v: Tensor, c: Tensor) => {
      const h = run(cellOf(u, v, c), zeros([batch, units]), xs!);
      return h.mul(h).mean();
    };
    const [value, grads] = valueAndGrad(loss, { argnums: [0, 1, 2] })(wx!, wh!, b!);
    return [value, ...grads];
  };

/** Value and gradients by scan. */
export const looped = gradients(through);

/** By √length chunks of √length steps, each a checkpoint of checkpoints. */
export const chunked = gradients((cell, h, xs) => {
  const side = Math.sqrt(xs.shape[0]!);
  const step = checkpoint(cell);
  const chunk = checkpoint((c: Tensor, x: Tensor) => through(step, c, x));
  return through(chunk, h, xs.reshape([side, side, batch, width]));
});

/** The same for jax-js, every step written out. */
export function jaxUnrolled(jax: Jax, length: number) {
  const { numpy: np, nn } = jax;
  const loss = (wx: JaxArray, wh: JaxArray, b: JaxArray, xs: JaxArray): JaxArray => {
    let h = np.zeros([batch, units]);
    for (let i = 0; i < length; i++) {
      const gx = np.dot(xs.ref.slice(i), wx.ref).add(b.ref);
      const gh = np.dot(h.ref, wh.ref);
      const part = (t: JaxArray, k: number) => t.ref.slice([], [k * units, (k + 1) * units]);
      const r = nn.sigmoid(part(gx, 0).add(part(gh, 0)));
      const z = nn.sigmoid(part(gx, 1).add(part(gh, 1)));
      const n = np.tanh(part(gx, 2).add(r.mul(part(gh, 2))));
      h = n.ref.sub(z.ref.mul(n)).add(z.mul(h));
    }
    return h.ref
      .mul(h)
      .sum()
      .mul(1 / (batch * units));
  };
  const both = jax.valueAndGrad<[JaxArray, JaxArray, JaxArray, JaxArray], JaxArray[]>(loss, {
    argnums: [0, 1, 2],
  });
  return (...xs: JaxArray[]): JaxArray[] => {
    const [value, grads] = both(xs[0]!, xs[1]!, xs[2]!, xs[3]!);
    return [value, ...grads];
  };
}

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x));

/** The loss in float64, by loops that share nothing with the libraries. */
export function hostGru(inputs: readonly ArrayLike<number>[], length: number): number {
  const [wx, wh, b, xs] = inputs as [
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
  ];
  let total = 0;
  for (let row = 0; row < batch; row++) {
    let h = new Float64Array(units);
    for (let t = 0; t < length; t++) {
      const gx = Float64Array.from({ length: 3 * units }, (_, j) => b[j]!);
      const gh = new Float64Array(3 * units);
      for (let j = 0; j < 3 * units; j++) {
        for (let k = 0; k < width; k++) {
          gx[j]! += xs[(t * batch + row) * width + k]! * wx[k * 3 * units + j]!;
        }
        for (let k = 0; k < units; k++) gh[j]! += h[k]! * wh[k * 3 * units + j]!;
      }
      h = h.map((old, j) => {
        const r = sigmoidOf(gx[j]! + gh[j]!);
        const z = sigmoidOf(gx[units + j]! + gh[units + j]!);
        const n = Math.tanh(gx[2 * units + j]! + r * gh[2 * units + j]!);
        return (1 - z) * n + z * old;
      });
    }
    total += h.reduce((s, x) => s + x * x, 0);
  }
  return total / (batch * units);
}

/** A convolution 3×3 on 32×32×32×64→64 (channels last), forward, and forward with both gradients. */
import { conv as convolve, vjp } from "dawngrad";
import { currentGpu } from "../../src/device/index.js";
import { near, sumBound } from "../harness/check.js";
import { compareFunctions, type FunctionWork } from "../harness/compare.js";
import type { Context, Workload } from "../harness/context.js";
import { filled, permuted, places, uniform, type Values } from "../harness/values.js";
import { taps } from "../host/conv.js";
import { type ConvSize, convFits, convGrid, convText, flipText } from "../kernels/conv.js";
import type { RawPass, RawWork } from "../kernels/raw.js";

const sizes = (quick: boolean): ConvSize => ({ n: quick ? 4 : 32, h: 32, w: 32, ci: 64, co: 64 });

const forwardTitle = "conv 3×3 forward";
const gradientTitle = "conv 3×3 forward and both gradients";

const toFirst = [0, 3, 1, 2];
const toLast = [0, 2, 3, 1];
const kernelFirst = [3, 2, 0, 1];
const kernelLast = [2, 3, 1, 0];

/** Sums of products at a few places, as {sum, Σ|terms|}, by walking the taps once. */
class Samples {
  readonly #sums = new Map<number, { sum: number; absolute: number; terms: number }>();
  constructor(places: readonly number[]) {
    for (const p of places) this.#sums.set(p, { sum: 0, absolute: 0, terms: 0 });
  }
  add(place: number, term: number): void {
    const s = this.#sums.get(place)!;
    s.sum += term;
    s.absolute += Math.abs(term);
    s.terms += 1;
  }
  hold(name: string, actual: Float32Array): void {
    for (const [place, { sum, absolute, terms }] of this.#sums) {
      near(`${name}[${place}]`, actual[place]!, sum, sumBound(terms, absolute));
    }
  }
}

interface Arrays {
  readonly x: Values;
  readonly w: Values;
  readonly g: Values;
}

function expected(s: ConvSize, { x, w, g }: Arrays) {
  const { ci, co } = s;
  const pixels = new Set(places(s.n * s.h * s.w, 12));
  const outs = places(co, 5);
  const ins = places(ci, 5);
  const cross = (ps: Iterable<number>, cs: readonly number[], size: number) =>
    [...ps].flatMap((p) => cs.map((c) => p * size + c));
  const y = new Samples(cross(pixels, outs, co));
  const dx = new Samples(cross(pixels, ins, ci));
  const dw = new Samples(
    Array.from({ length: 9 }, (_, t) => t).flatMap((t) =>
      ins.flatMap((i) => outs.map((o) => (t * ci + i) * co + o)),
    ),
  );
  taps(s, (to, from, tap) => {
    for (const i of ins) {
      for (const o of outs) {
        const term = x.data[from * ci + i]! * g.data[to * co + o]!;
        dw.add((tap * ci + i) * co + o, term);
      }
    }
    if (pixels.has(to)) {
      for (const o of outs) {
        for (let i = 0; i < ci; i++) {
          y.add(to * co + o, x.data[from * ci + i]! * w.data[(tap * ci + i) * co + o]!);
        }
      }
    }
    if (pixels.has(from)) {
      for (const i of ins) {
        for (let o = 0; o < co; o++) {
          dx.add(from * ci + i, g.data[to * co + o]! * w.data[(tap * ci + i) * co + o]!);
        }
      }
    }
  });
  return { y, dx, dw };
}

/** The forward pass by a text, ours or the reader's. */
const forwardPass = (
  wgsl: string,
  s: ConvSize,
  buffers: readonly string[],
  lanes: number,
): RawPass => ({
  wgsl,
  grid: convGrid(s, lanes),
  buffers,
});

function rawForward(s: ConvSize, { x, w }: Arrays, lanes: number, context: Context): RawWork[] {
  const made = { y: [s.n, s.h, s.w, s.co] };
  const work = (name: string, wgsl: string, width: number): RawWork => ({
    name,
    inputs: { x, w },
    made,
    passes: [forwardPass(wgsl, s, ["x", "w", "y"], width)],
    outputs: ["y"],
  });
  const { conv } = context.texts;
  return [
    ...(convFits(s, lanes) ? [work("plain WGSL", convText(s, lanes), lanes)] : []),
    ...(conv !== undefined && s.n === 32 ? [work("best text in --kernels", conv, 8)] : []),
  ];
}

/** Forward, the same text on flipped weights for dX, and the two texts of the weight gradient. */
function rawGradients(s: ConvSize, { x, w, g }: Arrays, context: Context): RawWork[] {
  const { conv, convWeightGradient } = context.texts;
  if (conv === undefined || convWeightGradient?.length !== 2 || s.n !== 32) return [];
  const [partial, sum] = convWeightGradient as [string, string];
  const weights = 9 * s.ci * s.co;
  return [
    {
      name: "best texts in --kernels",
      inputs: { x, w, g },
      made: {
        y: [s.n, s.h, s.w, s.co],
        flipped: [weights],
        dx: x.shape,
        partial: [8 * weights],
        dw: w.shape,
      },
      passes: [
        forwardPass(conv, s, ["x", "w", "y"], 8),
        { wgsl: flipText(s), grid: [weights / 64, 1], buffers: ["w", "flipped"] },
        forwardPass(conv, s, ["g", "flipped", "dx"], 8),
        { wgsl: partial, grid: [2, 18, 8], buffers: ["x", "g", "partial"] },
        { wgsl: sum, grid: [weights / 4 / 64, 1], buffers: ["partial", "dw"] },
      ],
      outputs: ["dx", "dw"],
    },
  ];
}

export const conv: Workload = {
  name: "conv",
  titles: () => [forwardTitle, gradientTitle],
  async run(context) {
    const s = sizes(context.quick);
    const next = uniform(4);
    const x = filled([s.n, s.h, s.w, s.ci], 2, next);
    const w = filled([3, 3, s.ci, s.co], 2, next);
    const g = filled([s.n, s.h, s.w, s.co], 2, next);
    const hold = expected(s, { x, w, g });
    const xFirst = permuted(x, toFirst);
    const wFirst = permuted(w, kernelFirst);
    const gFirst = permuted(g, toFirst);
    const toImages = (data: Float32Array): Float32Array =>
      permuted({ shape: xFirst.shape, data: data as Float32Array<ArrayBuffer> }, toLast).data;
    const toKernel = (data: Float32Array): Float32Array =>
      permuted({ shape: wFirst.shape, data: data as Float32Array<ArrayBuffer> }, kernelLast).data;
    const lanes = currentGpu("bench").subgroupSize;
    const flops = 2 * s.n * s.h * s.w * 9 * s.ci * s.co;
    const shape = ` ${s.n}×${s.h}×${s.w}×${s.ci}→${s.co}`;
    const checked = "sampled elements of each output against float64 sums on the host";
    const forward: FunctionWork = {
      title: forwardTitle + shape,
      inputs: [x, w],
      flops,
      dawngrad: (a, b) => [convolve(a, b, { padding: "SAME" })],
      jax:
        ({ lax }) =>
        (a, b) => [lax.conv(a, b, [1, 1], "SAME")],
      tfjs: (tf) => (a, b) => [tf.conv2d(a, b, 1, "same")],
      torch: "conv",
      channelsFirst: { inputs: [xFirst, wFirst], back: ([y]) => [toImages(y!)] },
      raw: rawForward(s, { x, w, g }, lanes, context),
      check: ([y]) => hold.y.hold("y", y!),
      checked,
    };
    const gradients: FunctionWork = {
      title: gradientTitle + shape,
      inputs: [x, w, g],
      flops: 3 * flops,
      dawngrad(a, b, c) {
        const [y, pullback] = vjp((p, q) => convolve(p, q, { padding: "SAME" }), a, b);
        return [...pullback(c), y];
      },
      // Without a vjp of several arguments in both: the gradient of Σ y·g.
      jax: (jax) => (a, b, c) => {
        const weighted = (p: typeof a, q: typeof b) =>
          jax.lax.conv(p, q, [1, 1], "SAME").mul(c).sum();
        const [, grads] = jax.valueAndGrad<[typeof a, typeof b], (typeof a)[]>(weighted, {
          argnums: [0, 1],
        })(a, b);
        return grads;
      },
      tfjs: (tf) => (a, b, c) =>
        tf.valueAndGrads((p, q) => tf.sum(tf.mul(tf.conv2d(p!, q!, 1, "same"), c)))([a, b]).grads,
      torch: "conv gradients",
      channelsFirst: {
        inputs: [xFirst, wFirst, gFirst],
        back: ([dx, dw]) => [toImages(dx!), toKernel(dw!)],
      },
      raw: rawGradients(s, { x, w, g }, context),
      check([dx, dw, y]) {
        hold.dx.hold("dx", dx!);
        hold.dw.hold("dw", dw!);
        if (y) hold.y.hold("y", y);
      },
      checked,
    };
    const parts = [];
    for (const work of [forward, gradients]) {
      if (context.wants(work.title)) parts.push(await compareFunctions(context, work));
    }
    return { title: "Convolutions", parts };
  },
};

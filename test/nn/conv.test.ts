/** Convolution, pooling and normalisation layers: PyTorch's values, shapes, lanes, messages. */
import {
  array,
  conv as convolution,
  grad,
  init,
  jit,
  type Layout,
  random,
  type Tensor,
  vmap,
  zeros,
} from "dawngrad";
import {
  avgPool,
  type BatchNormState,
  batchNorm,
  type ConvParams,
  conv,
  convTranspose,
  dense,
  flatten,
  globalAvgPool,
  groupNorm,
  maxPool,
  relu,
  type ScaleAndBias,
  serial,
} from "dawngrad/nn";
import { checkGrads, type HostArray, reference } from "dawngrad/testing";
import { describe, expect, expectTypeOf, test } from "vitest";
import { expectNear, image, pattern, recorded, torch } from "../api/torch.js";

await init();
const key = random.key(0);
const device = (x: HostArray): Tensor => array(Float32Array.from(x.data), { shape: x.shape });
const layouts: readonly Layout[] = ["NHWC", "NCHW"];
/** PyTorch's order for inputs without spatial dimensions too. */
const arranged = (x: HostArray, layout: Layout): HostArray =>
  x.shape.length < 3 ? x : image(x, layout);

interface Step {
  readonly y: Tensor;
  readonly state: BatchNormState;
  readonly grads: { readonly x: Tensor; readonly params: ScaleAndBias };
}

describe.each(layouts)("normalisation as PyTorch in layout %s", (layout) => {
  test.each(torch.batchNorm)("batchNorm %#", async ({ shape, momentum, eps, train, ...record }) => {
    const layer = batchNorm({ momentum, eps, layout });
    const channels = shape[1]!;
    const step = (params: ScaleAndBias, state: BatchNormState, x: Tensor, ct: Tensor): Step => {
      const [y, next] = layer.apply(params, state, x, { train: true });
      const loss = (t: Tensor, p: ScaleAndBias) =>
        layer.apply(p, state, t, { train: true })[0].mul(ct).sum();
      const [gx, gp] = grad(loss, { argnums: [0, 1] })(x, params) as [Tensor, ScaleAndBias];
      return { y, state: next, grads: { x: gx, params: gp } };
    };
    const ct = arranged(pattern(shape, 9), layout);
    const params = { weight: pattern([channels], 5), bias: pattern([channels], 6) };
    let exact = {
      runningMean: recorded([channels], new Array(channels).fill(0)),
      runningVar: recorded([channels], new Array(channels).fill(1)),
    };
    let state = { runningMean: device(exact.runningMean), runningVar: device(exact.runningVar) };
    const onDevice = { weight: device(params.weight), bias: device(params.bias) };
    const jitted = jit(step);
    for (const [i, want] of train.entries()) {
      const x = arranged(pattern(shape, 20 + i), layout);
      const host = await reference(step)(params as never, exact as never, x, ct);
      const gpu = jitted(onDevice, state, device(x), device(ct));
      const check = async (
        name: string,
        a: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
        b: Tensor,
        list: readonly number[],
        dims: readonly number[],
      ) => {
        const w = arranged(recorded(dims, list), layout);
        expectNear(`reference, step ${i}, ${name}`, a, w, 1e-9);
        expectNear(`device, step ${i}, ${name}`, { shape: b.shape, data: await b.data() }, w, 1e-5);
      };
      const one = [channels];
      await check("y", host.y, gpu.y, want.y!, shape);
      await check("grad x", host.grads.x, gpu.grads.x, want.x!, shape);
      await check(
        "grad weight",
        host.grads.params.weight,
        gpu.grads.params.weight,
        want.weight!,
        one,
      );
      await check("grad bias", host.grads.params.bias, gpu.grads.params.bias, want.bias!, one);
      await check("mean", host.state.runningMean, gpu.state.runningMean, want.runningMean!, one);
      await check("var", host.state.runningVar, gpu.state.runningVar, want.runningVar!, one);
      exact = host.state as never;
      state = gpu.state as never;
    }
    const x = arranged(pattern(shape, 30), layout);
    const evaluated = await reference((p: ScaleAndBias, s: BatchNormState, t: Tensor) => {
      const [y, next] = layer.apply(p, s, t);
      expect(next).toBe(s);
      return y;
    })(params as never, exact as never, x);
    expectNear("evaluation", evaluated, arranged(recorded(shape, record.eval), layout), 1e-9);
  });

  test.each(torch.groupNorm)(
    "groupNorm %#",
    async ({ shapes, groups, eps, y, grads, outShape }) => {
      const layer = groupNorm(groups, { eps, layout });
      const [x, weight, bias] = shapes.map((s, i) => arranged(pattern(s, i + 1), layout));
      const ct = arranged(pattern(outShape, 9), layout);
      const f = (p: ScaleAndBias, t: Tensor, c: Tensor) => {
        const apply = (q: ScaleAndBias, u: Tensor) => layer.apply(q, null, u)[0];
        const back = grad((q: ScaleAndBias, u: Tensor) => apply(q, u).mul(c).sum(), {
          argnums: [0, 1],
        })(p, t) as [ScaleAndBias, Tensor];
        return [apply(p, t), back[1], back[0].weight, back[0].bias];
      };
      const outs = await reference(f)({ weight, bias } as never, x!, ct);
      const want = [recorded(outShape, y), ...grads.map((g, i) => recorded(shapes[i]!, g))];
      want.forEach((w, i) => {
        expectNear(`output ${i}`, outs[i]!, arranged(w, layout), 1e-9);
      });
    },
  );
});

test("normalisation in training has right derivatives to second order", async () => {
  const layer = batchNorm();
  const state = { runningMean: zeros([2]), runningVar: zeros([2]) };
  await checkGrads(
    (p: ScaleAndBias, x: Tensor) => layer.apply(p, state, x, { train: true })[0],
    [{ weight: pattern([2], 5), bias: pattern([2], 6) }, pattern([3, 2, 2], 1)],
  );
});

test("batchNorm's variance does not suffer from a mean far from zero", async () => {
  const n = 1024;
  // Multiples of 2⁻⁸ around 4096 are float32's own; the deviation is about 0.3.
  const values = Array.from({ length: n }, (_, i) => 4096 + ((i * 37) % 256) / 256);
  const x = array(Float32Array.from(values), { shape: [n, 1] });
  const layer = batchNorm({ momentum: 1 });
  const { params, state } = layer.init(key, x.shape);
  const [, next] = layer.apply(params, state, x, { train: true });
  const mean = values.reduce((a, v) => a + v, 0) / n;
  const variance = values.reduce((a, v) => a + (v - mean) ** 2, 0) / (n - 1);
  // Sums of n terms in blocks of about √n: at most 2√n roundings of (1 + k²) times the variance, k being
  // the first element's distance in deviations. E[x²] − E[x]² would be off by 4096²·2⁻²⁴ = 1.
  const k2 = (values[0]! - mean) ** 2 / variance;
  const [got] = await next.runningVar.data();
  expect(Math.abs(got! - variance)).toBeLessThan(2 * Math.sqrt(n) * 2 ** -24 * (1 + k2) * variance);
  expect(Math.abs((await next.runningMean.data())[0]! - mean)).toBeLessThanOrEqual(4096 * 2 ** -23);
});

test("a convolutional network: shapes, types, and a step in lanes over weights", async () => {
  const model = serial([
    conv(4, 3, { padding: "SAME", bias: false }),
    batchNorm(),
    relu(),
    maxPool(2),
    conv(6, 3, { strides: 2, padding: 1, groups: 2 }),
    relu(),
    avgPool(2, { padding: "SAME" }),
    flatten(),
    dense(3),
  ]);
  const { params, state, outputShape } = model.init(key, [2, 8, 8, 1]);
  expectTypeOf(params[0]).toEqualTypeOf<{ readonly weight: Tensor }>();
  expectTypeOf(params[4]).toEqualTypeOf<ConvParams>();
  expectTypeOf(state[1]).toEqualTypeOf<BatchNormState>();
  expect(outputShape).toEqual([2, 3]);
  expect(params[0].weight.shape).toEqual([3, 3, 1, 4]);
  expect(params[4].weight.shape).toEqual([3, 3, 2, 6]);
  const x = random.normal(random.key(1), [2, 8, 8, 1]);
  const loss = (w: Tensor, lane: Tensor) => {
    const p = [{ weight: w.mul(lane) }, ...params.slice(1)] as unknown as typeof params;
    return model.apply(p, state, x, { train: true })[0].tanh().sum();
  };
  const lanes = array([0.9, 1.1]);
  const both = await jit(vmap((lane: Tensor) => grad(loss)(params[0].weight, lane)))(lanes).data();
  const one = (v: number) => jit(grad(loss))(params[0].weight, array(v));
  const alone = [...(await one(0.9).data()), ...(await one(1.1).data())];
  const scale = Math.max(...alone.map(Math.abs));
  alone.forEach((v, i) => {
    expect(Math.abs(both[i]! - v)).toBeLessThan(2e-5 * scale);
  });
});

test("the output shapes that init promises are those of apply, in both layouts and any rank", () => {
  const cases = [
    [conv(4, 3, { strides: 2 }), [2, 7, 9, 3]],
    [
      conv(4, [3, 2], {
        layout: "NCHW",
        padding: [
          [1, 0],
          [2, 2],
        ],
      }),
      [2, 3, 7, 9],
    ],
    [conv(4, 2, { dilation: 2, groups: 2 }), [2, 9, 2]],
    [conv(4, 2), [2, 4, 3, 5, 2]],
    [convTranspose(4, 3, { strides: 2, padding: "SAME" }), [2, 4, 5, 2]],
    [convTranspose(4, 2, { strides: 2, layout: "NCHW" }), [2, 3, 4, 5]],
    [maxPool(3, { strides: 2, padding: "SAME" }), [2, 7, 8, 3]],
    [avgPool([2, 1], { layout: "NCHW" }), [2, 3, 7, 8]],
    [globalAvgPool(), [2, 7, 8, 3]],
    [globalAvgPool({ layout: "NCHW" }), [2, 3, 4]],
    [batchNorm({ layout: "NCHW" }), [2, 3, 4]],
    [groupNorm(3), [2, 4, 6]],
  ] as const;
  for (const [layer, shape] of cases) {
    const { params, state, outputShape } = layer.init(key, shape);
    const [y] = layer.apply(params as never, state as never, zeros(shape));
    expect(y.shape, layer.name).toEqual(outputShape);
  }
});

test("conv is the function conv plus a bias, with channels first too", async () => {
  const layer = conv(3, 2, { layout: "NCHW" });
  const { params } = layer.init(key, [1, 2, 3, 3]);
  expect(params.weight.shape).toEqual([2, 2, 2, 3]);
  const x = random.normal(random.key(2), [1, 2, 3, 3]);
  const [y] = layer.apply(params, null, x);
  const want = convolution(x.transpose([0, 2, 3, 1]), params.weight)
    .add(params.bias)
    .transpose([0, 3, 1, 2]);
  const values = await want.data();
  [...(await y.data())].forEach((v, i) => {
    expect(Math.abs(v - values[i]!)).toBeLessThan(1e-6);
  });
});

test("conv starts uniform in ±1/√fan-in", async () => {
  const { params } = conv(32, 3).init(key, [1, 8, 8, 16]);
  const values = [...(await params.weight.data())];
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(1 / 12);
  expect(Math.max(...values)).toBeGreaterThan(0.99 / 12);
});

describe("messages", () => {
  test.each([
    [
      () => conv(4, 3).init(key, [2, 8]),
      /conv\(4, 3\): inputShape \[2,8\] must have \[batch, \.\.\.spatial, channels\] \(layout "NHWC"\)/,
    ],
    [() => conv(4, [3, 3]).init(key, [2, 8, 3]), /as many spatial dimensions as the window/],
    [
      () => conv(4, 3, { groups: 2 }).init(key, [2, 8, 8, 3]),
      /2 groups must divide the 3 channels/,
    ],
    [() => conv(0, 3), /features is 0/],
    [() => conv(4, 9).init(key, [2, 8, 8, 3]), /window of 9 does not fit/],
    [() => batchNorm({ momentum: 2 }), /momentum is 2/],
    [() => batchNorm().init(key, [3]), /needs a batch axis and a channel axis/],
    [
      () => {
        const { params, state } = batchNorm().init(key, [4, 3]);
        return batchNorm().apply(params, state, zeros([1, 3]), { train: true });
      },
      /1 value\(s\) a channel: training needs at least 2/,
    ],
    [
      () => {
        const { params, state } = batchNorm().init(key, [4, 5, 3]);
        return batchNorm({ layout: "NCHW" }).apply(params, state, zeros([4, 5, 3]));
      },
      /has 5 channels at axis 1 \(layout "NCHW"\) but the parameters 3/,
    ],
    [() => groupNorm(2).init(key, [4, 3]), /which 2 groups do not divide/],
  ])("%#", (f, message) => {
    expect(f).toThrow(message);
  });
});

/** What every layer obeys: lanes over weights and over inputs, derivatives to second order, batch independence. */
import {
  DawngradError,
  evalShape,
  hvp,
  init,
  random,
  ShapeError,
  type Tensor,
  tree,
  vmap,
  zeros,
} from "dawngrad";
import {
  type AnyLayer,
  type ApplyOptions,
  conv,
  convTranspose,
  dropout,
  layerNorm,
  multiHeadAttention,
  patchEmbed,
  stochasticDepth,
} from "dawngrad/nn";
import { checkGrads, HostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";
import { pattern } from "../api/torch.js";

await init();

interface Case {
  readonly layer: AnyLayer;
  readonly shape: readonly number[];
  readonly options?: () => ApplyOptions;
}

const drawn = () => ({ train: true, key: random.key(5) });

const cases: Record<string, Case> = {
  "conv, depthwise": {
    layer: conv(6, 3, { groups: "depthwise", padding: 1, strides: 2 }),
    shape: [2, 5, 5, 3],
  },
  "conv, one dimension, dilated": {
    layer: conv(3, 3, { dilation: 2, padding: [[1, 2]], layout: "NCHW" }),
    shape: [2, 4, 9],
  },
  "conv, three dimensions": {
    layer: conv(2, 2, { groups: 2, bias: false }),
    shape: [1, 3, 3, 3, 2],
  },
  convTranspose: {
    layer: convTranspose(3, 3, { strides: 2, padding: "SAME" }),
    shape: [2, 3, 3, 2],
  },
  "convTranspose, grouped, valid": {
    layer: convTranspose(4, 2, { strides: 2, groups: 2 }),
    shape: [1, 3, 3, 4],
  },
  attention: { layer: multiHeadAttention(2), shape: [2, 3, 4] },
  "attention, dropout": {
    layer: multiHeadAttention(2, { dropout: 0.3 }),
    shape: [2, 3, 4],
    options: drawn,
  },
  patchEmbed: { layer: patchEmbed(2, 5), shape: [2, 4, 4, 3] },
  layerNorm: { layer: layerNorm(), shape: [2, 3, 4] },
  dropout: { layer: dropout(0.4), shape: [4, 6], options: drawn },
  stochasticDepth: { layer: stochasticDepth(0.5), shape: [6, 4], options: drawn },
};

/** Parameters of a layer with values by their place; `lanes` of each where it is given. */
function parametersOf({ layer, shape }: Case, lanes?: number): unknown {
  const like = evalShape((key: Tensor) => layer.init(key, shape).params, random.key(0));
  let seed = 1;
  const fill = (x: Tensor) => pattern(lanes === undefined ? x.shape : [lanes, ...x.shape], seed++);
  return tree.map(fill as never, like as never);
}

const apply =
  ({ layer, options }: Case) =>
  (params: unknown, x: Tensor): Tensor =>
    // None of these layers has a state.
    layer.apply(params, null, x, options?.() ?? {})[0];

const laneOf = (x: HostArray, lane: number): HostArray => {
  const size = x.data.length / x.shape[0]!;
  const data = Float64Array.from(x.data).slice(lane * size, (lane + 1) * size);
  return new HostArray({ shape: x.shape.slice(1), dtype: "float32", data });
};

const near = (have: HostArray, want: HostArray, tolerance: number): void => {
  expect(have.shape).toEqual(want.shape);
  const scale = Math.max(1e-3, ...Array.from(want.data, Math.abs));
  const worst = Math.max(...Array.from(want.data, (v, i) => Math.abs(v - have.data[i]!)));
  expect(worst / scale).toBeLessThan(tolerance);
};

describe.each(Object.entries(cases))("%s", (_, c) => {
  const f = apply(c);
  const lanes = 3;
  const x = pattern([...c.shape], 50);
  const weights = parametersOf(c, lanes);
  const weightsOf = (lane: number) =>
    tree.map(((w: HostArray) => laneOf(w, lane)) as never, weights as never) as unknown;

  test("lanes over weights are one after the other", async () => {
    if (tree.leaves(weights as never).length === 0) return;
    const all = await reference(vmap(f, [0, null]))(weights as never, x as never);
    for (let lane = 0; lane < lanes; lane++) {
      near(laneOf(all, lane), await reference(f)(weightsOf(lane) as never, x as never), 1e-12);
    }
  });

  test("lanes over inputs, and over both", async () => {
    const xs = pattern([lanes, ...c.shape], 60);
    const params = weightsOf(0);
    const inputs = await reference(vmap(f, [null, 0]))(params as never, xs as never);
    const withWeights = tree.leaves(weights as never).length > 0;
    const both = withWeights && (await reference(vmap(f))(weights as never, xs as never));
    for (let lane = 0; lane < lanes; lane++) {
      const one = laneOf(xs, lane) as never;
      near(laneOf(inputs, lane), await reference(f)(params as never, one), 1e-12);
      if (both) near(laneOf(both, lane), await reference(f)(weightsOf(lane) as never, one), 1e-12);
    }
  });

  test("derivatives to second order, and a symmetric Hessian", async () => {
    const params = weightsOf(0);
    await checkGrads((p: unknown, t: Tensor) => f(p, t), [params, x]);
    // ⟨u, H v⟩ = ⟨v, H u⟩ of a loss that is not quadratic.
    const pair = (u: HostArray, v: HostArray) =>
      reference((p: unknown, t: Tensor, a: Tensor, b: Tensor) => {
        const [h] = hvp((s: Tensor) => f(p, s).sin().sum(), [t], [a]) as [Tensor];
        return h.mul(b).sum();
      })(params as never, x as never, u as never, v as never);
    const [u, v] = [pattern([...c.shape], 70), pattern([...c.shape], 80)];
    const [a, b] = [await pair(u, v), await pair(v, u)];
    expect(Math.abs(a.item() - b.item())).toBeLessThan(1e-11 * Math.max(1, Math.abs(a.item())));
  });
});

describe("errors name the layer, the shapes and what to do", () => {
  const key = random.key(0);
  const bad: [string, () => unknown, RegExp, new (...args: never[]) => Error][] = [
    [
      "heads",
      () => multiHeadAttention(3).init(key, [1, 2, 4]),
      /multiHeadAttention\(3\).*\[1,2,4\] must be \[batch, length, d\] with d a multiple of the heads/,
      ShapeError,
    ],
    [
      "width",
      () => {
        const layer = multiHeadAttention(2);
        return layer.apply(layer.init(key, [1, 2, 4]).params, null, zeros([1, 2, 6]));
      },
      /multiHeadAttention\(2\).*\[1,2,6\] does not fit qkv.weight \[4,12\].*init the layer/,
      ShapeError,
    ],
    [
      "patches",
      () => patchEmbed(3, 4).init(key, [1, 6, 8, 3]),
      /patchEmbed.*\[1,6,8,3\].*multiples of 3; resize or crop it/,
      ShapeError,
    ],
    [
      "places",
      () => {
        const layer = patchEmbed(2, 4);
        return layer.apply(layer.init(key, [1, 4, 4, 3]).params, null, zeros([1, 6, 4, 3]));
      },
      /patchEmbed.*\[1,6,4,3\] gives 7 places but positions has 5; init the layer/,
      ShapeError,
    ],
    [
      "depthwise",
      () => conv(4, 3, { groups: "depthwise" }).init(key, [1, 5, 5, 3]),
      /conv.*3 groups must divide the 3 channels.*and the 4 features/,
      ShapeError,
    ],
    [
      "rank",
      () => convTranspose(4, [3, 3]).init(key, [1, 5, 3]),
      /convTranspose.*\[1,5,3\].*as many spatial dimensions as the window/,
      ShapeError,
    ],
    [
      "rate",
      () => stochasticDepth(1),
      /stochasticDepth\(1\): rate is 1; give a number/,
      DawngradError,
    ],
    [
      "key",
      () => stochasticDepth(0.5).apply(null, null, zeros([2, 3]), { train: true }),
      /stochasticDepth\(0\.5\): training needs randomness: pass/,
      DawngradError,
    ],
  ];
  test.each(bad)("%s", (_, f, message, kind) => {
    expect(f).toThrow(kind);
    expect(f).toThrow(message);
  });
});

test("stochasticDepth keeps or drops whole examples, and keeps the mean", async () => {
  const layer = stochasticDepth(0.25);
  const n = 4096;
  const x = await layer
    .apply(null, null, zeros([n, 3]).add(1), { train: true, key: random.key(9) })[0]
    .data();
  let kept = 0;
  for (let i = 0; i < n; i++) {
    const row = [x[3 * i], x[3 * i + 1], x[3 * i + 2]];
    expect(row.every((v) => v === row[0])).toBe(true);
    if (row[0] !== 0) {
      expect(row[0]).toBeCloseTo(4 / 3, 6);
      kept++;
    }
  }
  // Five deviations of a binomial of n and 0.75.
  expect(Math.abs(kept - 0.75 * n)).toBeLessThan(5 * Math.sqrt(n * 0.75 * 0.25));
});

/** Layers: shapes, types, values, and messages. */
import { array, grad, init, jit, ones, random, type Tensor, tree, zeros } from "dawngrad";
import {
  type DenseParams,
  dense,
  dropout,
  embedding,
  flatten,
  initializers,
  layerNorm,
  mlp,
  parallel,
  relu,
  residual,
  serial,
  softmax,
  tanh,
  vit,
} from "dawngrad/nn";
import { reference } from "dawngrad/testing";
import { describe, expect, expectTypeOf, test } from "vitest";

await init();
const key = random.key(0);

test("serial: parameters are a tuple of its layers' parameters", async () => {
  const model = serial([flatten(), dense(5), relu(), dense(3, { bias: false })]);
  const { params, state, outputShape } = model.init(key, [2, 2, 4]);
  expectTypeOf(params).toEqualTypeOf<[null, DenseParams, null, { readonly weight: Tensor }]>();
  expectTypeOf(state).toEqualTypeOf<[null, null, null, null]>();
  expect(outputShape).toEqual([2, 3]);
  expect(params[1].weight.shape).toEqual([8, 5]);
  expect(params[1].bias.shape).toEqual([5]);
  expect(Object.keys(params[3])).toEqual(["weight"]);
  const [y, next] = model.apply(params, state, ones([2, 2, 4]));
  expect(y.shape).toEqual([2, 3]);
  expect(next).toEqual([null, null, null, null]);
});

test("dense is x·weight + bias, and its gradients have the parameters' structure", async () => {
  const layer = dense(2);
  const params = {
    weight: array([
      [1, 2],
      [3, 4],
      [5, 6],
    ]),
    bias: array([10, 20]),
  };
  const f = (p: DenseParams) => layer.apply(p, null, array([[1, 0, 2]]))[0];
  expect(await f(params).toArray()).toEqual([[21, 34]]);
  const g = grad((p: DenseParams) => f(p).sum())(params);
  expect(await g.weight.toArray()).toEqual([
    [1, 1],
    [0, 0],
    [2, 2],
  ]);
  expect(await g.bias.toArray()).toEqual([1, 1]);
});

test("dense starts uniform in ±1/√in, weight and bias", async () => {
  const { params } = dense(64).init(key, [1, 100]);
  for (const x of [params.weight, params.bias]) {
    const values = [...(await x.data())];
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.1);
    expect(Math.max(...values)).toBeGreaterThan(0.08);
    expect(Math.min(...values)).toBeLessThan(-0.08);
  }
  // 6400 draws of variance 1/300: the mean square is within 5 standard errors.
  const values = [...(await params.weight.data())];
  const meanSquare = values.reduce((s, v) => s + v * v, 0) / values.length;
  expect(Math.abs(meanSquare - 1 / 300)).toBeLessThan((5 * 0.9 * (1 / 300)) / Math.sqrt(6400));
});

test.each([
  ["heNormal", initializers.heNormal(), 2 / 50],
  ["heUniform", initializers.heUniform(), 2 / 50],
  ["lecunNormal", initializers.lecunNormal(), 1 / 50],
  ["lecunUniform", initializers.lecunUniform(), 1 / 50],
  ["glorotNormal", initializers.glorotNormal(), 2 / 130],
  ["glorotUniform", initializers.glorotUniform(), 2 / 130],
  ["normal", initializers.normal(0.5), 0.25],
  ["symmetricUniform", initializers.symmetricUniform(0.3), 0.03],
  // Truncated at one deviation: 1 − 2φ(1)/(2Φ(1) − 1) of its variance is left.
  ["truncatedNormal", initializers.truncatedNormal(0.5, -1, 1), 0.25 * 0.2911251],
  ["varianceScaling", initializers.varianceScaling(3, "fanOut", "normal"), 3 / 80],
] as const)("initializer %s has its variance", async (_, initializer, variance) => {
  const values = [...(await initializer(key, [50, 80]).data())];
  const mean = values.reduce((s, v) => s + v, 0) / values.length;
  const square = values.reduce((s, v) => s + v * v, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(variance / values.length));
  // A normal's square has relative standard deviation √2, the others less.
  expect(Math.abs(square / variance - 1)).toBeLessThan(5 * Math.sqrt(2 / values.length));
});

test("initializers of one value, and uniform from zero on", async () => {
  expect(await initializers.zeros(key, [2]).toArray()).toEqual([0, 0]);
  expect(await initializers.ones(key, [2]).toArray()).toEqual([1, 1]);
  expect(await initializers.constant(0.5)(key, [2]).toArray()).toEqual([0.5, 0.5]);
  const values = [...(await initializers.uniform(0.5)(key, [50, 80]).data())];
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(0.5);
  const mean = values.reduce((s, v) => s + v, 0) / values.length;
  expect(Math.abs(mean - 0.25)).toBeLessThan((5 * 0.5) / Math.sqrt(12 * values.length));
});

test("the same key gives the same parameters; layers of one model differ", async () => {
  const model = serial([dense(4), dense(4)]);
  const [a, b] = [model.init(key, [1, 4]), model.init(key, [1, 4])];
  expect(await a.params[0].weight.toArray()).toEqual(await b.params[0].weight.toArray());
  expect(await a.params[0].weight.toArray()).not.toEqual(await a.params[1].weight.toArray());
});

test("mlp is dense layers with an activation between them", async () => {
  const model = mlp([4, 2], { activation: tanh() });
  const { params, state, outputShape } = model.init(key, [3, 2, 3]);
  expectTypeOf(params).toEqualTypeOf<DenseParams[]>();
  expect(outputShape).toEqual([3, 2]);
  expect(params.map((p) => p.weight.shape)).toEqual([
    [6, 4],
    [4, 2],
  ]);
  const x = random.normal(random.key(4), [3, 2, 3]);
  const [y] = model.apply(params, state, x);
  const hidden = x.reshape([3, 6]).matmul(params[0]!.weight).add(params[0]!.bias).tanh();
  const want = await hidden.matmul(params[1]!.weight).add(params[1]!.bias).data();
  const have = await y.data();
  have.forEach((v, i) => {
    expect(Math.abs(v - want[i]!)).toBeLessThan(1e-6);
  });
});

describe("dropout", () => {
  test("without training it is the identity", async () => {
    const [y] = dropout(0.5).apply(null, null, array([1, 2]));
    expect(await y.toArray()).toEqual([1, 2]);
  });
  test("drops its share and keeps the mean", async () => {
    const n = 10_000;
    const [y] = dropout(0.25).apply(null, null, ones([n]), { train: true, key });
    const values = [...(await y.data())];
    const kept = values.filter((v) => v !== 0);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]));
    expect(Math.abs(kept.length / n - 0.75)).toBeLessThan(
      (5 * Math.sqrt(0.25 * 0.75)) / Math.sqrt(n),
    );
  });
  test("two in one model draw different masks", async () => {
    const model = serial([dropout(0.5), dropout(0.5)]);
    const f = jit(
      (k: Tensor) =>
        model.apply([null, null], [null, null], ones([1000]), { train: true, key: k })[0],
    );
    const kept = [...(await f(key).data())].filter((v) => v !== 0).length;
    expect(Math.abs(kept - 250)).toBeLessThan(5 * Math.sqrt(1000 * 0.25 * 0.75));
  });
  test("needs a key in training", () => {
    const model = serial([dense(2), dropout(0.5)]);
    const { params, state } = model.init(key, [1, 2]);
    expect(() => model.apply(params, state, zeros([1, 2]), { train: true })).toThrow(
      /dropout\(0\.5\): training needs randomness: pass \{ train: true, key/,
    );
  });
  test("an impossible rate", () => {
    expect(() => dropout(1)).toThrow(/rate is 1/);
  });
});

test("residual, with and without a shortcut", async () => {
  const block = residual(dense(3), dense(3));
  const { params, outputShape } = block.init(key, [2, 5]);
  expect(outputShape).toEqual([2, 3]);
  expectTypeOf(params.shortcut).toEqualTypeOf<DenseParams>();
  const plain = residual(relu());
  expect(
    await plain
      .apply({ inner: null, shortcut: null }, { inner: null, shortcut: null }, array([[-1, 2]]))[0]
      .toArray(),
  ).toEqual([[-1, 4]]);
  expect(() => residual(dense(3)).init(key, [2, 5])).toThrow(
    /residual\(dense\(3\)\): the inner output \[2,3\] and the input \[2,5\] cannot be added; give a shortcut/,
  );
});

test("parallel concatenates or adds", async () => {
  const both = parallel([relu(), tanh()]);
  expect(both.init(key, [2, 3]).outputShape).toEqual([2, 6]);
  const [y] = both.apply([null, null], [null, null], array([[-1, 0]]));
  expect(y.shape).toEqual([1, 4]);
  const added = parallel([relu(), relu()], { combine: "sum" });
  expect(await added.apply([null, null], [null, null], array([[-1, 2]]))[0].toArray()).toEqual([
    [0, 4],
  ]);
  expect(() => parallel([dense(2), dense(3)], { combine: "sum" }).init(key, [1, 4])).toThrow(
    /outputs \[1,2\] and \[1,3\] cannot be added/,
  );
});

test("vit drops what leaves a block's perceptron too", async () => {
  const model = vit({ patch: 2, features: 4, depth: 1, heads: 1, classes: 4, dropout: 0.5 });
  const { params, state } = model.init(key, [8, 2, 2, 1]);
  const still = tree.map((x: Tensor) => x.mul(0), params as never) as unknown as typeof params;
  // All that reaches the head, which passes it on, is the bias of the block's last dense layer.
  const [block] = still.blocks as unknown as [(typeof params.blocks)[0]];
  const fc2 = { ...block.mlp.fc2, bias: array([1, 2, 3, 4]) };
  const eye = array(Array.from({ length: 4 }, (_, i) => [0, 1, 2, 3].map((j) => Number(i === j))));
  const chosen = {
    ...still,
    blocks: [{ ...block, mlp: { ...block.mlp, fc2 } }],
    norm: params.norm,
    head: { ...still.head, weight: eye },
  };
  const x = ones([8, 2, 2, 1]);
  const rows = async (train: boolean) => {
    const [y] = model.apply(chosen, state, x, { train, key: random.key(1) });
    return new Set(((await y.toArray()) as number[][]).map((row) => row.join(" "))).size;
  };
  expect(await rows(false)).toBe(1);
  expect(await rows(true)).toBeGreaterThan(2);
});

test("embedding looks rows up and sends gradients to them", async () => {
  const layer = embedding(4, 2);
  const { params, outputShape } = layer.init(key, [3]);
  expect(outputShape).toEqual([3, 2]);
  const indices = array([2, 0, 2], { dtype: "int32" });
  const [y] = layer.apply(params, null, indices);
  const table = (await params.weight.toArray()) as number[][];
  expect(await y.toArray()).toEqual([table[2], table[0], table[2]]);
  const g = grad((p: typeof params) => layer.apply(p, null, indices)[0].sum())(params);
  expect(await g.weight.toArray()).toEqual([
    [1, 1],
    [0, 0],
    [2, 2],
    [0, 0],
  ]);
  expect(() => layer.apply(params, null, array([0.5]))).toThrow(
    /embedding\(4, 2\).*astype\("int32"\)/,
  );
});

test("layerNorm over several axes", async () => {
  const layer = layerNorm({ dims: 2 });
  const { params } = layer.init(key, [5, 2, 3]);
  expect(params.weight.shape).toEqual([2, 3]);
  const y = await reference((x: Tensor) => layer.apply(params, null, x)[0])(
    random.normal(random.key(1), [5, 2, 3]),
  );
  for (let i = 0; i < 5; i++) {
    const row = [...y.data.slice(6 * i, 6 * i + 6)];
    expect(row.reduce((s, v) => s + v, 0) / 6).toBeCloseTo(0, 9);
    expect(row.reduce((s, v) => s + v * v, 0) / 6).toBeCloseTo(1, 3);
  }
});

test("softmax layer", async () => {
  const [y] = softmax().apply(
    null,
    null,
    array([
      [0, 0],
      [0, 1000],
    ]),
  );
  expect(await y.toArray()).toEqual([
    [0.5, 0.5],
    [0, 1],
  ]);
});

describe("messages", () => {
  const model = serial([dense(4), relu()]);
  const { params, state } = model.init(key, [1, 3]);
  test("an input of the wrong width", () => {
    expect(() => model.apply(params, state, zeros([2, 5]))).toThrow(
      /dense\(4\): the input \[2,5\] does not fit the weight \[3,4\].*init the layer/,
    );
  });
  test("parameters of another model", () => {
    expect(() => model.apply([params[0]] as never, state, zeros([2, 3]))).toThrow(
      /serial: params must be a list with one entry for each of the 2 layers/,
    );
  });
  test("images without flatten's batch axis, and sizes that are none", () => {
    expect(() => dense(3).init(key, [4])).toThrow(/must have a batch axis and a feature axis/);
    expect(() => dense(2.5)).toThrow(/features is 2.5/);
    expect(() => mlp([])).toThrow(/at least one size/);
    expect(() => layerNorm().init(key, [3])).toThrow(/needs a batch axis/);
  });
});

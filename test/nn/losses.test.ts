/** Losses and layer norm against PyTorch (test/fixtures/make_optim.py), values and gradients in f64. */
import { readFileSync } from "node:fs";
import { type Tensor, valueAndGrad, vmap } from "dawngrad";
import * as nn from "dawngrad/nn";
import { type HostArray, hostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

interface Expected {
  readonly values: number[] | number[][];
  readonly gradient: number[][];
}
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/optim.json", import.meta.url), "utf8"),
) as {
  inputs: Record<"x" | "distribution" | "binary" | "targets", number[][]> & { labels: number[] };
  losses: Record<string, Expected>;
};
const { inputs, losses } = fixture;
const x = hostArray(inputs.x);
const labels = hostArray(inputs.labels, "int32");
const distribution = hostArray(inputs.distribution);

const close = (have: HostArray, want: unknown, tolerance = 1e-7): void => {
  const flat = (want as number[]).flat(2) as number[];
  expect(have.data.length).toBe(flat.length);
  flat.forEach((v, i) => {
    expect(Math.abs(have.data[i]! - v), `element ${i}`).toBeLessThan(
      tolerance * Math.max(1, Math.abs(v)),
    );
  });
};

const smoothing = { labelSmoothing: 0.1 };
const cases: [string, (x: Tensor, other: Tensor) => Tensor, HostArray][] = [
  ["integer", (a, b) => nn.softmaxCrossEntropy(a, b), labels],
  ["smoothed", (a, b) => nn.softmaxCrossEntropy(a, b, smoothing), labels],
  ["distribution", (a, b) => nn.softmaxCrossEntropy(a, b), distribution],
  ["distributionSmoothed", (a, b) => nn.softmaxCrossEntropy(a, b, smoothing), distribution],
  ["binary", (a, b) => nn.sigmoidBinaryCrossEntropy(a, b), hostArray(inputs.binary)],
  ["mse", (a, b) => nn.mse(a, b), hostArray(inputs.targets)],
  ["huber", (a, b) => nn.huber(a, b, { delta: 0.75 }), hostArray(inputs.targets)],
];

describe.each(cases)("%s", (name, loss, other) => {
  const want = losses[name]!;
  test("per-example values", async () => {
    const values = await reference(loss)(x, other);
    expect(values.shape).toEqual([3]);
    close(values, want.values);
  });
  test("gradient", async () => {
    const [, g] = await reference((a: Tensor, b: Tensor) =>
      valueAndGrad((p: Tensor) => loss(p, b).sum())(a),
    )(x, other);
    close(g, want.gradient);
  });
  test("vmapped over examples it is the same", async () => {
    const one = (a: Tensor, b: Tensor) =>
      loss(a.reshape([1, ...a.shape]), b.reshape([1, ...b.shape])).reshape([]);
    close(await reference(vmap(one))(x, other), want.values);
  });
});

test("a label out of range gives NaN, and its neighbours their values", async () => {
  const f = reference((a: Tensor, b: Tensor) => nn.softmaxCrossEntropy(a, b));
  const values = await f(x, hostArray([4, 1, -1], "int32"));
  expect(Number.isNaN(values.data[0])).toBe(true);
  expect(Number.isNaN(values.data[2])).toBe(true);
  expect(values.data[1]).toBeCloseTo((losses.integer!.values as number[])[1]!, 9);
});

test("uint32 labels", async () => {
  const f = reference((a: Tensor, b: Tensor) => nn.softmaxCrossEntropy(a, b));
  close(await f(x, hostArray(inputs.labels, "uint32")), losses.integer!.values);
});

test("l1 and accuracy", async () => {
  const l1 = await reference(nn.l1)(hostArray([[1, -2]]), hostArray([[0, 1]]));
  close(l1, [2]);
  const accuracy = reference(nn.accuracy);
  close(await accuracy(x, labels), [0]);
  close(await accuracy(x, hostArray([3, 1, 2], "int32")), [2 / 3]);
  close(await accuracy(x, distribution), [2 / 3]);
});

test("layerNorm", async () => {
  const f = reference(
    (a: Tensor, weight: Tensor, bias: Tensor) => nn.layerNorm().apply({ weight, bias }, null, a)[0],
  );
  const y = await f(x, hostArray([1, 2, 0.5, -1]), hostArray([0, 0.1, 0.2, 0.3]));
  // eps is rounded to float32 where it is folded.
  close(y, losses.layerNorm!.values, 1e-6);
});

test("errors name the loss, the shapes and what to do", async () => {
  const ce = reference((a: Tensor, b: Tensor) => nn.softmaxCrossEntropy(a, b));
  await expect(ce(x, hostArray([1, 2], "int32"))).rejects.toThrow(
    /softmaxCrossEntropy: labels int32\[2\] do not fit logits float32\[3,4\].*integer labels of shape \[3\]/,
  );
  await expect(ce(x, hostArray([0, 1, 2]))).rejects.toThrow(/distribution float32\[3,4\]/);
  await expect(reference(nn.mse)(x, hostArray([0, 1, 2]))).rejects.toThrow(/mse: .*same shape/);
});

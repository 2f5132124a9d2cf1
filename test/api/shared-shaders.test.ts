/** Networks repeat their layers: what differs in place only is one shader, which is compiled once. */
import { explain, init, matmul, ones, type Tensor, valueAndGrad } from "dawngrad";
import { beforeAll, expect, test } from "vitest";

beforeAll(() => init());

type Weights = readonly Tensor[];

/** A residual network of equal layers. */
const loss = (weights: Weights, x: Tensor): Tensor =>
  weights
    .reduce((h, w) => matmul(h, w).relu().add(h), x)
    .square()
    .mean();

const step = (weights: Weights, x: Tensor): Tensor[] => {
  const [, grads] = valueAndGrad(loss)(weights, x);
  return weights.map((w, i) => w.sub(grads[i]!.mul(0.1)));
};

const kernelsOf = (depth: number) => {
  const weights = Array.from({ length: depth }, () => ones([64, 64]));
  const { kernels } = explain(step)(weights, ones([256, 64]));
  return {
    dispatches: kernels.length,
    shaders: new Set(kernels.map((k) => k.wgsl)).size,
    bytesRead: kernels.reduce((sum, k) => sum + k.bytesRead, 0),
  };
};

// Sums along the network are stored every few layers: where that happens may differ at its ends.
test("depth adds dispatches, not shaders", () => {
  const [some, more] = [kernelsOf(12), kernelsOf(24)];
  expect(more.dispatches).toBeGreaterThanOrEqual(some.dispatches + 24);
  expect(Math.abs(more.shaders - some.shaders)).toBeLessThanOrEqual(2);
});

test("what a layer reads does not grow with depth: the gradient of a residual sum is not added up anew", () => {
  const [some, more, most] = [kernelsOf(6), kernelsOf(12), kernelsOf(18)];
  expect(more.bytesRead - some.bytesRead).toBeGreaterThan(0);
  expect(most.bytesRead - more.bytesRead).toBeLessThan(1.2 * (more.bytesRead - some.bytesRead));
});

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

const shadersOf = (depth: number): { dispatches: number; distinct: number } => {
  const weights = Array.from({ length: depth }, () => ones([64, 64]));
  const { kernels } = explain(step)(weights, ones([32, 64]));
  return { dispatches: kernels.length, distinct: new Set(kernels.map((k) => k.wgsl)).size };
};

test("depth adds dispatches, not shaders", () => {
  const [some, more] = [shadersOf(12), shadersOf(24)];
  expect(more.dispatches).toBeGreaterThanOrEqual(some.dispatches + 24);
  expect(more.distinct).toBe(some.distinct);
});

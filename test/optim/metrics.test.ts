/** Curvature metrics against closed forms. */
import { array, init, random, type Tensor } from "dawngrad";
import { mnist } from "dawngrad/data";
import { type DenseParams, softmaxCrossEntropy } from "dawngrad/nn";
import {
  gradientNorm,
  gradientNorms,
  hutchinsonTrace,
  normalizedHessianTrace,
} from "dawngrad/optim";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => init());

const diagonal = array([1, 2, 3.5]);
const separable = (w: { a: Tensor; b: Tensor }) =>
  w.a.mul(w.a).mul(diagonal).sum().mul(0.5).add(w.b.mul(w.b).mul(2));
const at = { a: array([1, 2, 0]), b: array(-1) };

test("a diagonal Hessian's trace is exact with any number of probes", async () => {
  const t = await hutchinsonTrace(separable, at, random.key(3), { probes: 5, chunk: 2 });
  expect(t.mean).toBe(10.5);
  expect(t.standardError).toBe(0);
});

test("gradient norm and normalised trace", async () => {
  // gradient: (1, 4, 0), -4
  expect(await gradientNorm(separable, at)).toBeCloseTo(Math.sqrt(33), 5);
  const c = await normalizedHessianTrace(separable, at, random.key(3), { probes: 4 });
  expect(c.mean).toBeCloseTo(10.5 / Math.sqrt(33), 5);
  expect(c.trace.mean).toBe(10.5);
});

test("probes vary as 2(|H|² - Σ H_ii²), and the standard error says so", async () => {
  const H = array([
    [2, 1, 0.5],
    [1, -1, 0.25],
    [0.5, 0.25, 3],
  ]);
  const loss = (w: Tensor) => w.matmul(H).mul(w).sum().mul(0.5);
  const probes = 256;
  const t = await hutchinsonTrace(loss, array([1, 1, 1]), random.key(0), { probes, chunk: 64 });
  const deviation = Math.sqrt(2 * 2 * (1 + 0.25 + 0.0625));
  expect(Math.abs(t.mean - 4)).toBeLessThan((5 * deviation) / Math.sqrt(probes));
  expect(t.standardError / (deviation / Math.sqrt(probes))).toBeGreaterThan(0.8);
  expect(t.standardError / (deviation / Math.sqrt(probes))).toBeLessThan(1.25);
});

describe("softmax regression at zero weights, on real images", () => {
  test("loss ln K and trace (1 - 1/K)·E|x̃|²", async () => {
    const { train } = await mnist();
    const count = 64;
    const classes = 10;
    const { images, labels } = train;
    const pixels = Array.from({ length: count * 784 }, (_, i) => images[i]! / 255);
    const x = array(new Float32Array(pixels), { shape: [count, 784] });
    const y = array(new Int32Array(labels.slice(0, count)), { dtype: "int32" });
    const loss = ({ weight, bias }: DenseParams) =>
      softmaxCrossEntropy(x.matmul(weight).add(bias), y).mean();
    const zero = {
      weight: array(new Float32Array(784 * classes), { shape: [784, classes] }),
      bias: array(new Float32Array(classes)),
    };
    expect(await loss(zero).item()).toBeCloseTo(Math.log(classes), 6);
    const norms = pixels.reduce((s, v) => s + v * v, 0) / count + 1;
    const want = (1 - 1 / classes) * norms;
    const t = await hutchinsonTrace(loss, zero, random.key(1), { probes: 128, chunk: 32 });
    expect(t.standardError / want).toBeLessThan(0.1);
    expect(Math.abs(t.mean - want)).toBeLessThan(4 * t.standardError);
  });
});

test("both gradient norms, named", async () => {
  const loss = (w: Tensor, x: Tensor) => w.mul(x).mean();
  const batches = [array([1, 3]), array([-2, -4, -6, 0])];
  const n = await gradientNorms(loss, array(1), batches);
  expect(n.fullData).toBeCloseTo(Math.abs((1 + 3 - 12) / 6), 5);
  expect(n.meanOfBatches).toBeCloseTo((2 + 3) / 2, 5);
  await expect(gradientNorms(loss, array(1), [])).rejects.toThrow(/no batches/);
});

test("counts that are none", async () => {
  await expect(hutchinsonTrace(separable, at, random.key(0), { probes: 0 })).rejects.toThrow(
    /probes is 0/,
  );
});

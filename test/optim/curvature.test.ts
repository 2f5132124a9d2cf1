/** Curvature metrics against an explicit Hessian (test/fixtures/make_hessian.py) and closed forms. */
import { readFileSync } from "node:fs";
import { array, hessian, init, random, type Tensor, tree } from "dawngrad";
import { mnist } from "dawngrad/data";
import { type DenseParams, softmaxCrossEntropy } from "dawngrad/nn";
import {
  approximationRatio,
  gradientDirection,
  gradientNorm,
  gradientNorms,
  hutchinsonTrace,
  lossLandscape,
  normalizedHessianTrace,
  overData,
  perLayer,
  randomDirections,
  spectralDensity,
  topEigenvalues,
} from "dawngrad/optim";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { beforeAll, describe, expect, test } from "vitest";
import { probe } from "../../optim/metrics/hessian-trace.js";
import { smoothed } from "../../optim/metrics/spectral-density.js";
import { symmetricEigen } from "../../optim/metrics/symmetric-eigen.js";

beforeAll(() => init());

interface Params<T = Tensor> {
  readonly w1: T;
  readonly b1: T;
  readonly w2: T;
  readonly b2: T;
}
interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/hessian.json", import.meta.url), "utf8"),
) as {
  readonly params: Params<number[]>;
  readonly x: number[][];
  readonly y: number[];
  readonly loss: number;
  readonly gradientNorm: number;
  readonly trace: number;
  readonly offDiagonal: number;
  readonly layerTraces: number[];
  readonly eigenvalues: number[];
};
const names = ["w1", "b1", "w2", "b2"] as const;
const params = Object.fromEntries(
  names.map((k) => [k, array(fixture.params[k])]),
) as unknown as Params;

const loss = (p: Params, { x, y }: Batch) =>
  softmaxCrossEntropy(x.matmul(p.w1).add(p.b1).tanh().matmul(p.w2).add(p.b2), y).mean();
const rows = (from: number, to: number): Batch => ({
  x: array(fixture.x.slice(from, to)),
  y: array(fixture.y.slice(from, to), { dtype: "int32" }),
});
// Batches of unequal size: only an exact mean gives the whole data's values.
const data = overData(loss, [rows(0, 40), rows(40, 64)]);
// One batch where nothing is said about batches: fewer shaders to compile.
const at64 = overData(loss, [rows(0, 64)]);
const whole = (p: Params) => loss(p, rows(0, 64));
const near = (a: number, b: number, relative: number) =>
  expect(Math.abs(a - b), `${a} against ${b}`).toBeLessThanOrEqual(relative * Math.abs(b));

const descending = [...fixture.eigenvalues].sort((a, b) => b - a);

describe("512 parameters against their explicit Hessian", () => {
  test("gradient norm over batches", async () => {
    near(await gradientNorm(data, params), fixture.gradientNorm, 1e-5);
    const norms = await gradientNorms(loss, params, [rows(0, 40), rows(40, 64)]);
    near(norms.fullData, fixture.gradientNorm, 1e-5);
    expect(norms.meanOfBatches).toBeGreaterThan(norms.fullData);
  });

  test("top eigenvalues to 1e-3, with residuals that bound the error, and their vectors", async () => {
    const top = await topEigenvalues(at64, params, random.key(0), { count: 3, block: 1 });
    expect(top.converged).toBe(true);
    top.values.forEach((v, i) => {
      near(v, descending[i]!, 1e-3);
      // Half an ulp of float32 in each of a few hundred sums beside the residual.
      expect(Math.abs(v - descending[i]!)).toBeLessThan(top.residuals[i]! + 2e-6);
    });
    near(await tree.norm(top.vectors[0]).item(), 1, 1e-5);
    expect(Math.abs(await tree.dot(top.vectors[0]!, top.vectors[1]!).item())).toBeLessThan(1e-5);
  });

  test("trace: within its own standard error, which is what the Hessian says it is", async () => {
    const t = await hutchinsonTrace(at64, params, random.key(1), { probes: 256, chunk: 64 });
    const deviation = Math.sqrt((2 * fixture.offDiagonal) / 256);
    expect(Math.abs(t.mean - fixture.trace)).toBeLessThan(4 * deviation);
    expect(t.standardError / deviation).toBeGreaterThan(0.8);
    expect(t.standardError / deviation).toBeLessThan(1.25);
    const c = await normalizedHessianTrace(at64, params, random.key(1), { probes: 256, chunk: 64 });
    near(c.mean, t.mean / fixture.gradientNorm, 1e-5);
  });

  test("trace to 1e-3 by the quadratures of one basis, and the spectral density", async () => {
    const probes = 4;
    const density = await spectralDensity(whole, params, random.key(2), { probes, iterations: 64 });
    for (const w of density.weights)
      near(
        w.reduce((a, b) => a + b),
        1,
        1e-5,
      );
    near(Math.max(...density.nodes.flat()), descending[0]!, 1e-3);

    // The same probes, with eigenvectors by a library: what the quadrature approximates.
    const [flat, restore] = tree.ravel(params);
    const explicit = (await hessian((v: Tensor) => whole(restore(v)))(
      flat,
    ).toArray()) as number[][];
    const evd = new EigenvalueDecomposition(new Matrix(explicit), { assumeSymmetric: true });
    const found = [...evd.realEigenvalues].sort((a, b) => b - a);
    found.forEach((v, i) => {
      expect(Math.abs(v - descending[i]!)).toBeLessThan(1e-3 * descending[0]!);
    });
    near(
      found.reduce((a, b) => a + b),
      fixture.trace,
      1e-3,
    );
    const keys = random.split(random.key(2), probes);
    const vectors = evd.eigenvectorMatrix;
    const exact: number[][] = [];
    for (let i = 0; i < probes; i++) {
      const k = keys.slice([i, 0], [i + 1, 2]).reshape([2]);
      const v = await tree.ravel(probe(params, k))[0].data();
      exact.push(
        evd.realEigenvalues.map((_, j) => {
          let s = 0;
          for (let r = 0; r < v.length; r++) s += v[r]! * vectors.get(r, j);
          return s ** 2 / v.length;
        }),
      );
      // vᵀHv from the quadrature and from the explicit Hessian.
      const quadrature = density.nodes[i]!.reduce((s, x, j) => s + x * density.weights[i]![j]!, 0);
      const want = evd.realEigenvalues.reduce((s, x, j) => s + x * exact[i]![j]!, 0);
      near(quadrature, want, 1e-3);
    }
    const nodes = exact.map(() => evd.realEigenvalues);
    const reference = smoothed(nodes, exact);
    // On one grid: the distribution functions differ by less than 1e-3 once smoothed.
    const cumulative = (n: readonly (readonly number[])[], w: readonly (readonly number[])[]) =>
      reference.grid.map((t) =>
        n.reduce(
          (s, row, p) =>
            s +
            row.reduce(
              (q, x, i) => q + w[p]![i]! / (1 + Math.exp((-1.702 * (t - x)) / reference.sigma)),
              0,
            ) /
              n.length,
          0,
        ),
      );
    const [a, b] = [cumulative(density.nodes, density.weights), cumulative(nodes, exact)];
    a.forEach((x, i) => {
      expect(Math.abs(x - b[i]!)).toBeLessThan(1e-3);
    });
  });

  test("per layer: traces of the diagonal blocks", async () => {
    const found = await perLayer(at64, params, (o, leaf) =>
      hutchinsonTrace(o, leaf, random.key(4), { probes: 64, chunk: 64 }),
    );
    expect(Object.keys(found)).toEqual([".b1", ".b2", ".w1", ".w2"]);
    for (const [i, k] of names.entries()) {
      const { mean, standardError } = found[`.${k}`]!;
      expect(Math.abs(mean - fixture.layerTraces[i]!)).toBeLessThan(5 * standardError + 1e-4);
    }
  });
});

describe("hutchinsonTrace's early stop", () => {
  const H = array([
    [2, 0.5],
    [0.5, 3],
  ]);
  const quadratic = (w: Tensor) => w.matmul(H).mul(w).sum().mul(0.5);
  test("ends once the standard error is small, not before minProbes", async () => {
    const t = await hutchinsonTrace(quadratic, array([1, 1]), random.key(0), {
      probes: 4096,
      chunk: 64,
      tolerance: 0.02,
    });
    expect(t.probes).toBeLessThan(4096);
    expect(t.standardError).toBeLessThanOrEqual(0.02 * t.mean);
    expect(Math.abs(t.mean - 5)).toBeLessThan(4 * t.standardError);
    const exact = await hutchinsonTrace(
      (w: Tensor) => w.mul(w).sum(),
      array([1, 1]),
      random.key(0),
      {
        probes: 4096,
        chunk: 8,
        tolerance: 0.02,
      },
    );
    expect(exact.probes).toBe(24);
  });
});

describe("softmax regression at zero weights, on real images", () => {
  // L = ln K; the Hessian is (I/K − 11ᵀ/K²) ⊗ E x̃x̃ᵀ: its top eigenvalue K − 1 times.
  test("top eigenvalue with multiplicity K − 1: a block finds every copy", async () => {
    const { train } = await mnist();
    const [count, classes] = [256, 4];
    const pick = [...train.labels.keys()].filter((i) => train.labels[i]! < classes).slice(0, count);
    const pixels = pick.map((i) =>
      // Every 4th pixel in both directions keeps the test small: 49 features.
      Array.from({ length: 49 }, (_, j) => {
        const [r, c] = [2 + 4 * Math.floor(j / 7), 2 + 4 * (j % 7)];
        return train.images[i * 784 + r * 28 + c]! / 255;
      }),
    );
    const x = array(pixels);
    const y = array(
      pick.map((i) => train.labels[i]!),
      { dtype: "int32" },
    );
    const regression = ({ weight, bias }: DenseParams, b: Batch) =>
      softmaxCrossEntropy(b.x.matmul(weight).add(bias), b.y).mean();
    const zero = {
      weight: array(new Float32Array(49 * classes), { shape: [49, classes] }),
      bias: array(new Float32Array(classes)),
    };
    const moments = new Matrix(pixels.map((p) => [...p, 1]));
    const second = moments.transpose().mmul(moments).div(count);
    const lambda = Math.max(...new EigenvalueDecomposition(second).realEigenvalues) / classes;
    const top = await topEigenvalues(overData(regression, [{ x, y }]), zero, random.key(0), {
      count: classes,
      block: classes,
    });
    for (let i = 0; i < classes - 1; i++) near(top.values[i]!, lambda, 1e-4);
    expect(top.values[classes - 1]!).toBeLessThan(0.9 * lambda);
    const norms = pixels.reduce((s, p) => s + p.reduce((q, v) => q + v * v, 1), 0) / count;
    const t = await hutchinsonTrace(overData(regression, [{ x, y }]), zero, random.key(1), {
      probes: 128,
      chunk: 64,
    });
    expect(Math.abs(t.mean - (1 - 1 / classes) * norms)).toBeLessThan(4 * t.standardError);
  });
});

describe("topEigenvalues of small matrices", () => {
  const of = (H: number[][]) => (w: Tensor) => w.matmul(array(H)).mul(w).sum().mul(0.5);
  test("magnitude finds the negative one; the whole spectrum; repeated zeros", async () => {
    const H = [
      [1, 2, 0],
      [2, -5, 0],
      [0, 0, 0],
    ];
    const roots = [-2 + Math.sqrt(13), 0, -2 - Math.sqrt(13)];
    const w = array([1, 2, 3]);
    const all = await topEigenvalues(of(H), w, random.key(0), { count: 3 });
    all.values.forEach((v, i) => {
      expect(Math.abs(v - roots[i]!)).toBeLessThan(1e-5);
    });
    const big = await topEigenvalues(of(H), w, random.key(0), { which: "magnitude" });
    near(big.values[0]!, roots[2]!, 1e-5);
  });
  test("Jacobi against the library", () => {
    const H = Array.from({ length: 12 }, (_, i) =>
      Array.from({ length: 12 }, (_, j) => Math.sin(3 * i + j) + Math.sin(3 * j + i)),
    );
    const want = [...new EigenvalueDecomposition(new Matrix(H)).realEigenvalues].sort(
      (a, b) => a - b,
    );
    symmetricEigen(H).values.forEach((v, i) => {
      expect(Math.abs(v - want[i]!)).toBeLessThan(1e-12 * 12);
    });
  });
  test("more eigenvalues than parameters", async () => {
    await expect(
      topEigenvalues(of([[1]]), array([1]), random.key(0), { count: 2 }),
    ).rejects.toThrow(/count is 2, but there are only 1 parameters/);
  });
  test("more eigenvalues than the blocks can span", async () => {
    const options = { count: 3, block: 1, iterations: 2 };
    const H = [
      [1, 0, 0],
      [0, 2, 0],
      [0, 0, 3],
    ];
    await expect(topEigenvalues(of(H), array([1, 1, 1]), random.key(0), options)).rejects.toThrow(
      /2 iterations of blocks of 1 span 2 directions, too few for count 3/,
    );
  });
});

describe("approximationRatio", () => {
  // On a bowl the gradient at w points along w: one step is the best. On a saddle it is not.
  const saddle = ({ a, b }: { a: Tensor; b: Tensor }, s: Tensor) =>
    a.mul(a).mul(0.1).add(b.mul(b).mul(4)).mul(s.mean());
  test("a narrow valley next to a slope: many steps find more", async () => {
    const p = { a: array(1), b: array(0.02) };
    const r = await approximationRatio(overData(saddle, [array([1]), array([1, 3])]), p, {
      rho: 0.5,
    });
    // By hand: f(ρv) for v = (0.2, 0.16)/|·|; the ascent ends where the gradient is along e.
    const f = (x: number, y: number) => 0.1 * x * x + 4 * y * y;
    const n = Math.hypot(0.2, 0.16);
    const one = f(1 + (0.5 * 0.2) / n, 0.02 + (0.5 * 0.16) / n) - f(1, 0.02);
    let [x, y] = [0, 0];
    for (let i = 0; i < 20; i++) {
      const [gx, gy] = [0.2 * (1 + x), 8 * (0.02 + y)];
      const g = Math.hypot(gx, gy);
      x += (0.125 * gx) / g;
      y += (0.125 * gy) / g;
      const far = Math.max(1, Math.hypot(x, y) / 0.5);
      x /= far;
      y /= far;
    }
    const many = f(1 + x, 0.02 + y) - f(1, 0.02);
    near(r.oneStep[0]!, one, 1e-4);
    near(r.manySteps[0]!, many, 1e-4);
    near(r.ratio, one / many, 1e-4);
    near(r.oneStep[1]!, 2 * one, 1e-4);
    expect(r.standardError).toBeLessThan(1e-4);
  });
});

describe("lossLandscape", () => {
  test("a plane over batches is the loss at every point, chunks that do not divide included", async () => {
    const [d1, d2] = randomDirections(params, random.key(5));
    const plane = await lossLandscape(data, params, [d1, d2], { points: 5, chunk: 7 });
    expect(plane.x).toEqual([-1, -0.5, 0, 0.5, 1]);
    near(plane.loss[2]![2]!, fixture.loss, 1e-5);
    const at = tree.axpy(-0.5, d2, tree.axpy(1, d1, params));
    near(plane.loss[1]![4]!, await whole(at).item(), 1e-5);
  });
  test("random directions: filters have the parameters' norms, biases stand still, orthogonal", async () => {
    const [d1, d2] = randomDirections(params, random.key(5));
    const column = async (t: Tensor, c: number) =>
      Math.hypot(...((await t.toArray()) as number[][]).map((r) => r[c]!));
    near(await column(d1.w1, 3), await column(params.w1, 3), 1e-5);
    near(await column(d1.w2, 7), await column(params.w2, 7), 1e-5);
    expect(await tree.norm([d1.b1, d1.b2, d2.b1, d2.b2]).item()).toBe(0);
    const cosine = (await tree.dot(d1, d2).item()) / (await tree.norm(d1).item()) ** 2;
    expect(Math.abs(cosine)).toBeLessThan(1e-6);
  });
  test("along v the slope is the gradient's norm", async () => {
    const v = await gradientDirection(at64, params);
    const { loss: line } = await lossLandscape(at64, params, [v], {
      points: 3,
      range: [-0.02, 0.02],
    });
    near((line[0]![2]! - line[0]![0]!) / 0.04, fixture.gradientNorm, 1e-3);
  });
});

test("objectives without data say so", async () => {
  await expect(gradientNorm(overData(loss, []), params)).rejects.toThrow(/there are no batches/);
  await expect(hutchinsonTrace(whole, params, random.key(0), { tolerance: 0 })).rejects.toThrow(
    /tolerance is 0/,
  );
});

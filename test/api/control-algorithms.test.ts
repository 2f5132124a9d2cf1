/** Whole algorithms are one program: one submission, and the host reads nothing before the result. */
import {
  arange,
  array,
  block,
  dynamicUpdateSlice,
  explain,
  foriLoop,
  grad,
  init,
  jit,
  matmul,
  minimum,
  norm,
  reshape,
  scan,
  type Tensor,
  zeros,
} from "dawngrad";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { beforeAll, describe, expect, it } from "vitest";
import { countDevice, type DeviceCounts, since } from "./device-counts.js";

let counted: Readonly<DeviceCounts>;

beforeAll(async () => {
  await init();
  counted = countDevice();
});

/** The result of a warm call, which must be one submission of what `explain` says, read by nobody. */
async function inOneProgram<A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A) {
  const jitted = jit(f);
  await block(jitted(...args));
  const { dispatches } = explain(f)(...args);
  const ran = since(counted);
  const out = jitted(...args);
  await block(out);
  expect(ran()).toEqual({ dispatches, submits: 1, readbacks: 0 });
  return out;
}

// Eigenvalues 1 … n - 1 and 3n in a basis of its own: Q diag Qᵀ with Householder's Q.
const n = 24;
const v = Array.from({ length: n }, (_, i) => Math.sin(i + 1));
const vv = v.reduce((s, x) => s + x * x, 0);
const q = (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / vv;
const eigenvalues = Array.from({ length: n }, (_, k) => (k === n - 1 ? 3 * n : k + 1));
const matrix = Array.from({ length: n }, (_, i) =>
  Array.from({ length: n }, (_, j) =>
    eigenvalues.reduce((sum, value, k) => sum + q(i, k) * value * q(j, k), 0),
  ),
);
const start = Float32Array.from({ length: n }, (_, i) => 1 + Math.cos(3 * i));

describe("one submission, nothing read back", () => {
  it("power iteration", async () => {
    const largest = (a: Tensor, x: Tensor) => {
      const unit = foriLoop(
        0,
        60,
        (_, x) => {
          const y = matmul(a, x);
          return y.div(norm(y));
        },
        x,
      );
      return matmul(unit, matmul(a, unit));
    };
    const value = await (await inOneProgram(largest, array(matrix), array(start))).item();
    // The next eigenvalue is (n - 1)/(3n) of the first: its share is gone after 60 steps.
    expect(Math.abs(value / (3 * n) - 1)).toBeLessThan(n * 2 ** -23);
  });

  it("Lanczos with re-orthogonalisation: every eigenvalue once, and a basis that is orthonormal", async () => {
    const lanczos = (a: Tensor, x: Tensor) => {
      const put = (Q: Tensor, row: Tensor, at: Tensor) =>
        dynamicUpdateSlice(Q, reshape(row, [1, n]), [at, 0]);
      const orthogonal = (Q: Tensor, w: Tensor) => w.sub(matmul(matmul(Q, w), Q));
      const first = put(zeros([n + 1, n]), x.div(norm(x)), array(0, { dtype: "int32" }));
      const [{ Q }, T] = scan(
        ({ Q, unit }, at) => {
          const image = matmul(a, unit);
          const rest = orthogonal(Q, orthogonal(Q, image));
          const next = rest.div(norm(rest));
          return [{ Q: put(Q, next, at), unit: next }, matmul(Q, image)];
        },
        { Q: first, unit: x.div(norm(x)) },
        arange(1, n + 1, { dtype: "int32" }),
      );
      return { Q, T };
    };
    const { Q, T } = await inOneProgram(lanczos, array(matrix), array(start));
    const columns = (await T.toArray()) as number[][];
    const symmetric = new Matrix(n, n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) symmetric.set(i, j, columns[Math.max(i, j)]![Math.min(i, j)]!);
    }
    const found = new EigenvalueDecomposition(symmetric).realEigenvalues.sort((a, b) => a - b);
    // Rounding of n sums of n terms, of the size of the largest eigenvalue.
    const rounding = n * 3 * n * 2 ** -23;
    found.forEach((value, i) => {
      expect(Math.abs(value - eigenvalues[i]!)).toBeLessThan(rounding);
    });
    // A row more for the vector after the last, which is rounding alone.
    const basis = ((await Q.toArray()) as number[][]).slice(0, n);
    basis.forEach((row, i) => {
      basis.forEach((other, j) => {
        const dot = row.reduce((s, x, k) => s + x * other[k]!, 0);
        expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(n * 2 ** -23);
      });
    });
  });

  it("a projected ascent of 20 steps, with the gradient within", async () => {
    // xᵀAx/2 + bᵀx over the ball ‖x‖ <= 1/2, A diagonal: the Lagrangian's root in f64.
    const [a, b] = [
      [1, 0.5, 0.25, 0.125],
      [0.5, -0.5, 1, 0.25],
    ] as const;
    const radius = 0.5;
    const f = (x: Tensor) =>
      x
        .mul(x)
        .mul(array(a))
        .sum()
        .mul(0.5)
        .add(x.mul(array(b)).sum());
    const ascent = (start: Tensor) => {
      const end = foriLoop(
        0,
        20,
        (_, x) => {
          const moved = x.add(grad(f)(x).mul(0.25));
          return moved.mul(minimum(1, array(radius).div(norm(moved))));
        },
        start,
      );
      return f(end);
    };
    const got = await (await inOneProgram(ascent, array([0, 0, 0, 0.125]))).item();
    const at = (m: number) => a.map((k, i) => b[i]! / (m - k));
    let [low, high] = [1, 100];
    for (let i = 0; i < 200; i++) {
      const m = (low + high) / 2;
      if (Math.hypot(...at(m)) > radius) low = m;
      else high = m;
    }
    const x = at(low);
    const want = x.reduce((s, y, i) => s + (a[i]! * y * y) / 2 + b[i]! * y, 0);
    expect(Math.abs(got / want - 1)).toBeLessThan(1e-5);
  });
});

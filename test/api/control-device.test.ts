/** What programs with loops do on the device: submissions, dispatches, memory, and whole algorithms. */
import {
  array,
  block,
  explain,
  foriLoop,
  init,
  jit,
  matmul,
  memoryStats,
  norm,
  reshape,
  scan,
  sigmoid,
  slice,
  submitBudget,
  type Tensor,
  tanh,
  valueAndGrad,
  where,
  zeros,
} from "dawngrad";
import { afterEach, describe, expect, it } from "vitest";
import { currentGpu } from "../../src/device/index.js";
import { counters } from "../../src/runtime/index.js";

await init();
afterEach(() => submitBudget(undefined));

const wave = (scale: number, ...shape: number[]): Tensor => {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * i + 0.3));
  return array(values, { shape });
};

/** Dispatches and submissions of a warm call. */
async function count(f: () => unknown): Promise<{ dispatches: number; submits: number }> {
  await block(f());
  const before = { ...counters };
  const out = f();
  const { dispatches, submits } = counters;
  await block(out);
  return { dispatches: dispatches - before.dispatches, submits: submits - before.submits };
}

describe("a GRU of 64 units", () => {
  const [batch, width, units] = [4, 16, 64];
  const params = {
    wx: wave(0.1, width, 3 * units),
    wh: wave(0.1, units, 3 * units),
    b: zeros([3 * units]),
  };
  type Params = typeof params;
  const cell = (p: Params, h: Tensor, x: Tensor): Tensor => {
    const gx = matmul(x, p.wx).add(p.b);
    const gh = matmul(h, p.wh);
    const part = (t: Tensor, i: number) => slice(t, [0, i * units], [batch, (i + 1) * units]);
    const r = sigmoid(part(gx, 0).add(part(gh, 0)));
    const z = sigmoid(part(gx, 1).add(part(gh, 1)));
    const n = tanh(part(gx, 2).add(r.mul(part(gh, 2))));
    return n.sub(z.mul(n)).add(z.mul(h));
  };
  const looped = (p: Params, xs: Tensor): Tensor => {
    const [h] = scan((h, x) => [cell(p, h, x), null], zeros([batch, units]), xs);
    return h.mul(h).mean();
  };
  const unrolled = (p: Params, xs: Tensor): Tensor => {
    let h = zeros([batch, units]);
    for (let i = 0; i < xs.shape[0]!; i++) {
      h = cell(p, h, reshape(slice(xs, [i, 0, 0], [i + 1, batch, width]), [batch, width]));
    }
    return h.mul(h).mean();
  };

  it("1,000 steps: value and gradient in one submission, as explain says", async () => {
    submitBudget(null);
    const xs = wave(1, 1000, batch, width);
    const plan = explain(valueAndGrad(looped))(params, xs);
    const f = jit(valueAndGrad(looped));
    const ran = await count(() => f(params, xs));
    expect(ran).toEqual({ dispatches: plan.dispatches, submits: 1 });
    expect(plan.loops!.map((l) => l.rounds)).toEqual([1000, 1000]);
  });

  it("takes at most 3 dispatches a step more than the body written out, and gives its gradient", async () => {
    const xs = wave(1, 6, batch, width);
    const loop = explain(valueAndGrad(looped))(params, xs);
    const flat = explain(valueAndGrad(unrolled))(params, xs);
    const perRound = loop.loops!.reduce((n, l) => n + l.dispatchesPerRound, 0);
    expect(perRound).toBeLessThanOrEqual(flat.dispatches / 6 + 3);
    const [value, gradient] = jit(valueAndGrad(looped))(params, xs);
    const [want, wanted] = jit(valueAndGrad(unrolled))(params, xs);
    // Sums of 6 · 4 products of values below 1: within √24 · 2^-23 of their size each, twice.
    expect(Math.abs((await value.item()) - (await want.item()))).toBeLessThan(1e-6);
    const worst = await gradient.wh.sub(wanted.wh).abs().max().item();
    expect(worst).toBeLessThan(1e-5 * (await wanted.wh.abs().max().item()));
  });

  it("memory grows linearly with the length, the number of kernels not at all", () => {
    const [a, b, c] = [100, 200, 300].map((n) =>
      explain(valueAndGrad(looped))(params, wave(1, n, batch, width)),
    ) as [Plan, Plan, Plan];
    expect(new Set([a, b, c].map((p) => p.kernels.length)).size).toBe(1);
    const growth = [b.peakBytes - a.peakBytes, c.peakBytes - b.peakBytes];
    expect(Math.abs(growth[1]! - growth[0]!)).toBeLessThan(4096);
  });
  type Plan = ReturnType<ReturnType<typeof explain>>;

  it("is submitted in parts where a budget says so, with the same result", async () => {
    const xs = wave(1, 50, batch, width);
    const f = jit(valueAndGrad(looped));
    submitBudget(null);
    const whole = await f(params, xs)[0].item();
    submitBudget(40);
    const parts = await count(() => f(params, xs));
    expect(parts.submits).toBeGreaterThanOrEqual(Math.floor(parts.dispatches / 50));
    expect(await f(params, xs)[0].item()).toBe(whole);
  });
});

describe("whole algorithms are one program that nothing is read back from", () => {
  // Symmetric, with eigenvalues 1 … n in a rotated basis: Q diag Qᵀ with Householder's Q.
  const n = 24;
  const v = Array.from({ length: n }, (_, i) => Math.sin(i + 1));
  const vv = v.reduce((s, x) => s + x * x, 0);
  const q = (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / vv;
  const matrix = array(
    Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) => {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += q(i, k) * (k === n - 1 ? 3 * n : k + 1) * q(j, k);
        return sum;
      }),
    ),
  );
  const start = array(Float32Array.from({ length: n }, (_, i) => 1 + Math.cos(3 * i)));

  it("power iteration", async () => {
    const f = jit((a: Tensor, x: Tensor) => {
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
    });
    expect((await count(() => f(matrix, start))).submits).toBe(1);
    // The next eigenvalue is (n - 1)/(3n) of the first: its share is gone after 60 steps.
    expect(Math.abs((await f(matrix, start).item()) / (3 * n) - 1)).toBeLessThan(1e-5);
  });

  it("Lanczos: the tridiagonal matrix has the sums of its powers' moments", async () => {
    const steps = 8;
    const f = jit((a: Tensor, x: Tensor) => {
      const init = { q: x.div(norm(x)), before: zeros([n]), beta: array(0) };
      return scan(
        ({ q, before, beta }) => {
          const w = matmul(a, q).sub(before.mul(beta));
          const alpha = w.mul(q).sum();
          const rest = w.sub(q.mul(alpha));
          const next = norm(rest);
          return [
            { q: rest.div(next), before: q, beta: next },
            { alpha, beta: next },
          ];
        },
        init,
        null,
        { length: steps },
      )[1];
    });
    expect((await count(() => f(matrix, start))).submits).toBe(1);
    const { alpha, beta } = f(matrix, start);
    const [a, b] = [await alpha.data(), await beta.data()];
    // e₁ᵀ Tᵏ e₁ = qᵀ Aᵏ q for k < 2·steps: here to the third power, in f64 on the host.
    const A = (await matrix.toArray()) as number[][];
    const times = (x: number[]) => A.map((row) => row.reduce((s, m, j) => s + m * x[j]!, 0));
    const raw = Array.from(await start.data());
    const size = Math.hypot(...raw);
    const q0 = raw.map((x) => x / size);
    const T = (x: number[]) =>
      x.map((_, i) => (b[i - 1] ?? 0) * (x[i - 1] ?? 0) + a[i]! * x[i]! + b[i]! * (x[i + 1] ?? 0));
    let [y, t] = [q0, Array.from({ length: steps }, (_, i) => Number(i === 0))];
    for (let k = 1; k <= 3; k++) {
      [y, t] = [times(y), T(t)];
      const moment = y.reduce((s, x, i) => s + x * q0[i]!, 0);
      expect(Math.abs(t[0]! / moment - 1)).toBeLessThan(1e-5);
    }
  });

  it("a projected ascent of 20 steps within a ball", async () => {
    // The largest of bᵀx with ‖x‖ ≤ 1/2 is ‖b‖/2, at b/(2‖b‖).
    const b = wave(1, 32);
    const f = jit((b: Tensor) => {
      const ascend = (x: Tensor) => {
        const y = x.add(valueAndGrad((x: Tensor) => b.mul(x).sum())(x)[1].mul(0.25));
        const size = norm(y);
        return y.mul(where(size.greater(0.5), array(0.5).div(size), 1));
      };
      return b.mul(foriLoop(0, 20, (_, x) => ascend(x), zeros([32]))).sum();
    });
    expect((await count(() => f(b))).submits).toBe(1);
    const size = Math.hypot(...(await b.data()));
    expect(Math.abs((await f(b).item()) / (size / 2) - 1)).toBeLessThan(1e-6);
  });
});

describe("running", () => {
  it("constants within bodies are data: another learning rate compiles nothing", async () => {
    const descend = (rate: number) =>
      foriLoop(0, 3, (_, x) => x.sub(x.mul(rate)), array([1, 2])).toArray();
    expect(await descend(0.5)).toEqual([0.125, 0.25]);
    const before = currentGpu("test").pipelines.size;
    expect(await descend(0.75)).toEqual([1 / 64, 1 / 32]);
    expect(currentGpu("test").pipelines.size).toBe(before);
  });

  it("donated arrays are spent, and no buffer stays behind", async () => {
    const f = jit((x: Tensor) => foriLoop(0, 4, (_, y) => y.mul(2), x), { donateArgnums: 0 });
    const before = memoryStats().liveTensors;
    const x = array([1, 2]);
    const y = f(x);
    expect(await y.toArray()).toEqual([16, 32]);
    await expect(x.data()).rejects.toThrow("donated");
    y.dispose();
    expect(memoryStats().liveTensors).toBe(before);
  });
});

/** What programs with loops do on the device: submissions, dispatches, memory, and whole algorithms. */
import {
  array,
  block,
  explain,
  init,
  jit,
  matmul,
  scan,
  sigmoid,
  slice,
  submitBudget,
  type Tensor,
  tanh,
  valueAndGrad,
  zeros,
} from "dawngrad";
import { afterEach, describe, expect, it } from "vitest";
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
  it("1,000 steps: value and gradient in one submission, as explain says", async () => {
    submitBudget(null);
    const xs = wave(1, 1000, batch, width);
    const plan = explain(valueAndGrad(looped))(params, xs);
    const f = jit(valueAndGrad(looped));
    const ran = await count(() => f(params, xs));
    expect(ran).toEqual({ dispatches: plan.dispatches, submits: 1 });
    expect(plan.loops!.map((l) => l.rounds)).toEqual([1000, 1000]);
  });
});

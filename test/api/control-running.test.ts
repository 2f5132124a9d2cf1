/** How programs with loops run: in how many submissions, how often, and in whose memory. */
import {
  array,
  block,
  cond,
  explain,
  foriLoop,
  init,
  jit,
  matmul,
  memoryStats,
  ones,
  scan,
  submitBudget,
  type Tensor,
  valueAndGrad,
  whileLoop,
  zeros,
} from "dawngrad";
import { afterEach, describe, expect, it } from "vitest";
import { currentGpu } from "../../src/device/index.js";
import { counters } from "../../src/runtime/index.js";
import { countDevice, since } from "./device-counts.js";
import { wave } from "./gru.js";

await init();
const counted = countDevice();
afterEach(() => submitBudget(undefined));

const int = (x: number) => array(x, { dtype: "int32" });

/** What a warm call does by the device's count, which must be the runtime's own. */
async function count(f: () => unknown): Promise<{ dispatches: number; submits: number }> {
  await block(f());
  const said = { ...counters };
  const ran = since(counted);
  await block(f());
  const { dispatches, submits } = ran();
  expect({
    dispatches: counters.dispatches - said.dispatches,
    submits: counters.submits - said.submits,
  }).toEqual({ dispatches, submits });
  return { dispatches, submits };
}

describe("submitBudget", () => {
  it.each([
    [
      "a scan with its gradient",
      valueAndGrad((w: Tensor, xs: Tensor) => {
        const [h] = scan((h, x) => [matmul(h, w).add(x).tanh(), null], zeros([2, 8]), xs);
        return h.mul(h).sum();
      }),
      [wave(0.3, 8, 8), wave(1, 40, 2, 8)],
    ],
    [
      "a scan within a scan",
      (x: Tensor) =>
        foriLoop(0, 9, (_, c) => foriLoop(0, 11, (_, d) => d.mul(0.5).add(x), c).sin(), x),
      [array([1, 2])],
    ],
  ] as const)(
    "splits %s between rounds as explain says, with the same result",
    async (_, f, args) => {
      const call = f as (...args: readonly unknown[]) => unknown;
      const run = jit(call);
      const values = async () => {
        const out = [run(...args)].flat()[0] as Tensor;
        return [...(await out.data())];
      };
      submitBudget(null);
      const whole = explain(call)(...args);
      expect(whole.submits).toBe(1);
      const want = await values();
      const total: number[] = [];
      for (const ms of [2, 0.5, 1e-9]) {
        submitBudget(ms);
        const plan = explain(call)(...args);
        const ran = await count(() => run(...args));
        expect(ran).toEqual({ dispatches: whole.dispatches, submits: plan.submits });
        expect(await values()).toEqual(want);
        total.push(plan.submits);
      }
      expect(total[0]!).toBeGreaterThan(1);
      expect(total[0]!).toBeLessThan(total[1]!);
      // Less than one dispatch takes: every round by itself.
      const rounds = whole.loops!.map((l) => l.rounds!);
      expect(total[2]!).toBeGreaterThanOrEqual(Math.max(...rounds));
    },
  );

  it("is a positive number of milliseconds", () => {
    expect(() => submitBudget(0)).toThrow("submitBudget: 0 is not a positive number");
  });

  it("loops longer than the buffer that numbers their rounds: every round has its own index", async () => {
    const rounds = 66_000;
    const f = jit((x: Tensor) =>
      // Wraps modulo 2^32 as the same recurrence does on the host.
      foriLoop(0, rounds, (i, c) => c.mul(5).add(i.astype("uint32")), x),
    );
    let want = 1;
    for (let i = 0; i < rounds; i++) want = (Math.imul(want, 5) + i) >>> 0;
    expect(await f(array(1, { dtype: "uint32" })).item()).toBe(want);
  });
});

describe("whileLoop", () => {
  it("runs what explain says at least, and a whole number of rounds more", async () => {
    const f = (n: Tensor) =>
      whileLoop(
        ([i]) => i.less(n),
        ([i, s]) => [i.add(1), s.add(i)] as const,
        [int(0), int(0)],
      )[1].mul(2);
    const run = jit(f);
    const plan = explain(f)(int(0));
    const [{ rounds, dispatchesPerRound }] = plan.loops as [NonNullable<typeof plan.loops>[0]];
    expect(rounds).toBe(null);
    for (const [n, encoded, batches] of [
      [0, 8, 1],
      [7, 8, 1],
      [8, 24, 2],
      [30, 56, 3],
    ] as const) {
      const ran = await count(() => run(int(n)));
      expect(ran).toEqual({
        dispatches: plan.dispatches + (encoded - 8) * dispatchesPerRound,
        submits: plan.submits + batches - 1,
      });
      expect(await run(int(n)).item()).toBe(n * Math.max(0, n - 1));
    }
  });

  it("looks less far ahead where a round takes long", async () => {
    const f = (x: Tensor) =>
      whileLoop(
        (y) => y.max().less(100),
        (y) => matmul(y, y).mul(1 / 128),
        x,
      );
    const times = (n: number) => {
      const { kernels } = explain(f)(ones([n, n]));
      return Math.max(...kernels.map((k) => k.times!));
    };
    expect(times(8)).toBe(8);
    // 2·512³ operations: more than 20 ms on a driver that computes on the CPU.
    if (currentGpu("test").software) expect(times(512)).toBe(2);
    // 1, 2, 8, 128: a round a line, and one that is over.
    expect(
      await f(ones([256, 256]))
        .max()
        .item(),
    ).toBe(128);
  });

  it("within a scan asks in every round of it", async () => {
    const f = (x: Tensor) =>
      foriLoop(
        0,
        3,
        (i, c) =>
          whileLoop(
            (y) => y.less(i.mul(10)),
            (y) => y.add(4),
            c,
          ),
        x,
      );
    const plan = explain(f)(int(0));
    const ran = await count(() => jit(f)(int(0)));
    expect(ran).toEqual({ dispatches: plan.dispatches, submits: plan.submits });
    expect(plan.submits).toBe(3 + 1);
    expect(await jit(f)(int(0)).item()).toBe(20);
  });
});

describe("constants within bodies are data", () => {
  const xs = array([1, 2, 3]);
  const descend = (rate: number | Tensor) =>
    scan((w, x) => [w.sub(w.mul(x).mul(rate)), null], array(1), xs)[0];
  it("another learning rate, as a number or as a tensor, compiles nothing", async () => {
    const rates = [0.25, 0.125];
    const want = rates.map((r) => (1 - r) * (1 - 2 * r) * (1 - 3 * r));
    const step = jit(descend);
    const grown: number[] = [];
    for (const [i, r] of rates.entries()) {
      const before = currentGpu("test").pipelines.size;
      expect(await descend(r).item()).toBe(want[i]);
      expect(await step(r).item()).toBe(want[i]);
      expect(await step(array(r)).item()).toBe(want[i]);
      grown.push(currentGpu("test").pipelines.size - before);
    }
    expect(grown[0]!).toBeGreaterThan(0);
    expect(grown[1]!).toBe(0);
  });
});

describe("memory", () => {
  it("donated carries are spent, and nothing grows over steps that follow each other", async () => {
    const train = jit(
      (w: Tensor, xs: Tensor) => scan((w, x) => [w.sub(matmul(w, x).mul(0.125)), w.sum()], w, xs),
      { donateArgnums: 0 },
    );
    const xs = ones([5, 8, 8]).mul(0.125);
    let w = ones([8, 8]).add(0);
    const run = () => {
      const [next, sums] = train(w, xs);
      sums.dispose();
      w = next;
    };
    for (let i = 0; i < 5; i++) run();
    await block(w);
    const state = () => ({ ...memoryStats(), created: currentGpu("test").pool.stats().created });
    const before = state();
    for (let i = 0; i < 50; i++) run();
    await block(w);
    expect(state()).toEqual(before);
    const spent = w;
    run();
    await expect(spent.data()).rejects.toThrow("donated");
  });

  it("loops that the host waits for, and branches, leave nothing behind", async () => {
    const f = jit((x: Tensor) =>
      whileLoop(
        (y) => y.sum().less(100),
        (y) =>
          cond(
            y.sum().greater(10),
            (z) => z.mul(2),
            (z) => matmul(z, ones([4, 4])).add(1),
            y,
          ),
        x,
      ),
    );
    const once = async () => {
      const x = zeros([4, 4]);
      const y = f(x);
      await block(y);
      for (const t of [x, y]) t.dispose();
    };
    for (let i = 0; i < 3; i++) await once();
    const state = () => ({ ...memoryStats(), created: currentGpu("test").pool.stats().created });
    const before = state();
    for (let i = 0; i < 20; i++) await once();
    expect(state()).toEqual(before);
  });
});

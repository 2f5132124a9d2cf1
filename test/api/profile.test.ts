/** profile: the values of the call, a time for every kernel, and a trace that viewers can read. */
import { array, explain, init, ones, profile, type Tensor } from "dawngrad";
import { beforeAll, expect, test } from "vitest";
import { currentGpu } from "../../src/device/index.js";

beforeAll(() => init());

const f = (x: Tensor, y: Tensor) => x.matmul(y).softmax().sum(0);

test("result, kernels and times", async () => {
  const [x, y] = [ones([64, 48]), ones([48, 32])];
  const p = await profile(f)(x, y);
  const values = await p.result.data();
  for (const v of values) expect(v).toBeCloseTo(2, 5);
  const plan = explain(f)(x, y);
  expect(p.kernels.map((k) => k.name)).toEqual(plan.kernels.map((k) => k.name));
  expect(p.totalMs).toBeGreaterThanOrEqual(p.hostMs);
  expect(p.clock).toBe(currentGpu("test").features.has("timestamp-query") ? "timestamps" : "none");
  if (p.clock === "none") return;
  let end = 0;
  for (const k of p.kernels) {
    expect(k.ms).toBeGreaterThanOrEqual(0);
    // The queue runs kernels that depend on each other one after the other.
    expect(k.startMs).toBeGreaterThanOrEqual(end);
    end = k.startMs! + k.ms!;
  }
  expect(end).toBeLessThanOrEqual(p.totalMs);
  const spans = p.trace.traceEvents.filter((e) => e.ph === "X" && e.tid === 2);
  expect(spans).toHaveLength(p.kernels.length);
  expect(JSON.parse(JSON.stringify(p.trace))).toEqual(p.trace);
});

test("without timestamps it says so, and times the whole", async () => {
  const gpu = currentGpu("test");
  const { features } = gpu;
  Object.defineProperty(gpu, "features", { value: new Set(), configurable: true });
  try {
    const p = await profile(f)(ones([8, 4]), ones([4, 8]));
    expect(p.clock).toBe("none");
    expect(p.kernels.every((k) => k.ms === undefined)).toBe(true);
    expect(p.totalMs).toBeGreaterThan(0);
  } finally {
    Object.defineProperty(gpu, "features", { value: features, configurable: true });
  }
});

test("donated arguments are donated", async () => {
  const x = array([1, 2]);
  const { result } = await profile((a: Tensor) => a.mul(2), { donateArgnums: 0 })(x);
  expect([...(await result.data())]).toEqual([2, 4]);
  expect(() => x.add(1)).toThrow(/donated/);
});

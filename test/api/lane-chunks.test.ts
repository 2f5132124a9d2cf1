/** vmapped functions whose lanes do not fit the adapter, here one whose largest buffer has 64 KiB. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { currentGpu, type GpuLimits } from "../../src/device/index.js";
import {
  array,
  explain,
  grad,
  init,
  jit,
  map,
  matmul,
  ones,
  type Tensor,
  vmap,
} from "../../src/index.js";
import { counters } from "../../src/runtime/index.js";

/** What programs that are compiled from now on are told of the device. */
function tell(limits: GpuLimits): void {
  Object.defineProperty(currentGpu("test"), "limits", { value: limits, configurable: true });
}
let real: GpuLimits;
beforeAll(async () => {
  await init();
  real = currentGpu("test").limits;
});
const most = 2 ** 16;
beforeEach(() => tell({ ...real, maxBufferSize: most, maxStorageBufferBindingSize: most }));
afterEach(() => tell(real));

const values = (shape: readonly number[], seed: number): Tensor => {
  const n = shape.reduce((p, d) => p * d, 1);
  return array(
    Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + seed) * 0.5),
  ).reshape([...shape]);
};

/** The norm of each example's own gradient: [lanes, 64, 48] floats at once, 12 KiB a lane. */
const loss = (w: Tensor, x: Tensor): Tensor => matmul(x, w).tanh().sum();
const norm = (w: Tensor) => (x: Tensor) => {
  const g = grad(loss)(w, x);
  return matmul(g.transpose(), g).mul(g.sum()).sum();
};
const norms = (w: Tensor, xs: Tensor): Tensor => vmap(norm(w))(xs);

describe("lanes that do not fit at once", () => {
  it("go in chunks, as explain says, and a run counts", async () => {
    const [w, xs] = [values([64, 48], 1), values([20, 8, 64], 2)];
    const want = await jit((w: Tensor, xs: Tensor) => map(norm(w), xs))(w, xs).data();
    const explained = explain(norms)(w, xs);
    expect(explained.laneChunks?.count).toBe(4);
    expect(explained.laneChunks?.why).toMatch(/an array of float32\[20,.*takes \d+ bytes/);
    expect(explained.loops).toHaveLength(1);
    expect(explained.loops![0]!.rounds).toBe(4);

    const before = counters.dispatches;
    const got = await jit(norms)(w, xs).data();
    expect(counters.dispatches - before).toBe(explained.dispatches);
    got.forEach((y, i) => {
      expect(Math.abs(y - want[i]!)).toBeLessThanOrEqual(1e-4 * Math.abs(want[i]!) + 1e-4);
    });
  });

  it("keep their axes and the trees that they come in", async () => {
    const f = (a: { x: Tensor }, s: Tensor) => ({
      squares: matmul(matmul(a.x, a.x.transpose()).tanh(), ones([40, 2])).mul(s),
      same: s.add(1),
    });
    const mapped = vmap(f, [{ x: 1 }, null], { squares: 1, same: null });
    // A lane's square is 40 * 40 floats, 6.4 KiB; of 23 lanes 147 KiB.
    const [x, s] = [values([40, 23, 8], 3), array(2)];
    const { squares, same } = jit((x: Tensor, s: Tensor) => mapped({ x }, s))(x, s);
    expect(squares.shape).toEqual([40, 23, 2]);
    expect(await same.item()).toBe(3);
    const want = map((x: Tensor) => f({ x }, s).squares, x.transpose([1, 0, 2]));
    const [got, expected] = [await squares.data(), await want.transpose([1, 0, 2]).data()];
    got.forEach((y, i) => {
      expect(Math.abs(y - expected[i]!)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(y)));
    });
  });

  it("are split outside of jit too", async () => {
    const [w, xs] = [values([64, 48], 1), values([20, 8, 64], 2)];
    const once = await jit(norms)(w, xs).data();
    expect(await norms(w, xs).data()).toEqual(once);
  });

  it("go in chunks where there is no memory for all of them", async () => {
    tell(real);
    const gpu = currentGpu("test");
    const { opened } = gpu;
    Object.defineProperty(gpu, "opened", {
      value: { ...opened, budget: 3 * most },
      configurable: true,
    });
    try {
      // Shapes of its own: programs that were compiled before are not looked at again.
      const [w, xs] = [values([64, 44], 1), values([20, 8, 64], 2)];
      const { laneChunks, peakBytes } = explain(norms)(w, xs);
      expect(laneChunks!.count).toBeGreaterThan(1);
      expect(laneChunks!.why).toMatch(/results and intermediates take .* KiB .* at once/);
      expect(peakBytes).toBeLessThan(4 * most);
      const alone = (x: Tensor) => x.sin().cumsum(0).cos();
      expect(() => jit(alone)(ones([100, 1000]))).toThrow(/192 KiB at most.*(\n.*)*float32\[/);
    } finally {
      Object.defineProperty(gpu, "opened", { value: opened, configurable: true });
    }
  });

  it("are an error where a lane alone is too large, or where there are none", () => {
    const big = (x: Tensor) => vmap((a: Tensor) => a.add(ones([200, 200])))(x);
    expect(() => jit(big)(ones([4]))).toThrow(/float32\[4,200,200\].*largest buffer has 65536/);
    const none = (x: Tensor) => x.add(ones([200, 200]));
    expect(() => jit(none)(ones([200]))).toThrow(/float32\[200,200\] takes 160000 bytes/);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { currentGpu, type Gpu, init, sizeClass } from "../../src/device/index.js";
import { BufferPool } from "../../src/device/pool.js";

let gpu: Gpu;
let pool: BufferPool;
beforeAll(async () => {
  await init();
  gpu = currentGpu("test");
});
afterAll(() => gpu.destroy());
beforeEach(() => {
  pool = new BufferPool(gpu.device, gpu.faults, { maxBufferSize: gpu.limits.maxBufferSize });
});

describe("size classes", () => {
  test("hold what was asked for and waste at most a quarter of it", () => {
    for (let bytes = 0; bytes < 70_000; bytes++) {
      const size = sizeClass(bytes);
      if (size < bytes) throw new Error(`${bytes} -> ${size}`);
      if (bytes >= 256 && size > 1.25 * bytes) throw new Error(`${bytes} -> ${size}`);
      if (size % 64 !== 0) throw new Error(`${bytes} -> ${size}`);
      if (sizeClass(size) !== size) throw new Error(`${size} is no class`);
    }
    expect(sizeClass(0)).toBe(256);
    expect([256, 257, 320, 321, 512, 513].map(sizeClass)).toEqual([256, 320, 320, 384, 512, 640]);
    expect(sizeClass(2 ** 30)).toBe(2 ** 30);
    expect(sizeClass(2 ** 30 + 1)).toBe(1.25 * 2 ** 30);
  });

  test("are few: four to an octave", () => {
    const classes = new Set<number>();
    for (let bytes = 1024; bytes < 2048; bytes++) classes.add(sizeClass(bytes + 1));
    expect(classes.size).toBe(4);
  });
});

describe("the pool", () => {
  test("gives a released buffer to the next of its class, and to no other", () => {
    const a = pool.acquire(1000, "a");
    const b = pool.acquire(1000, "b");
    expect(b).not.toBe(a);
    pool.release(a);
    expect(pool.acquire(5000, "c")).not.toBe(a);
    expect(pool.acquire(1001, "d")).toBe(a);
    expect(pool.acquire(1000, "e")).not.toBe(a);
    expect(pool.stats().created).toBe(4);
  });

  test("asks for no memory in a warm loop", () => {
    for (let step = 0; step < 10; step++) {
      const buffers = [100, 4000, 4000, 70_000].map((bytes) => pool.acquire(bytes, "step"));
      for (const buffer of buffers) pool.release(buffer);
    }
    expect(pool.stats()).toMatchObject({ created: 4, liveBytes: 0, liveBuffers: 0 });
  });

  test("counts live, idle and peak bytes as allocated", () => {
    const a = pool.acquire(1000, "a"); // 1024
    const b = pool.acquire(0, "b"); // 256
    expect(a.size).toBe(1024);
    expect(b.size).toBe(256);
    expect(pool.stats()).toMatchObject({ liveBytes: 1280, pooledBytes: 0, peakBytes: 1280 });
    pool.release(a);
    expect(pool.stats()).toMatchObject({ liveBytes: 256, pooledBytes: 1024, peakBytes: 1280 });
    pool.acquire(1024, "c");
    pool.acquire(2048, "d");
    expect(pool.stats()).toMatchObject({ liveBytes: 3328, pooledBytes: 0, peakBytes: 3328 });
    expect(pool.stats()).toMatchObject({ liveBuffers: 3, pooledBuffers: 0, created: 3 });
    pool.release(b);
    pool.trim();
    pool.resetPeak();
    expect(pool.stats()).toMatchObject({ liveBytes: 3072, pooledBytes: 0, peakBytes: 3072 });
  });

  test("keeps idle bytes under its cap, and destroys the least recently released first", () => {
    const destroyed: number[] = [];
    pool.onDestroy((id) => destroyed.push(id));
    const buffers = [1024, 2048, 4096].map((bytes) => pool.acquire(bytes, `of ${bytes}`));
    const ids = buffers.map((buffer) => pool.idOf(buffer));
    expect(new Set(ids).size).toBe(3);
    const [small, middle, large] = buffers as [GPUBuffer, GPUBuffer, GPUBuffer];
    pool.maxIdleBytes = 6144;
    pool.release(middle);
    pool.release(small);
    expect(destroyed).toEqual([]);
    pool.release(large); // 7168 idle bytes: the middle one goes
    expect(destroyed).toEqual([ids[1]]);
    expect(pool.stats().pooledBytes).toBe(5120);
    expect(pool.acquire(2048, "again")).not.toBe(middle);
    pool.maxIdleBytes = 4096;
    expect(destroyed).toEqual([ids[1], ids[0]]);
    expect(pool.acquire(4096, "again")).toBe(large);
  });

  test("refuses a second release, a stranger's buffer, and nonsense", () => {
    const a = pool.acquire(16, "a");
    pool.release(a);
    expect(() => pool.release(a)).toThrow(/release: buffer a is not in use/);
    const other = gpu.device.createBuffer({ label: "other", size: 256, usage: 128 });
    expect(() => pool.release(other)).toThrow(/other is not in use/);
    expect(() => pool.idOf(other)).toThrow(/never came from this pool/);
    expect(() => pool.acquire(Number.NaN, "b")).toThrow(/b: cannot allocate NaN bytes/);
    expect(pool.stats()).toMatchObject({ liveBytes: 0, pooledBuffers: 1 });
    other.destroy();
  });

  test("says what is too large for the adapter, and how large", () => {
    const most = gpu.limits.maxBufferSize;
    expect(() => pool.acquire(most + 4, "conv2d weights")).toThrow(
      new RegExp(`^conv2d weights: needs a buffer of .* \\(${most + 4} bytes\\)`),
    );
    expect(pool.stats()).toMatchObject({ liveBytes: 0, created: 0 });
  });

  test("rounds up no further than the adapter's limit", () => {
    // lavapipe's limit is no whole number of words, and no size class.
    const odd = new BufferPool(gpu.device, gpu.faults, { maxBufferSize: 1030 });
    expect(odd.acquire(1026, "a").size).toBe(1028);
    expect(() => odd.acquire(1029, "b")).toThrow(/b: needs a buffer/);
    expect(gpu.faults.take()).toBeUndefined();
  });

  test("stays within its budget: gives idle memory back first, then refuses", () => {
    const tight = new BufferPool(gpu.device, gpu.faults, {
      maxBufferSize: 2 ** 20,
      maxIdleBytes: 2 ** 20,
      budget: 10_240,
    });
    const a = tight.acquire(4096, "a");
    tight.release(a);
    const b = tight.acquire(8192, "b");
    expect(tight.stats()).toMatchObject({ liveBytes: 8192, pooledBytes: 0 });
    expect(() => tight.acquire(4096, "activations")).toThrow(
      /^activations: could not allocate 4 KiB \(4096 bytes\).*holds 8 KiB in 1 live buffers of 10 KiB at most/,
    );
    tight.release(b);
    expect(tight.acquire(4096, "activations").size).toBe(4096);
  });
});

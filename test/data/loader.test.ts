import { beforeAll, describe, expect, test } from "vitest";
import {
  type Batch,
  Dataset,
  hostFoldIn,
  hostKey,
  hostPermutation,
  loader,
} from "../../data/index.js";
import {
  array,
  DisposedError,
  init,
  isTensor,
  jit,
  memoryStats,
  random,
  tree,
  vmap,
} from "../../src/index.js";

const numbered = (size: number) =>
  new Dataset({
    name: "numbered",
    images: Uint8Array.from({ length: 2 * size }, (_, i) => (i >> 1) + 100 * (i & 1)),
    labels: Array.from({ length: size }, (_, i) => i % 3),
    inputShape: [1, 2, 1],
    classes: ["a", "b", "c"],
  });

beforeAll(async () => {
  await init();
});

const turns = async (n: number) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

describe("a batch", () => {
  test("is a tree of tensors: images, labels and positions", async () => {
    const [batch] = await collect(loader(numbered(4), { batchSize: 4 }));
    expect(Object.keys(batch!)).toEqual(["x", "y", "indices"]);
    expect([batch!.x.shape, batch!.x.dtype]).toEqual([[4, 1, 2, 1], "float32"]);
    expect([batch!.y.shape, batch!.y.dtype]).toEqual([[4], "int32"]);
    expect([batch!.indices.shape, batch!.indices.dtype]).toEqual([[4], "int32"]);
    expect(tree.leaves(batch).every(isTensor)).toBe(true);
    expect(await batch!.y.toArray()).toEqual([0, 1, 2, 0]);
    expect(await batch!.indices.toArray()).toEqual([0, 1, 2, 3]);
    expect(await batch!.x.data()).toEqual(
      Float32Array.from([0, 100, 1, 101, 2, 102, 3, 103], (v) => v / 255),
    );
  });

  test("is an argument for jit and for vmap", async () => {
    const step = jit((b: Batch) => b.x.sum().add(b.y.sum()).add(b.indices.sum()));
    const rows = jit(vmap((b: Batch) => b.x.sum().add(b.indices), 0));
    for await (const batch of loader(numbered(6), { batchSize: 3 })) {
      const indices = (await batch.indices.toArray()) as number[];
      const sums = indices.map((i) => (2 * i + 100) / 255);
      const labels = indices.map((i) => i % 3);
      const total = [...sums, ...labels, ...indices].reduce((a, b) => a + b);
      expect(await step(batch).item()).toBeCloseTo(total, 4);
      const each = (await rows(batch).toArray()) as number[];
      each.forEach((v, row) => {
        expect(v).toBeCloseTo(sums[row]! + indices[row]!, 5);
      });
    }
  });

  test("has weights with pad, typed so", async () => {
    const all = await collect(loader(numbered(5), { batchSize: 3, pad: true }));
    expect(await all[1]!.weights.toArray()).toEqual([1, 1, 0]);
    expect(await all[1]!.indices.toArray()).toEqual([3, 4, 5]);
    // @ts-expect-error without pad there are none
    expect((await collect(loader(numbered(5), { batchSize: 3 })))[0]!.weights).toBeUndefined();
  });
});

test("the order is that of random.permutation on the device, by a tensor key", async () => {
  const size = 50;
  const key = random.key(7);
  const batches = loader(numbered(size), { batchSize: 8, shuffle: key });
  // Read when the loader is made.
  key.dispose();
  for (const epoch of [0, 1]) {
    const seen = (await collect(batches)).map((b) => b.indices.data());
    const order = (await Promise.all(seen)).flatMap((d) => [...d]);
    const device = random.permutation(random.foldIn(random.key(7), epoch), size);
    expect(order).toEqual(await device.toArray());
    expect(order).toEqual([...hostPermutation(hostFoldIn(hostKey(7), epoch), size)]);
  }
});

describe("release", () => {
  const use = jit((b: Batch) => b.x.sum());
  const live = () => memoryStats().liveTensors;

  test("a batch stays valid until it is disposed of, by `using` too", async () => {
    const [a, b] = await collect(loader(numbered(4), { batchSize: 2 }));
    a![Symbol.dispose]();
    await expect(a!.x.data()).rejects.toThrow(DisposedError);
    expect(await b!.y.toArray()).toEqual([2, 0]);
    let last: Batch | undefined;
    for await (using batch of loader(numbered(4), { batchSize: 2 })) {
      await use(batch).item();
      last = batch;
    }
    await expect(last!.x.data()).rejects.toThrow(DisposedError);
  });

  test("autoDispose keeps the memory constant, and nothing after the loop", async () => {
    const before = live();
    const counts: number[] = [];
    const batches = loader(numbered(40), { batchSize: 2, autoDispose: true });
    for await (const batch of batches) {
      use(batch).dispose();
      counts.push(live());
    }
    expect(new Set(counts.slice(1)).size).toBe(1);
    expect(live()).toBe(before);
    const steady = memoryStats().pooledBytes;
    for await (const batch of batches) use(batch).dispose();
    expect(memoryStats().pooledBytes).toBe(steady);
  });

  test("leaving the loop releases what was prepared ahead", async () => {
    const before = live();
    for await (const batch of loader(numbered(40), { batchSize: 2, prefetch: 5 })) {
      await turns(20);
      use(batch).dispose();
      batch[Symbol.dispose]();
      break;
    }
    await turns(20);
    expect(live()).toBe(before);
  });
});

test("steps in flight keep the values of batches that are released already", async () => {
  const sums = [];
  const step = jit((b: Batch) => b.indices.sum());
  for await (const b of loader(numbered(60), { batchSize: 4, autoDispose: true })) {
    sums.push(step(b));
  }
  const got = await Promise.all(sums.map((s) => s.item()));
  expect(got).toEqual(Array.from({ length: 15 }, (_, i) => 16 * i + 6));
  expect(await array(1).item()).toBe(1);
});

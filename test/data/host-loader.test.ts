import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalize } from "../../data/augmentations.js";
import { Dataset } from "../../data/dataset.js";
import { hostLoader, type LoaderOptions, type PreparedBatch } from "../../data/host-loader.js";
import { hostFoldIn, hostKey, hostPermutation, hostUniform } from "../../data/host-random.js";
import type { Transform } from "../../data/transform.js";
import { DataError } from "../../src/index.js";

const numbered = (size: number) =>
  new Dataset({
    name: "numbered",
    images: Uint8Array.from({ length: 2 * size }, (_, i) => (i >> 1) + 100 * (i & 1)),
    labels: Array.from({ length: size }, (_, i) => i % 3),
    inputShape: [1, 1, 2],
    classes: ["a", "b", "c"],
  });

const batches = (size: number, options: LoaderOptions) =>
  hostLoader<PreparedBatch>(
    numbered(size),
    options,
    (b) => b,
    () => {},
  );

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

const order = async (items: AsyncIterable<PreparedBatch>) =>
  (await collect(items)).flatMap((b) => [...b.indices]);

test("an epoch has every example once, with its own image and label", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(40),
      fc.integer({ min: 1, max: 12 }),
      fc.option(fc.nat(), { nil: undefined }),
      fc.nat(3),
      async (size, batchSize, seed, prefetch) => {
        const options = { batchSize, prefetch, ...(seed === undefined ? {} : { shuffle: seed }) };
        const all = await collect(batches(size, options));
        expect(all).toHaveLength(batches(size, options).batchesPerEpoch);
        const seen = all.flatMap((b) => [...b.indices]);
        expect(seen.slice().sort((a, b) => a - b)).toEqual([...Array(size).keys()]);
        if (seed === undefined) expect(seen).toEqual([...Array(size).keys()]);
        for (const b of all) {
          expect(b.shape).toEqual([b.indices.length, 1, 1, 2]);
          b.indices.forEach((index, row) => {
            expect(b.images[2 * row]).toBe(Math.fround(index / 255));
            expect(b.images[2 * row + 1]).toBe(Math.fround((index + 100) / 255));
            expect(b.labels[row]).toBe(index % 3);
            expect(b.weights[row]).toBe(1);
          });
        }
      },
    ),
    { numRuns: 60 },
  );
});

describe("the order", () => {
  test("in epoch e is the permutation by foldIn(key, e), whatever form the key has", async () => {
    const key = hostKey(11);
    const expected = (e: number) => [...hostPermutation(hostFoldIn(key, e), 20)];
    const forms = [11, key, Uint32Array.from(key), { data: async () => Uint32Array.from(key) }];
    for (const shuffle of forms) {
      const l = batches(20, { batchSize: 6, shuffle });
      for (const e of [0, 1, 2]) expect(await order(l)).toEqual(expected(e));
      expect(await order(l.epoch(1))).toEqual(expected(1));
      expect(await order(l.epoch(1, { from: 2 }))).toEqual(expected(1).slice(12));
      // Asking for an epoch by number does not count as one.
      expect(await order(l)).toEqual(expected(3));
    }
    expect(expected(0)).not.toEqual(expected(1));
  });

  test("two epochs at once do not disturb each other", async () => {
    const l = batches(30, { batchSize: 4, shuffle: 1 });
    const [a, b] = await Promise.all([order(l.epoch(0)), order(l.epoch(1))]);
    expect(a).toEqual(await order(l.epoch(0)));
    expect(b).toEqual(await order(l.epoch(1)));
  });
});

describe("the last batch", () => {
  const sizes = async (options: LoaderOptions) =>
    (await collect(batches(10, options))).map((b) => b.indices.length);

  test("is smaller by default, and absent with dropLast", async () => {
    expect(await sizes({ batchSize: 4 })).toEqual([4, 4, 2]);
    expect(await sizes({ batchSize: 4, dropLast: true })).toEqual([4, 4]);
    expect(await sizes({ batchSize: 5, dropLast: true })).toEqual([5, 5]);
    expect(await sizes({ batchSize: 100 })).toEqual([10]);
  });

  test("is filled up with rows of weight 0 with pad", async () => {
    const all = await collect(batches(10, { batchSize: 7, pad: true }));
    expect(all.map((b) => b.shape[0])).toEqual([7, 7]);
    const last = all[1]!;
    expect([...last.weights]).toEqual([1, 1, 1, 0, 0, 0, 0]);
    // One past the end: dropped by a scatter, never another example's entry.
    expect([...last.indices]).toEqual([7, 8, 9, 10, 10, 10, 10]);
    // Real images, repeated, so that no transform meets an empty one.
    expect(last.images.subarray(6, 12)).toEqual(last.images.subarray(0, 6));
    expect(all.flatMap((b) => [...b.weights]).reduce((a, b) => a + b)).toBe(10);
  });
});

describe("transforms", () => {
  test("get keys that depend on key, epoch, batch and position, and on nothing else", async () => {
    const seen = new Map<string, string>();
    const note =
      (name: string): Transform =>
      (batch, { key, epoch, batch: index }) => {
        const where = `${name} ${epoch} ${index}`;
        expect(seen.get(where) ?? String(key)).toBe(String(key));
        seen.set(where, String(key));
        return batch;
      };
    for (const prefetch of [0, 4]) {
      const transform = [note("first"), note("second")];
      const l = batches(10, { batchSize: 3, shuffle: 5, prefetch, transform });
      await collect(l);
      await collect(l);
    }
    expect(new Set(seen.values()).size).toBe(2 * 2 * 4);
    // `key` separates the transforms' randomness from the order.
    const before = [...seen.values()];
    await collect(
      batches(10, {
        batchSize: 3,
        shuffle: 5,
        key: 6,
        transform: (b, { key }) => {
          expect(before).not.toContain(String(key));
          return b;
        },
      }),
    );
  });

  test("may be asynchronous, random, and change the image's shape", async () => {
    const brightest: Transform = async (batch, { key }) => {
      await new Promise((resolve) => setImmediate(resolve));
      const noise = hostUniform(key, batch.indices.length);
      const images = Float32Array.from(noise, (u, row) => u + batch.images[2 * row + 1]!);
      return { ...batch, images, shape: [batch.indices.length, 1] };
    };
    const run = () => collect(batches(10, { batchSize: 4, shuffle: 0, transform: brightest }));
    const [a, b] = [await run(), await run()];
    expect(a).toEqual(b);
    expect(a[2]!.shape).toEqual([2, 1]);
    expect(Math.floor(a[2]!.images[1]!)).toBe(a[2]!.indices[1]! + 100);
  });

  test("normalize works by channel, on bytes and on floats", async () => {
    const mean = [0.1, 0.5];
    const std = [0.25, 2];
    const [bytes] = await collect(
      batches(4, { batchSize: 4, transform: normalize({ mean, std }) }),
    );
    const toHalf: Transform = (b) => ({
      ...b,
      images: Float32Array.from(b.images, (v) => v / 255),
    });
    const [floats] = await collect(
      batches(4, { batchSize: 4, transform: [toHalf, normalize({ mean, std })] }),
    );
    for (let row = 0; row < 4; row++) {
      for (const c of [0, 1]) {
        const exact = ((row + 100 * c) / 255 - mean[c]!) / std[c]!;
        expect(bytes!.images[2 * row + c]).toBeCloseTo(exact, 6);
        expect(floats!.images[2 * row + c]).toBeCloseTo(exact, 6);
      }
    }
    const wrong = batches(4, { batchSize: 2, transform: normalize({ mean: [0, 0, 0], std: 1 }) });
    await expect(collect(wrong)).rejects.toThrow(/one mean or one for each of 2 channels, found 3/);
    expect(() => normalize({ mean: 0, std: 0 })).toThrow(DataError);
  });

  test("that lose rows or values are refused", async () => {
    const broken: [Transform, RegExp][] = [
      [(b) => ({ ...b, labels: b.labels.subarray(1) }), /expected a batch of 3 rows.*2 labels/],
      [(b) => ({ ...b, images: b.images.subarray(1) }), /5 values/],
      [(b) => ({ ...b, shape: [2, 3] }), /found shape \[2,3\]/],
    ];
    for (const [transform, message] of broken) {
      await expect(collect(batches(10, { batchSize: 3, transform }))).rejects.toThrow(message);
    }
  });
});

describe("errors", () => {
  test("name the batch, the epoch and the examples, and keep the cause", async () => {
    const cause = new RangeError("too bright");
    const l = batches(10, {
      batchSize: 2,
      transform: (b, { batch }) => {
        if (batch === 3) throw cause;
        return b;
      },
    });
    const got: number[] = [];
    const run = async () => {
      for await (const b of l.epoch(4)) got.push(b.indices[0]!);
    };
    const error = await run().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      "loader(numbered): batch 3 of epoch 4 (examples 6, 7): too bright",
    );
    expect((error as Error).cause).toBe(cause);
    expect(got).toEqual([0, 2, 4]);
  });

  test("of the options come at once, of a key when it is needed", async () => {
    const refused: [Partial<LoaderOptions>, RegExp][] = [
      [{ batchSize: 0 }, /batchSize to be an integer >= 1, found 0/],
      [{ batchSize: 2.5 }, /found 2.5/],
      [{ prefetch: -1 }, /prefetch/],
      [{ batchSize: 11, dropLast: true }, /at most 10.*found 11: with dropLast/],
      [{ dropLast: true, pad: true }, /dropLast or pad/],
      [{ shuffle: true as unknown as number }, /shuffle: expected a seed or a key/],
      [{ shuffle: -1 }, /seed that is an integer/],
    ];
    for (const [options, message] of refused) {
      expect(() => batches(10, { batchSize: 2, ...options })).toThrow(message);
    }
    const key = { data: () => Promise.reject(new Error("disposed")) };
    await new Promise((resolve) => setImmediate(resolve));
    await expect(collect(batches(10, { batchSize: 2, shuffle: key }))).rejects.toThrow(
      /batch 0 of epoch 0: disposed/,
    );
    expect(() => batches(10, { batchSize: 2 }).epoch(-1)).toThrow(DataError);
  });

  test("an abort is thrown as it is", async () => {
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(collect(batches(4, { batchSize: 2, signal }))).rejects.toThrow(/^stop$/);
  });
});

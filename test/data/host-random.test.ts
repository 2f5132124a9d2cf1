import fc from "fast-check";
import { expect, test } from "vitest";
import {
  hostBits,
  hostFoldIn,
  hostKey,
  hostPermutation,
  hostSplit,
  hostUniform,
  readKey,
  threefry2x32,
} from "../../data/host-random.js";
import { DataError } from "../../src/index.js";

test("threefry2x32 gives the vectors published with it", () => {
  // Random123's kat_vectors, threefry2x32 with 20 rounds.
  expect(threefry2x32([0, 0], 0, 0)).toEqual([0x6b200159, 0x99ba4efe]);
  expect(threefry2x32([0xffffffff, 0xffffffff], 0xffffffff, 0xffffffff)).toEqual([
    0x1cb996fc, 0xbb002be7,
  ]);
  expect(threefry2x32([0x13198a2e, 0x03707344], 0x243f6a88, 0x85a308d3)).toEqual([
    0xc4923a9c, 0x483df7a0,
  ]);
});

test("keys, bits and uniform numbers are those of JAX", () => {
  // jax 0.10.2, jax_threefry_partitionable.
  expect(hostUniform(hostKey(0), 1)[0]).toBeCloseTo(0.947667, 6);
  expect(hostKey(42)).toEqual([0, 42]);
  expect(hostSplit(hostKey(0), 3)).toEqual([
    [1797259609, 2579123966],
    [928981903, 3453687069],
    [4146024105, 2718843009],
  ]);
  expect(hostFoldIn(hostKey(0), 7)).toEqual([2716826189, 292468403]);
  expect(hostFoldIn(hostKey(5), 4000000000)).toEqual([742236840, 2089359188]);
  expect([...hostBits(hostKey(1), 5)]).toEqual([
    1883912375, 2292451390, 1915204986, 1882898417, 3854144420,
  ]);
  expect([...hostUniform(hostKey(1), 4)]).toEqual([
    0.4386324882507324, 0.5337529182434082, 0.44591832160949707, 0.4383963346481323,
  ]);
});

test("permutations are those of JAX", () => {
  const first = (seed: number, n: number, count = n) => [
    ...hostPermutation(hostKey(seed), n).subarray(0, count),
  ];
  expect(first(0, 10)).toEqual([0, 1, 8, 5, 6, 4, 3, 2, 7, 9]);
  expect(first(7, 10)).toEqual([9, 4, 2, 3, 5, 0, 7, 6, 1, 8]);
  expect(first(3, 1)).toEqual([0]);
  // Two rounds of sorting from 1626 on.
  expect(first(3, 2000, 6)).toEqual([1883, 819, 811, 456, 1123, 377]);
  expect(first(3, 60000, 6)).toEqual([17646, 5300, 45274, 10340, 51311, 29701]);
  expect([...hostPermutation(hostKey(3), 60000).subarray(-3)]).toEqual([34428, 34798, 34974]);
});

test("a permutation has every index once", () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(300), (seed, n) => {
      const order = hostPermutation(hostKey(seed), n);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }),
    { numRuns: 50 },
  );
});

test("any kind of key gives its two words", async () => {
  expect(await readKey(9)).toEqual([0, 9]);
  expect(await readKey([1, 2])).toEqual([1, 2]);
  expect(await readKey(Uint32Array.of(3, 0xfffffffe))).toEqual([3, 0xfffffffe]);
  expect(await readKey({ data: async () => Uint32Array.of(5, 6) })).toEqual([5, 6]);
  await expect(readKey(Uint32Array.of(1, 2, 3))).rejects.toThrow(
    /two uint32 words.*found 3 values/,
  );
  expect(() => readKey(true as unknown as number, "loader: shuffle")).toThrow(
    /loader: shuffle: expected a seed or a key .*found true \(a boolean\)/,
  );
  for (const seed of [-1, 0.5, 2 ** 32, Number.NaN]) {
    expect(() => readKey(seed)).toThrow(DataError);
  }
});

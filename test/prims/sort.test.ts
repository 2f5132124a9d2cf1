/** sort: stable, NaN last, one permutation for all operands; both ways of lowering. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DType } from "../../src/core/dtype.js";
import { ndarray } from "../../src/core/ndarray.js";
import * as p from "../../src/prims/index.js";
import { sortByCounting, sortByMerging } from "../../src/prims/sort-lines.js";
import {
  type Build,
  checkAll,
  checkBatch,
  checkLowering,
  checkSecondOrder,
  f32,
  graphOf,
  i32,
  lowered,
  nonScalar,
  run,
  values,
} from "./harness.js";

const distinct = (shape: readonly number[], seed: number) => {
  const x = values(shape, seed);
  return f32(
    shape,
    Array.from(x.data, (v, i) => v + i / 1024),
  );
};

const cases = nonScalar(3, 5).chain((shape) =>
  fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1), seed: fc.nat(99) }),
);

describe("rules agree", () => {
  test("one operand and two, every axis", () => {
    fc.assert(
      fc.property(cases, ({ shape, axis, seed }) => {
        checkAll((x) => p.sort([x!], axis), distinct(shape, seed));
        checkAll((x, y) => p.sort([x!, y!], axis), distinct(shape, seed), values(shape, seed + 1));
      }),
      { numRuns: 30 },
    );
  });

  test("second order", () => {
    checkSecondOrder(
      (x, y) => p.sort([p.exp(x!), p.mul(y!, y!)], 0).slice(0, 2),
      distinct([4, 2], 1),
      values([4, 2], 2),
    );
  });

  test("with ties, for every dtype", () => {
    for (const dtype of ["float32", "int32", "uint32", "bool"] as DType[]) {
      fc.assert(
        fc.property(cases, ({ shape, axis, seed }) => {
          const key = values(shape, seed, dtype);
          checkLowering((x) => p.sort([x!], axis), key);
          checkBatch((x, y) => p.sort([x!, y!], axis), key, values(shape, seed, "int32"));
        }),
        { numRuns: 10 },
      );
    }
  });

  test("the transpose is a permutation too: nothing is scattered", () => {
    const g = graphOf(
      (x, y) => p.sort([x!, y!], 0),
      [
        { shape: [4], dtype: "float32" },
        { shape: [4], dtype: "float32" },
      ],
    );
    expect(g.eqns.map((e) => e.prim.name)).toEqual(["sort"]);
  });
});

describe("numpy's results", () => {
  test("argsort(kind='stable') with NaN, infinities and both zeros", () => {
    const key = f32([9], [3, NaN, -0, 0, -Infinity, NaN, Infinity, -2.5, 3]);
    const f = (x: Parameters<typeof p.sort>[0][number]) => p.sort([x], 0);
    const [sorted, order, rank] = run((x) => f(x!), key);
    expect([...order!.data]).toEqual([4, 7, 2, 3, 0, 8, 6, 1, 5]);
    expect([...sorted!.data]).toEqual([-Infinity, -2.5, -0, 0, 3, 3, Infinity, NaN, NaN]);
    expect([...rank!.data]).toEqual([4, 7, 2, 3, 0, 8, 6, 1, 5].map((_, i, l) => l.indexOf(i)));
    checkLowering((x) => f(x!), key);
  });

  test("along axis 0, integers with negative ones", () => {
    const m = i32([3, 3], [3, 1, 2, -1, 5, 0, 2, 2, -7]);
    const [sorted, order] = run((x) => p.sort([x!], 0), m);
    expect([...order!.data]).toEqual([1, 0, 2, 2, 2, 1, 0, 1, 0]);
    expect([...sorted!.data]).toEqual([-1, 1, -7, 2, 2, 0, 3, 5, 2]);
  });
});

describe("long lines", () => {
  test("are merged from blocks: any length, stably, NaN last, as by counting", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(99), (n, seed) => {
        const x = values([2, n], seed);
        const key = f32(
          [2, n],
          Array.from(x.data, (v, i) => (i % 11 === 3 ? NaN : i % 13 === 4 ? -0 : v)),
        );
        const [order, rank] = run((a) => p.sort([a!], 1), key).slice(1);
        const ways: Build[] = [
          (a) => sortByCounting(a!),
          (a) => sortByMerging(a!, 1),
          (a) => sortByMerging(a!, 8),
        ];
        for (const way of ways) {
          const [got, inverse] = run(way, key);
          expect([...got!.data]).toEqual([...order!.data]);
          expect([...inverse!.data]).toEqual([...rank!.data]);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("keeps the greatest words apart from its padding", () => {
    const top = ndarray([1, 5], "uint32", [4294967295, 1, 4294967295, 0, 4294967295]);
    const [order] = run((a) => sortByMerging(a!, 2), top);
    expect([...order!.data]).toEqual([3, 1, 0, 2, 4]);
  });

  test("are sorted so where counting would make too many comparisons", () => {
    const gathers = (shape: number[]) =>
      lowered(graphOf((x) => p.sort([x!], 1), [{ shape, dtype: "float32" }])).eqns.filter(
        (e) => e.prim.name === "gather",
      ).length > 1;
    expect(gathers([1, 1024])).toBe(false);
    expect(gathers([1, 1025])).toBe(true);
    expect(gathers([100, 1000])).toBe(true);
    checkLowering((x) => p.sort([x!], 0), values([1030], 5));
  });

  test("take a number of equations that grows as log²n", () => {
    const size = (n: number) =>
      lowered(graphOf((x) => p.sort([x!], 0), [{ shape: [n], dtype: "float32" }])).eqns.length;
    // 8 merges of at most 17 steps, and the inverse.
    expect(size(65536)).toBeLessThan(8 * 17 * 10 + 17 * 12 + 100);
  });
});

test("errors name the operands", () => {
  expect(() => run((x, y) => p.sort([x!, y!], 0), values([3], 1), values([4], 1))).toThrow(
    /sort: operands float32\[3\], float32\[4\] must have one shape/,
  );
  expect(() => run((x) => p.sort([x!], 1), values([3], 1))).toThrow(
    /sort: axis 1 is out of range for float32\[3\]/,
  );
});

test("the kink of a sort is its smallest gap", () => {
  const sort = p.primitives.find((q) => q.name === "sort")!;
  expect(sort.kink!([f32([4], [3, 1, 7, 2.5])], { axis: 0 })).toBe(0.5);
});

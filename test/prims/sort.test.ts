/** sort: stable, NaN last, one permutation for all operands; both ways of lowering. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DType } from "../../src/core/dtype.js";
import { ndarray } from "../../src/core/ndarray.js";
import * as p from "../../src/prims/index.js";
import { sortByCounting, sortByNetwork } from "../../src/prims/sort-network.js";
import {
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

describe("the network for long lines", () => {
  test("sorts lines of any length as counting does: stably, NaN last", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(99), (n, seed) => {
        const x = values([2, n], seed);
        const key = f32(
          [2, n],
          Array.from(x.data, (v, i) => (i % 11 === 3 ? NaN : i % 13 === 4 ? -0 : v)),
        );
        const [order, rank] = run((a) => p.sort([a!], 1), key).slice(1);
        for (const way of [sortByNetwork, sortByCounting]) {
          const [got, inverse] = run((a) => way(a!), key);
          expect([...got!.data]).toEqual([...order!.data]);
          expect([...inverse!.data]).toEqual([...rank!.data]);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("keeps the greatest words apart from its padding", () => {
    const top = ndarray([1, 5], "uint32", [4294967295, 1, 4294967295, 0, 4294967295]);
    const [order] = run((a) => sortByNetwork(a!), top);
    expect([...order!.data]).toEqual([3, 1, 0, 2, 4]);
  });

  test("takes over where counting would make too many comparisons", () => {
    const reduces = (shape: number[]) =>
      lowered(graphOf((x) => p.sort([x!], 1), [{ shape, dtype: "float32" }])).eqns.some(
        (e) => e.prim.kind === "reduce",
      );
    expect(reduces([1, 1024])).toBe(true);
    expect(reduces([1, 1025])).toBe(false);
    expect(reduces([40, 1000])).toBe(false);
    checkLowering((x) => p.sort([x!], 0), values([1030], 5));
  });

  test("has log²n/2 stages of the same size", () => {
    const size = (n: number) =>
      lowered(graphOf((x) => p.sort([x!], 0).slice(0, 1), [{ shape: [n], dtype: "float32" }])).eqns
        .length;
    const [small, large] = [size(2048), size(65536)];
    // 66 and 136 stages: the same number of equations each, and the fixed part.
    expect(large / small).toBeLessThan(136 / 66 + 0.05);
    expect(large).toBeLessThan(136 * 2 * 20);
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

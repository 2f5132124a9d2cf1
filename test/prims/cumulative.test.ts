/** Cumulative sums, products, maxima and minima: short lines, blocked lines, both directions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ndarray } from "../../src/core/ndarray.js";
import type { Atom } from "../../src/ir/graph.js";
import * as p from "../../src/prims/index.js";
import {
  checkAll,
  checkBatch,
  checkDerivatives,
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

type Scan = (x: Atom, axis: number, reverse?: boolean) => Atom;
const out = (f: (x: Atom) => Atom, x: Parameters<typeof run>[1]) => [
  ...run((a) => f(a!), x)[0]!.data,
];

/** Away from ties: a different fraction for every element. */
const distinct = (shape: readonly number[], seed: number) => {
  const x = values(shape, seed);
  return f32(
    shape,
    Array.from(x.data, (v, i) => v + i / 256),
  );
};

const cases = nonScalar(3, 4).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axis: fc.nat(shape.length - 1),
    reverse: fc.boolean(),
    seed: fc.nat(99),
  }),
);

describe("rules agree", () => {
  for (const [name, op] of Object.entries({ cumsum: p.cumsum, cumprod: p.cumprod })) {
    test(name, () => {
      fc.assert(
        fc.property(cases, ({ shape, axis, reverse, seed }) => {
          checkAll((x) => op(x!, axis, reverse), values(shape, seed));
          checkSecondOrder((x) => op(p.mul(x!, x!), axis, reverse), values(shape, seed));
        }),
        { numRuns: 25 },
      );
    });
  }
  for (const [name, op] of Object.entries({ cummax: p.cummax, cummin: p.cummin })) {
    test(name, () => {
      fc.assert(
        fc.property(cases, ({ shape, axis, reverse, seed }) => {
          checkAll((x) => op(x!, axis, reverse), distinct(shape, seed));
          checkLowering((x) => op(x!, axis, reverse), values(shape, seed));
          checkSecondOrder((x) => op(p.exp(x!), axis, reverse), distinct(shape, seed));
        }),
        { numRuns: 25 },
      );
    });
  }
});

describe("long lines go by blocks", () => {
  const all: Scan[] = [p.cumsum, p.cummax, p.cummin];
  for (const n of [63, 64, 65, 130, 300]) {
    test(`${n} elements`, () => {
      for (const op of all) {
        for (const reverse of [false, true]) {
          checkLowering((x) => op(x!, 1, reverse), values([2, n], n));
          checkLowering((x) => op(x!, 0, reverse), values([n, 2], n, "uint32"));
        }
      }
      // Powers of two up to 2^±n would overflow: ±1 and a zero near the end.
      const signs = values([n], 3, "int32");
      const units = f32(
        [n],
        Array.from(signs.data, (v, i) => (i === n - 5 ? 0 : v % 2 ? 1 : -1)),
      );
      checkLowering((x) => p.cumprod(x!, 0), units);
    });
  }

  test("a line of more than a block of blocks", () => {
    checkLowering((x) => p.cumsum(x!, 0), values([4100], 1));
  });

  test("in logarithmic depth and a number of equations that hardly grows", () => {
    const size = (n: number) =>
      lowered(graphOf((x) => p.cumsum(x!, 0), [{ shape: [n], dtype: "float32" }])).eqns.length;
    // One level of blocks for each factor of 64.
    const level = size(64 * 64) - size(64);
    expect(size(2 ** 18) - size(64 * 64)).toBe(level);
    expect(level).toBeLessThan(20);
  });
});

describe("derivatives where it is delicate", () => {
  test("cumprod with zeros", () => {
    const x = f32([6], [2, 0, 3, 0, -1.5, 4]);
    for (const reverse of [false, true]) {
      checkDerivatives((a) => p.cumprod(a!, 0, reverse), x);
      checkSecondOrder((a) => p.cumprod(a!, 0, reverse), x);
    }
  });

  test("of equal elements the first one met carries the tangent of cummax", () => {
    const prim = p.primitives.find((q) => q.name === "cummax")!;
    const tangent = (reverse: boolean) => {
      const params = { axis: 0, reverse };
      const t = run(
        (x, dx) =>
          prim.jvp!({
            primals: [x!],
            tangents: [dx!],
            outputs: [p.cummax(x!, 0, reverse)],
            params,
          })[0]!,
        f32([5], [1, 3, 3, 2, 3]),
        f32([5], [10, 20, 30, 40, 50]),
      );
      return [...t[0]!.data];
    };
    expect(tangent(false)).toEqual([10, 20, 20, 20, 20]);
    expect(tangent(true)).toEqual([50, 50, 50, 50, 50]);
  });
});

describe("numpy's results", () => {
  const x = f32([2, 4], [0.5, -1.25, 3, 2, 0, 4, -2, -2]);
  test("cumsum, cumprod", () => {
    expect(out((a) => p.cumsum(a, 1), x)).toEqual([0.5, -0.75, 2.25, 4.25, 0, 4, 2, 0]);
    expect(out((a) => p.cumprod(a, 0), x)).toEqual([0.5, -1.25, 3, 2, 0, -5, -6, -4]);
  });
  test("maximum.accumulate, minimum.accumulate, NaN included", () => {
    expect(out((a) => p.cummax(a, 1), x)).toEqual([0.5, 0.5, 3, 3, 0, 4, 4, 4]);
    expect(out((a) => p.cummin(a, 0), x)).toEqual([0.5, -1.25, 3, 2, 0, -1.25, -2, -2]);
    const nan = f32([4], [1, Number.NaN, 5, 0]);
    expect(out((a) => p.cummax(a, 0), nan)).toEqual([1, NaN, NaN, NaN]);
    checkLowering((a) => p.cummax(a!, 0), nan);
    checkLowering(
      (a) => p.cummin(a!, 0),
      f32(
        [70],
        Array.from({ length: 70 }, (_, i) => (i === 40 ? NaN : -i)),
      ),
    );
  });
  test("integers wrap", () => {
    expect(out((a) => p.cumsum(a, 0), i32([2], [2147483647, 1]))).toEqual([
      2147483647, -2147483648,
    ]);
    const u = ndarray([3], "uint32", [4294967295, 2, 2]);
    expect(out((a) => p.cumprod(a, 0), u)).toEqual([4294967295, 4294967294, 4294967292]);
    checkLowering((a) => p.cumprod(a!, 0), u);
    checkBatch((a) => p.cumsum(a!, 0), u);
  });
  test("the axis must exist", () => {
    expect(() => out((a) => p.cumsum(a, 2), x)).toThrow(
      /cumsum: axis 2 is out of range for float32\[2,4\]/,
    );
  });
});

/** Reductions, argmax and argmin. */
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
  run,
  shapes,
  values,
} from "./harness.js";

const out = (f: (x: Atom) => Atom, x: Parameters<typeof run>[1]) => [
  ...run((a) => f(a!), x)[0]!.data,
];

/** A shape, and a choice of its axes. */
const withAxes = shapes(3, 4).chain((shape) =>
  fc.nat(2 ** shape.length - 1).map((bits) => ({
    shape,
    axes: shape.map((_, i) => i).filter((i) => (bits >> i) & 1),
  })),
);

/** Distinct positive values (their squares differ too), so that every maximum is away from a tie. */
const distinct = (shape: readonly number[], seed: number) => {
  const n = shape.reduce((a, b) => a * b, 1);
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => ((a * 7919 + seed * 31) % 101) - ((b * 7919 + seed * 31) % 101),
  );
  return f32(
    shape,
    order.map((v) => (v + 1) / 4),
  );
};

describe("rules agree", () => {
  test("reduceSum, reduceProd", () => {
    fc.assert(
      fc.property(withAxes, fc.nat(50), ({ shape, axes }, seed) => {
        const x = values(shape, seed);
        checkAll((a) => p.reduceSum(a!, axes), x);
        checkAll((a) => p.reduceProd(a!, axes), x);
      }),
      { numRuns: 40 },
    );
  });

  test("reduceMax, reduceMin, argmax, argmin", () => {
    fc.assert(
      fc.property(withAxes, fc.nat(50), ({ shape, axes }, seed) => {
        const x = distinct(shape, seed);
        for (const op of [p.reduceMax, p.reduceMin]) {
          checkAll((a) => op(a!, axes), x);
          checkSecondOrder((a) => op(p.mul(a!, a!), axes), x);
        }
        const axis = axes[0];
        if (axis === undefined) return;
        for (const op of [p.argmax, p.argmin]) {
          checkLowering((a) => op(a!, axis), x);
          checkLowering((a) => op(a!, axis), values(shape, seed));
          checkLowering((a) => op(a!, axis), values(shape, seed, "uint32"));
          checkBatch((a) => op(a!, axis), x);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("reduceAnd, reduceOr", () => {
    fc.assert(
      fc.property(withAxes, fc.nat(50), ({ shape, axes }, seed) => {
        const x = values(shape, seed, "bool");
        for (const op of [p.reduceAnd, p.reduceOr]) checkBatch((a) => op(a!, axes), x);
        expect(out((a) => p.not(p.reduceAnd(p.not(a), axes)), x)).toEqual(
          out((a) => p.reduceOr(a, axes), x),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe("the derivative of a product", () => {
  test("is right with one zero, with two, and to second order", () => {
    for (const line of [
      [2, 0, 3, -1, 0.5],
      [2, 0, 3, 0, 0.5],
      [0, 0, 0],
    ]) {
      checkDerivatives((a) => p.reduceProd(a!, [0]), f32([line.length], line));
      checkSecondOrder((a) => p.reduceProd(a!, [0]), f32([line.length], line));
    }
    checkSecondOrder((a) => p.reduceProd(a!, [0, 2]), values([3, 2, 3], 8));
  });
});

describe("numpy's conventions", () => {
  test("reductions of nothing", () => {
    const empty = f32([0, 2], []);
    expect(out((a) => p.reduceSum(a, [0]), empty)).toEqual([0, 0]);
    expect(out((a) => p.reduceProd(a, [0]), empty)).toEqual([1, 1]);
    expect(out((a) => p.reduceMax(a, [0]), empty)).toEqual([-Infinity, -Infinity]);
    expect(() => out((a) => p.argmax(a, 0), empty)).toThrow(
      /argmax: axis 0 of float32\[0,2\] is empty/,
    );
  });

  test("integers wrap", () => {
    expect(out((a) => p.reduceSum(a, [0]), i32([2], [2147483647, 1]))).toEqual([-2147483648]);
    expect(out((a) => p.reduceProd(a, [0]), i32([3], [65536, 65536, 3]))).toEqual([0]);
    const u = ndarray([2], "uint32", [4294967295, 3]);
    expect(out((a) => p.reduceSum(a, [0]), u)).toEqual([2]);
    expect(out((a) => p.reduceProd(a, [0]), u)).toEqual([4294967293]);
  });

  test("NaN wins a maximum and a minimum, the first one wins argmax and argmin", () => {
    const x = f32([4], [1, Number.NaN, 5, Number.NaN]);
    for (const op of [p.reduceMax, p.reduceMin]) expect(out((a) => op(a, [0]), x)).toEqual([NaN]);
    for (const op of [p.argmax, p.argmin]) {
      expect(out((a) => op(a, 0), x)).toEqual([1]);
      checkLowering((a) => op(a!, 0), x);
    }
  });

  test("argmax takes the first of equals", () => {
    const x = f32([2, 3], [1, 3, 3, 2, 2, 0]);
    expect(out((a) => p.argmax(a, 1), x)).toEqual([1, 0]);
    expect(out((a) => p.argmin(a, 1), x)).toEqual([0, 2]);
    expect(out((a) => p.argmax(a, 0), x)).toEqual([1, 0, 0]);
    const low = f32([2], [-Infinity, -Infinity]);
    expect(out((a) => p.argmax(a, 0), low)).toEqual([0]);
    checkLowering((a) => p.argmax(a!, 0), low);
  });

  test("ties share the tangent of a maximum equally, as in JAX", () => {
    const tangent = run(
      (a, t) => {
        const y = p.reduceMax(a!, [0]);
        const max = p.primitives.find((q) => q.name === "reduceMax")!;
        return max.jvp!({ primals: [a!], tangents: [t!], outputs: [y], params: { axes: [0] } })[0]!;
      },
      f32([4], [1, 3, 3, 2]),
      f32([4], [10, 20, 40, 80]),
    );
    expect([...tangent[0]!.data]).toEqual([30]);
  });
});

describe("simplification and errors", () => {
  test("reducing no axes, or axes of size 1, is a reshape or nothing", () => {
    const kinds = (f: (a: Atom) => Atom, shape: number[]) =>
      graphOf((a) => f(a!), [{ shape, dtype: "float32" }]).eqns.map((e) => e.prim.kind);
    expect(kinds((a) => p.reduceSum(a, []), [2, 3])).toEqual([]);
    expect(kinds((a) => p.reduceMax(a, [0, 2]), [1, 3, 1])).toEqual(["view"]);
  });

  test("errors name the operation, the axes and the array", () => {
    const fails = (f: (a: Atom) => Atom, message: RegExp, dtype: "float32" | "bool" = "float32") =>
      expect(() => graphOf((a) => f(a!), [{ shape: [2, 3], dtype }])).toThrow(message);
    fails((a) => p.reduceSum(a, [2]), /reduceSum: axes 2 is out of range for float32\[2,3\]/);
    fails((a) => p.reduceSum(a, [0, 0]), /reduceSum: axes \[0,0\] .*distinct/);
    fails((a) => p.reduceSum(a, [0]), /reduceSum takes float32.*not bool\[2,3\]/, "bool");
    fails((a) => p.reduceOr(a, [0]), /reduceOr takes bool, not float32\[2,3\]/);
    fails((a) => p.argmax(a, 2), /argmax: axis 2 is out of range for float32\[2,3\]/);
  });
});

test("the kink of a maximum is the gap to the second best", () => {
  const max = p.primitives.find((q) => q.name === "reduceMax")!;
  const x = f32([2, 3], [1, 4, 2.5, 0, -1, -1.25]);
  expect(max.kink!([x], { axes: [1] })).toBe(1);
});

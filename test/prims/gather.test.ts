/** gather, scatterAdd, dynamicSlice, dynamicUpdateSlice: indices that are data. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { lit } from "../../src/ir/builder.js";
import * as p from "../../src/prims/index.js";
import {
  checkAll,
  checkSecondOrder,
  f32,
  graphOf,
  i32,
  nonScalar,
  run,
  shapes,
  values,
} from "./harness.js";

/** Indices from a little below 0 to a little beyond `n`. */
const indices = (shape: readonly number[], n: number, seed: number, unsigned = false): NdArray => {
  const raw = values(shape, seed, "int32");
  const span = n + (unsigned ? 2 : 4);
  return ndarray(
    shape,
    unsigned ? "uint32" : "int32",
    Array.from(raw.data, (v) => (v % span) - (unsigned ? 0 : 2)),
  );
};

/** An index array as constants of the graph. */
const constantOf = (x: NdArray) =>
  p.concatenate(
    Array.from(x.data, (v) => p.broadcastInDim(lit(v, "int32"), [1], [])),
    0,
  );

const cases = nonScalar(3, 3).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axis: fc.nat(shape.length - 1),
    own: shapes(2, 3),
    lanes: fc.nat(2),
    seed: fc.nat(99),
    unsigned: fc.boolean(),
  }),
);

describe("gather and scatterAdd", () => {
  test("rules agree for any axis and batch axes", () => {
    fc.assert(
      fc.property(cases, ({ shape, axis, own, lanes, seed, unsigned }) => {
        const batch = Math.min(lanes, axis);
        const at = indices([...shape.slice(0, batch), ...own], shape[axis]!, seed, unsigned);
        const x = values(shape, seed + 1);
        checkAll((a, i) => p.gather(a!, i!, { axis, batch }), x, at);
        const updates = values(
          [...shape.slice(0, axis), ...own, ...shape.slice(axis + 1)],
          seed + 2,
        );
        checkAll((a, i, u) => p.scatterAdd(a!, i!, u!, { axis, batch }), x, at, updates);
      }),
      { numRuns: 50 },
    );
  });

  test("second order, through repeated and dropped indices", () => {
    const at = i32([4], [1, 1, 7, -1]);
    const take = { axis: 0, batch: 0 };
    checkSecondOrder((a) => p.gather(p.mul(a!, a!), constantOf(at), take), values([3, 2], 1));
    checkSecondOrder(
      (a, u) => p.mul(p.scatterAdd(a!, constantOf(at), p.mul(u!, u!), { axis: 0, batch: 0 }), a!),
      values([3], 1),
      values([4], 2),
    );
  });

  test("reads clamp, additions outside are dropped", () => {
    const x = f32([3], [10, 20, 30]);
    const at = i32([4], [-1, 0, 2, 5]);
    const got = run((a, i) => p.gather(a!, i!, { axis: 0, batch: 0 }), x, at);
    expect([...got[0]!.data]).toEqual([10, 10, 30, 30]);
    const sum = run(
      (a, i, u) => p.scatterAdd(a!, i!, u!, { axis: 0, batch: 0 }),
      x,
      at,
      f32([4], [1, 2, 3, 4]),
    );
    expect([...sum[0]!.data]).toEqual([12, 20, 33]);
    const huge = ndarray([2], "uint32", [4294967295, 1]);
    expect([...run((a, i) => p.gather(a!, i!, { axis: 0, batch: 0 }), x, huge)[0]!.data]).toEqual([
      30, 20,
    ]);
  });

  test("the shape follows numpy's take", () => {
    // np.take(np.arange(6).reshape(2, 3), [[2, 0]], axis=1)
    const x = f32([2, 3], [0, 1, 2, 3, 4, 5]);
    const got = run((a, i) => p.gather(a!, i!, { axis: 1, batch: 0 }), x, i32([1, 2], [2, 0]))[0]!;
    expect(got.shape).toEqual([2, 1, 2]);
    expect([...got.data]).toEqual([2, 0, 5, 3]);
  });

  test("batching copies nothing: only views and one gather", () => {
    const gather = p.primitives.find((q) => q.name === "gather")!;
    for (const mapped of [
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const g = graphOf(
        (a, i) =>
          gather.batch({ inputs: [a!, i!], mapped, size: 5, params: { axis: 1, batch: 0 } }),
        [
          { shape: mapped[0] ? [5, 2, 3] : [2, 3], dtype: "float32" },
          { shape: mapped[1] ? [5, 4] : [4], dtype: "int32" },
        ],
      );
      expect(g.eqns.every((e) => e.prim.kind === "view")).toBe(true);
      expect(g.outputs[0]!.aval.shape).toEqual([5, 2, 4]);
    }
  });

  test("errors name the operand, the indices and the axis", () => {
    expect(() =>
      run((a, i) => p.gather(a!, i!, { axis: 2, batch: 0 }), values([2, 3], 1), i32([1], [0])),
    ).toThrow(/gather: indices int32\[1\] do not address axis 2 of float32\[2,3\]/);
    expect(() =>
      run(
        (a, i, u) => p.scatterAdd(a!, i!, u!, { axis: 0, batch: 0 }),
        values([3], 1),
        i32([2], [0, 1]),
        values([3], 1),
      ),
    ).toThrow(/scatterAdd: updates float32\[3\] must have shape \[2\]/);
    expect(() =>
      run((a, i) => p.gather(a!, i!, { axis: 0, batch: 0 }), f32([0], []), i32([1], [0])),
    ).toThrow(/gather: axis 0 of float32\[0\] has nothing to take/);
  });
});

describe("dynamicSlice and dynamicUpdateSlice", () => {
  const windows = shapes(3, 4).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      sizes: fc.tuple(...shape.map((n) => fc.nat(n))) as fc.Arbitrary<number[]>,
      batch: fc.nat(shape.length),
      seed: fc.nat(99),
    }),
  );

  test("rules agree for any window and batch axes", () => {
    fc.assert(
      fc.property(windows, ({ shape, sizes, batch, seed }) => {
        const lanes = shape.slice(0, batch);
        const own = sizes.slice(batch);
        const starts = own.map((_, k) => indices(lanes, shape[batch + k]!, seed + k, k % 2 === 1));
        const x = values(shape, seed);
        checkAll((a, ...s) => p.dynamicSlice(a!, s, own, batch), x, ...starts);
        const update = values([...lanes, ...own], seed + 5);
        checkAll((a, u, ...s) => p.dynamicUpdateSlice(a!, u!, s, batch), x, update, ...starts);
      }),
      { numRuns: 40 },
    );
  });

  test("starts clamp as in lax", () => {
    const x = f32([5], [0, 1, 2, 3, 4]);
    const at = (start: number) => [
      ...run((a, s) => p.dynamicSlice(a!, [s!], [3]), x, i32([], [start]))[0]!.data,
    ];
    expect(at(1)).toEqual([1, 2, 3]);
    expect(at(9)).toEqual([2, 3, 4]);
    expect(at(-4)).toEqual([0, 1, 2]);
    const put = (start: number) => [
      ...run(
        (a, u, s) => p.dynamicUpdateSlice(a!, u!, [s!]),
        x,
        f32([2], [8, 9]),
        i32([], [start]),
      )[0]!.data,
    ];
    expect(put(1)).toEqual([0, 8, 9, 3, 4]);
    expect(put(7)).toEqual([0, 1, 2, 8, 9]);
  });

  test("errors say which window does not fit", () => {
    expect(() =>
      run((a, s) => p.dynamicSlice(a!, [s!], [6]), values([5], 1), i32([], [0])),
    ).toThrow(/dynamicSlice: a window of \[6\] does not fit into float32\[5\]/);
    expect(() =>
      run((a, s) => p.dynamicSlice(a!, [s!], [1]), values([5], 1), f32([], [0])),
    ).toThrow(/dynamicSlice: start 0 must be int32 or uint32/);
  });
});

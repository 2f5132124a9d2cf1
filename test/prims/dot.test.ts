/** dotGeneral over random pairings of axes, and against matrix products by hand. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ndarray } from "../../src/core/ndarray.js";
import * as p from "../../src/prims/index.js";
import { checkAll, checkSecondOrder, f32, graphOf, i32, run, values } from "./harness.js";

/** Random axes: each is batch, contracted, free on the left or free on the right, then shuffled. */
const cases = fc
  .tuple(
    fc.array(
      fc.record({
        role: fc.constantFrom("batch", "contract", "left", "right"),
        n: fc.integer({ min: 1, max: 3 }),
      }),
      { maxLength: 5 },
    ),
    fc.nat(1000),
  )
  .map(([axes, seed]) => {
    const shuffle = (list: number[], s: number) =>
      list.sort((i, j) => ((i * 31 + s) % 17) - ((j * 31 + s) % 17) || i - j);
    const ids = axes.map((_, i) => i);
    const left = shuffle(
      ids.filter((i) => axes[i]!.role !== "right"),
      seed,
    );
    const right = shuffle(
      ids.filter((i) => axes[i]!.role !== "left"),
      seed * 3 + 1,
    );
    const both = (role: string) => {
      const list = shuffle(
        ids.filter((i) => axes[i]!.role === role),
        seed * 5 + 2,
      );
      return [list.map((i) => left.indexOf(i)), list.map((i) => right.indexOf(i))] as const;
    };
    return {
      a: left.map((i) => axes[i]!.n),
      b: right.map((i) => axes[i]!.n),
      params: { contract: both("contract"), batch: both("batch") },
      seed,
    };
  });

describe("dotGeneral", () => {
  test("tangents, transposes and batching agree for any axes", () => {
    fc.assert(
      fc.property(cases, ({ a, b, params, seed }) => {
        checkAll((x, y) => p.dotGeneral(x!, y!, params), values(a, seed), values(b, seed + 1));
      }),
      { numRuns: 60 },
    );
  });

  test("second order", () => {
    const params = { contract: [[2], [1]], batch: [[0], [0]] } as const;
    checkSecondOrder(
      (x, y) => p.dotGeneral(x!, y!, params),
      values([2, 3, 2], 1),
      values([2, 2, 2], 2),
    );
  });

  test("equals the sum of products over all axes", () => {
    fc.assert(
      fc.property(cases, ({ a, b, params, seed }) => {
        const [x, y] = [values(a, seed), values(b, seed + 1)];
        const got = run((s, t) => p.dotGeneral(s!, t!, params), x, y)[0]!;
        const other = run(
          (s, t) =>
            p.dotGeneral(t!, s!, {
              contract: [params.contract[1], params.contract[0]],
              batch: [params.batch[1], params.batch[0]],
            }),
          x,
          y,
        )[0]!;
        // Operands exchanged: the free axes change places.
        const nb = params.batch[0].length;
        const na = a.length - nb - params.contract[0].length;
        const perm = [...got.shape.keys()].map((i) =>
          i < nb ? i : i < nb + na ? got.shape.length - na + (i - nb) : i - na,
        );
        const back = run((s) => p.transpose(s!, perm), other)[0]!;
        expect([...back.data]).toEqual([...got.data]);
      }),
      { numRuns: 60 },
    );
  });

  test("a matrix product, and integers that wrap", () => {
    const params = { contract: [[1], [0]], batch: [[], []] } as const;
    const c = run(
      (x, y) => p.dotGeneral(x!, y!, params),
      f32([2, 3], [1, 2, 3, 4, 5, 6]),
      f32([3, 2], [7, 8, 9, 10, 11, 12]),
    );
    expect([...c[0]!.data]).toEqual([58, 64, 139, 154]);
    const w = run(
      (x, y) => p.dotGeneral(x!, y!, params),
      i32([1, 2], [65536, 1]),
      i32([2, 1], [65536, 5]),
    );
    expect([...w[0]!.data]).toEqual([5]);
    const u = run(
      (x, y) => p.dotGeneral(x!, y!, params),
      ndarray([1, 1], "uint32", [4294967295]),
      ndarray([1, 1], "uint32", [2]),
    );
    expect([...u[0]!.data]).toEqual([4294967294]);
    const none = run((x, y) => p.dotGeneral(x!, y!, params), f32([2, 0], []), f32([0, 2], []));
    expect([...none[0]!.data]).toEqual([0, 0, 0, 0]);
  });

  test("one mapped operand stays one contraction without a batch axis where that suffices", () => {
    const dot = p.primitives.find((q) => q.name === "dotGeneral")!;
    const batchAxes = (
      a: number[],
      b: number[],
      mapped: boolean[],
      contract: [number[], number[]],
    ) => {
      const g = graphOf(
        (x, y) =>
          dot.batch({ inputs: [x!, y!], mapped, size: 4, params: { contract, batch: [[], []] } }),
        [
          { shape: a, dtype: "float32" },
          { shape: b, dtype: "float32" },
        ],
      );
      const eqn = g.eqns.find((e) => e.prim === dot)!;
      return (eqn.params as { batch: number[][] }).batch[0]!.length;
    };
    expect(batchAxes([4, 2, 3], [3, 5], [true, false], [[1], [0]])).toBe(0);
    expect(batchAxes([3], [4, 3, 5], [false, true], [[0], [0]])).toBe(0);
    expect(batchAxes([2, 3], [4, 3, 5], [false, true], [[1], [0]])).toBe(1);
  });

  test("errors name both operands and the axes", () => {
    const fails = (params: Parameters<typeof p.dotGeneral>[2], message: RegExp) =>
      expect(() =>
        run((x, y) => p.dotGeneral(x!, y!, params), values([2, 3], 1), values([4, 2], 1)),
      ).toThrow(message);
    fails(
      { contract: [[1], [0]], batch: [[], []] },
      /contracted axes \[1\] of float32\[2,3\] and \[0\] of float32\[4,2\]/,
    );
    fails(
      { contract: [[2], [0]], batch: [[], []] },
      /left axes 2 is out of range for float32\[2,3\]/,
    );
    fails({ contract: [[0], [1]], batch: [[0], [1]] }, /left axes \[0,0\].*distinct/);
  });
});

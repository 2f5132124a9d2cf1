/** Law 5 at the surface: vmap with any inAxes and outAxes is a stack of calls, in f64. */
import { type Axes, add, matmul, mul, sin, sum, type Tensor, vmap } from "dawngrad";
import { type HostArray, reference } from "dawngrad/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ndFromFunction } from "../../src/core/ndarray.js";
import { HostArray as Host } from "../../src/testing/host-array.js";
import { hostArray } from "../../src/testing/index.js";

type Pair = { a: Tensor; b: Tensor };

/** Functions of lanes a [2, 3] and b [3], which give outputs of ranks 2, 1 and 0. */
const f = (p: Pair, k: Tensor) => ({
  rows: [mul(p.a, sin(p.b)), matmul(p.a, p.b)],
  total: add(sum(p.a), k),
  constant: k,
});

const arrayOf = (shape: readonly number[], seed: number): HostArray =>
  new Host(
    ndFromFunction(shape, "float32", (_, i) => ((i * 7 + seed * 3) % 11) / 4 - 1 + seed / 16),
  );

/** The shape with the lane axis put in at `axis`, which may be negative. */
const widened = (shape: readonly number[], axis: number | null, lanes: number): number[] => {
  if (axis === null) return [...shape];
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  return [...shape.slice(0, at), lanes, ...shape.slice(at)];
};

/** Lane `i` of an array along an axis. */
function laneOf(x: HostArray, axis: number | null, i: number): HostArray {
  if (axis === null) return x;
  const at = axis < 0 ? axis + x.shape.length : axis;
  const shape = x.shape.filter((_, d) => d !== at);
  const steps = x.shape.map((_, d) => x.shape.slice(d + 1).reduce((n, s) => n * s, 1));
  return new Host(
    ndFromFunction(shape, x.dtype, (index) => {
      const full = [...index.slice(0, at), i, ...index.slice(at)];
      return x.data[full.reduce((n, p, d) => n + p * steps[d]!, 0)]!;
    }),
  );
}

const axis = (rank: number) => fc.option(fc.integer({ min: -rank, max: rank - 1 }), { nil: null });
const always = (rank: number) => fc.integer({ min: -rank, max: rank - 1 });

test("vmap(f, inAxes, outAxes) = stack of f", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        a: axis(3),
        b: axis(2),
        k: axis(1),
        lanes: fc.integer({ min: 1, max: 3 }),
        rows: fc.tuple(always(3), always(2)),
        // One axis for both rows, where it fits both.
        shared: fc.boolean(),
        total: always(1),
        constant: axis(1),
      }),
      async ({ a, b, k, lanes, rows, shared, total, constant }) => {
        fc.pre(a !== null || b !== null || k !== null);
        // An output that does not depend on the lane may be left without an axis, others may not.
        const outOfConstant = k === null ? constant : (constant ?? 0);
        const inAxes: Axes = [{ a, b }, k];
        const rowAxes = shared ? [rows[1], rows[1]] : [...rows];
        const outAxes: Axes = {
          rows: shared ? rows[1] : rowAxes,
          total: a === null && k === null ? 0 : total,
          constant: outOfConstant,
        };
        const pair = {
          a: arrayOf(widened([2, 3], a, lanes), 1),
          b: arrayOf(widened([3], b, lanes), 2),
        };
        const scalar = arrayOf(widened([], k, lanes), 3);
        const got = await reference(vmap(f, inAxes, outAxes))(pair, scalar);
        for (let i = 0; i < lanes; i++) {
          const want = await reference(f)(
            { a: laneOf(pair.a, a, i), b: laneOf(pair.b, b, i) },
            laneOf(scalar, k, i),
          );
          const close = (x: HostArray, at: number | null, y: HostArray): void => {
            const lane = laneOf(x, at, i);
            expect(lane.shape).toEqual(y.shape);
            lane.data.forEach((v, j) => {
              expect(Math.abs(v - y.data[j]!)).toBeLessThanOrEqual(1e-12);
            });
          };
          got.rows.forEach((x, j) => {
            close(x, rowAxes[j]!, want.rows[j]!);
          });
          close(got.total, a === null && k === null ? 0 : total, want.total);
          close(got.constant, outOfConstant, want.constant);
        }
      },
    ),
    { numRuns: 300, seed: 20261124 },
  );
});

test("a lane of one keeps its axis", async () => {
  const y = await reference(vmap((x: Tensor) => x.mul(2), 1, -1))(hostArray([[1], [2]]));
  expect(y.toArray()).toEqual([[2], [4]]);
});

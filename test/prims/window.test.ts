/** Window maps, views over them, extrema and convolutions: every rule on random geometry. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ndarray } from "../../src/core/ndarray.js";
import { lit } from "../../src/ir/builder.js";
import type { Atom } from "../../src/ir/graph.js";
import {
  type ConvParams,
  conv,
  shearWindows,
  takeWindow,
  type WindowDim,
  windowMax,
  windowMin,
  windows,
} from "../../src/prims/index.js";
import { elementOf, exchanged, inverted } from "../../src/prims/window-map.js";
import {
  type ContractParams,
  contractionDims,
  matrixSizes,
  sourceOf,
} from "../../src/schedule/contraction.js";
import { Defs } from "../../src/schedule/defs.js";
import { vjpGraph } from "../../src/transform/index.js";
import {
  checkAll,
  checkBatch,
  checkLowering,
  checkSecondOrder,
  f32,
  graphOf,
  i32,
  lowered,
  run,
  values,
} from "./harness.js";

const signed = fc.constantFrom(1, 1, 2, -1, -2);
const dim: fc.Arbitrary<WindowDim> = fc.record({
  positions: fc.integer({ min: 1, max: 4 }),
  window: fc.integer({ min: 1, max: 3 }),
  stride: signed,
  dilation: signed,
  base: fc.integer({ min: 1, max: 2 }),
  lo: fc.integer({ min: -3, max: 3 }),
});
const runs = (numRuns: number) => ({ numRuns, seed: 77 });

describe("window maps", () => {
  test("inverted: the places from which an offset sees an element", () => {
    fc.assert(
      fc.property(dim, fc.integer({ min: 1, max: 5 }), (d, size) => {
        const back = inverted(d, size);
        for (let k = 0; k < d.window; k++) {
          for (let p = 0; p < d.positions; p++) {
            const i = elementOf(d, size, p, k);
            if (i >= 0) expect(elementOf(back, d.positions, i, k)).toBe(p);
          }
          for (let i = 0; i < size; i++) {
            const p = elementOf(back, d.positions, i, k);
            if (p >= 0) expect(elementOf(d, size, p, k)).toBe(i);
          }
        }
      }),
      runs(300),
    );
  });
  test("exchanged: the same elements by offset and place", () => {
    fc.assert(
      fc.property(dim, fc.integer({ min: 1, max: 5 }), (d, size) => {
        for (let k = 0; k < d.window; k++) {
          for (let p = 0; p < d.positions; p++) {
            expect(elementOf(exchanged(d), size, k, p)).toBe(elementOf(d, size, p, k));
          }
        }
      }),
      runs(200),
    );
  });
});

/** An array of rank 2 or 3 with windows over one or two of its axes. */
const geometry = fc
  .record({
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 3 }),
    first: fc.nat({ max: 1 }),
    dims: fc.array(dim, { minLength: 1, maxLength: 2 }),
    seed: fc.nat({ max: 99 }),
  })
  .map(({ sizes, first, dims, seed }) => {
    const axes = first === 1 && dims.length === 2 ? [0, 1] : dims.map((_, i) => first + i);
    return { x: values(sizes, seed), params: { axes, dims }, seed };
  });

describe("views", () => {
  test("windows", () => {
    fc.assert(
      fc.property(geometry, ({ x, params, seed }) => {
        checkAll((a, v) => windows(a!, v!, params), x, values([], seed + 1));
      }),
      runs(60),
    );
  });
  test("shearWindows", () => {
    fc.assert(
      fc.property(geometry, ({ x, params, seed }) => {
        const at = params.axes[params.axes.length - 1]! + 1;
        const wide = [
          ...x.shape.slice(0, at),
          ...params.dims.map((d) => d.window),
          ...x.shape.slice(at),
        ];
        checkAll((a) => shearWindows(a!, params), values(wide, seed));
      }),
      runs(60),
    );
  });
  test("takeWindow, also with offsets out of range", () => {
    fc.assert(
      fc.property(geometry, ({ x, params, seed }) => {
        const shape = x.shape.map((n, a) => {
          const d = params.dims[params.axes.indexOf(a)];
          return d ? d.positions : n;
        });
        const raw = values(shape, seed + 3, "int32");
        const offsets = ndarray(
          shape,
          "int32",
          Array.from(raw.data, (v) => (v % 13) - 2),
        );
        checkAll((a, k) => takeWindow(a!, k!, params), x, offsets);
      }),
      runs(60),
    );
  });
  test("windows of an image, by hand", () => {
    const x = f32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const d = { positions: 2, window: 2, stride: 1, dilation: 1, base: 1, lo: 0 };
    const params = { axes: [0, 1], dims: [d, d] };
    const [y] = run((a) => windows(a!, lit(0, "float32"), params), x);
    expect(y!.shape).toEqual([2, 2, 2, 2]);
    expect([...y!.data]).toEqual([1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9]);
  });
});

describe("extrema", () => {
  test.each([
    ["windowMax", windowMax],
    ["windowMin", windowMin],
  ] as const)("%s: lowering, lanes and views, ties included", (_, extremum) => {
    fc.assert(
      fc.property(geometry, ({ x, params }) => {
        const f = (a: Atom | undefined) => extremum(a!, params);
        checkLowering(f, x);
        checkBatch(f, x);
      }),
      runs(60),
    );
  });
  test("the first of equals; nothing but padding gives the last offset", () => {
    const params = {
      axes: [0],
      dims: [{ positions: 3, window: 3, stride: 3, dilation: 1, base: 1, lo: 1 }],
    };
    const f = (a: Atom | undefined) => windowMax(a!, params);
    const [best, where] = run(f, i32([4], [5, 5, 7, 7]));
    expect([...best!.data]).toEqual([5, 7, -2147483648]);
    expect([...where!.data]).toEqual([1, 0, 2]);
  });
});

/** A convolution with any assignment of roles to axes in any order. */
const convolution = fc
  .record({
    batch: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 1 }),
    left: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 2 }),
    right: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 2 }),
    contract: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 1 }),
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 2 }),
    dims: fc.tuple(dim, dim),
    orders: fc.tuple(fc.nat(), fc.nat(), fc.nat()),
    seed: fc.nat({ max: 99 }),
  })
  .map((c) => {
    const dims = c.dims.slice(0, c.sizes.length);
    const operand = (order: number, free: readonly number[], spatial: readonly number[]) => {
      const groups = [c.batch, free, c.contract, spatial];
      const sizes = groups.flat();
      const perm = permutation(sizes.length, order);
      const shape = perm.map((p) => sizes[p]!);
      let next = 0;
      const [batch, own, contract, space] = groups.map((g) => g.map(() => perm.indexOf(next++)));
      return { shape, axes: { batch: batch!, free: own!, contract: contract!, spatial: space! } };
    };
    const a = operand(c.orders[0], c.left, c.sizes);
    const w = operand(
      c.orders[1],
      c.right,
      dims.map((d) => d.window),
    );
    const rank = c.batch.length + c.left.length + dims.length + c.right.length;
    const params: ConvParams = {
      lhs: a.axes,
      rhs: w.axes,
      out: permutation(rank, c.orders[2]),
      dims,
    };
    return { a: values(a.shape, c.seed), w: values(w.shape, c.seed + 5), params };
  });

function permutation(n: number, code: number): number[] {
  const out = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1, q = code; i > 0; i--, q = Math.floor(q / (i + 2))) {
    const j = q % (i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

describe("conv", () => {
  test("any roles of axes in any order: lowering, lanes, derivatives", () => {
    fc.assert(
      fc.property(convolution, ({ a, w, params }) => {
        checkAll((x, y) => conv(x!, y!, params), a, w);
      }),
      runs(150),
    );
  });
  test("lowered, it is one product of views with zeros around them, forward and backward", () => {
    const d = { positions: 3, window: 3, stride: 2, dilation: 1, base: 1, lo: 1 };
    const params: ConvParams = {
      lhs: { batch: [], free: [0], contract: [2], spatial: [1] },
      rhs: { batch: [], free: [2], contract: [1], spatial: [0] },
      out: [0, 1, 2],
      dims: [d],
    };
    const graph = graphOf(
      (x, w) => conv(x!, w!, params),
      [values([4, 5, 4], 1), values([3, 4, 4], 2)],
    );
    const { backward } = vjpGraph(graph, [true, true]);
    for (const [g, products] of [
      [lowered(graph), 1],
      [lowered(backward), 2],
    ] as const) {
      expect(g.eqns.filter((e) => e.prim.kind === "contract").length).toBe(products);
      const defs = new Defs(g, g.inputs.length);
      for (const e of g.eqns.filter((x) => x.prim.kind === "contract")) {
        for (const x of e.inputs) {
          expect(sourceOf(defs, x, (v) => g.inputs.includes(v))).toBeDefined();
        }
      }
    }
  });
  test("steps of s: each of the s² phases multiplies only the taps that it has", () => {
    const d = { positions: 8, window: 3, stride: 2, dilation: 1, base: 1, lo: 1 };
    const params: ConvParams = {
      lhs: { batch: [], free: [0], contract: [3], spatial: [1, 2] },
      rhs: { batch: [], free: [3], contract: [2], spatial: [0, 1] },
      out: [0, 1, 2, 3],
      dims: [d, d],
    };
    const inputs = [values([2, 16, 16, 4], 1), values([3, 3, 4, 4], 2)];
    const graph = graphOf((x, w) => conv(x!, w!, params), inputs);
    const { backward } = vjpGraph(graph, [true, false]);
    const [product] = lowered(backward).eqns.filter((e) => e.prim.kind === "contract");
    // 9 windows a side (the last phase of the padding is one), 2 × 2 quotients of taps of 4 channels,
    // 2 × 2 phases of 4 channels: the map as it is would multiply 9 taps at each of 16 × 16 elements.
    const [left, right] = product!.inputs.map((x) => x.aval.shape);
    const dims = contractionDims(left!, right!, product!.params as ContractParams);
    const { m, n, k } = matrixSizes(dims);
    expect([m, n, k]).toEqual([2 * 9 * 9, 2 * 2 * 4, 2 * 2 * 4]);
  });
  test("second order", () => {
    fc.assert(
      fc.property(convolution, ({ a, w, params }) => {
        checkSecondOrder((x, y) => conv(x!, y!, params), a, w);
      }),
      runs(25),
    );
  });
});

/** Views: index rules, references and derivatives agree; simplification; numpy's results by hand. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ndFromFunction } from "../../src/core/ndarray.js";
import { lit } from "../../src/ir/builder.js";
import { type Atom, Lit, type Var } from "../../src/ir/graph.js";
import { type Idx, idxEvaluate, idxVar, type ViewExpr } from "../../src/ir/index-expr.js";
import * as p from "../../src/prims/index.js";
import { interpret } from "../../src/reference/interpret.js";
import {
  checkAll,
  checkBatch,
  checkViews,
  f32,
  graphOf,
  i32,
  nonScalar,
  run,
  shapes,
  total,
  values,
} from "./harness.js";

const one = (x: ReturnType<typeof run>) => [...x[0]!.data];
const count = (f: (...a: Atom[]) => Atom, ...shape: number[][]) =>
  graphOf(
    f,
    shape.map((s) => ({ shape: s, dtype: "float32" as const })),
  ).eqns.length;

/** A random list of one entry an axis. */
const perAxis = <T>(shape: readonly number[], entry: (n: number) => fc.Arbitrary<T>) =>
  fc.tuple(...shape.map(entry)) as fc.Arbitrary<T[]>;

const runs = { numRuns: 40 };

describe("rules agree", () => {
  test("broadcastInDim", () => {
    const cases = shapes(3, 3).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        perAxis(shape, (n) =>
          fc.record({ expand: fc.boolean(), new: fc.nat(1), n: fc.constant(n) }),
        ),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
      ),
    );
    fc.assert(
      fc.property(cases, ([shape, axes, tail]) => {
        const out: number[] = [];
        const dims: number[] = [];
        for (const a of axes) {
          if (a.new) out.push(2);
          dims.push(out.length);
          out.push(a.n === 1 && a.expand ? 3 : a.n);
        }
        checkAll((x) => p.broadcastInDim(x!, [...out, ...tail], dims), values(shape, 1));
      }),
      runs,
    );
  });

  test("reshape, transpose, reverse", () => {
    fc.assert(
      fc.property(nonScalar(), fc.nat(), fc.nat(), (shape, seed, pick) => {
        const n = total(shape);
        const target = pick % 2 ? [n] : [1, ...shape.slice().reverse()];
        const perm = shape
          .map((_, i) => i)
          .sort((a, b) => ((seed * (a + 1)) % 7) - ((seed * (b + 1)) % 7));
        const axes = shape.map((_, i) => i).filter((i) => (seed >> i) & 1);
        const x = values(shape, seed);
        checkAll((a) => p.reshape(a!, target), x);
        checkAll((a) => p.transpose(a!, perm), x);
        checkAll((a) => p.reverse(a!, axes), x);
      }),
      runs,
    );
  });

  test("slice with strides", () => {
    const cases = nonScalar(3, 6).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        perAxis(shape, (n) =>
          fc.tuple(fc.nat(n), fc.nat(n), fc.integer({ min: 1, max: 3 })).map(([a, b, s]) => ({
            from: Math.min(a, b),
            to: Math.max(a, b),
            step: s,
          })),
        ),
      ),
    );
    fc.assert(
      fc.property(cases, ([shape, axes]) => {
        checkAll(
          (x) =>
            p.slice(
              x!,
              axes.map((a) => a.from),
              axes.map((a) => a.to),
              axes.map((a) => a.step),
            ),
          values(shape, 3),
        );
      }),
      runs,
    );
  });

  test("pad: negative, interior, a traced value", () => {
    const cases = shapes(3, 3, 0).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        perAxis(shape, () =>
          fc.record({
            lo: fc.integer({ min: -2, max: 2 }),
            hi: fc.integer({ min: -2, max: 2 }),
            interior: fc.nat(2),
          }),
        ),
      ),
    );
    fc.assert(
      fc.property(cases, ([shape, axes]) => {
        const size = (i: number) =>
          axes[i]!.lo + axes[i]!.hi + Math.max(0, shape[i]! + (shape[i]! - 1) * axes[i]!.interior);
        fc.pre(shape.every((_, i) => size(i) >= 0));
        checkAll(
          (x, v) =>
            p.pad(
              x!,
              v!,
              axes.map((a) => a.lo),
              axes.map((a) => a.hi),
              axes.map((a) => a.interior),
            ),
          values(shape, 4),
          f32([], [0.375]),
        );
      }),
      { numRuns: 80 },
    );
  });

  test("concatenate of up to five, empty ones among them", () => {
    const cases = nonScalar(3, 3).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axis: fc.nat(shape.length - 1),
        lengths: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ shape, axis, lengths }) => {
        const xs = lengths.map((n, i) =>
          values(
            shape.map((d, a) => (a === axis ? n : d)),
            i,
          ),
        );
        checkAll((...atoms) => p.concatenate(atoms, axis), ...xs);
      }),
      runs,
    );
  });

  test("iota and stopGradient", () => {
    for (const dtype of ["float32", "int32", "uint32"] as const) {
      checkViews(() => p.iota(dtype, [2, 3, 4], 1));
    }
    expect(one(run(() => p.iota("int32", [2, 3], 1)))).toEqual([0, 1, 2, 0, 1, 2]);
    checkViews((x) => p.stopGradient(x!), values([3, 2], 1));
    checkBatch((x) => p.stopGradient(x!), values([3, 2], 1));
  });
});

describe("chains of views", () => {
  /** Follow an output position through every view down to a graph input, symbolically. */
  function trace(
    atom: Atom,
    index: readonly Idx[],
    graph: ReturnType<typeof graphOf>,
  ): ViewExpr | Lit {
    if (atom instanceof Lit) return atom;
    const eqn = graph.eqns.find((e) => e.outputs.includes(atom as Var));
    if (!eqn) return { kind: "element", operand: graph.inputs.indexOf(atom), index };
    return eqn.prim.view!({
      index,
      inputs: eqn.inputs.map((x) => x.aval),
      output: atom.aval,
      params: eqn.params,
    });
  }

  type Step = (x: Atom, seed: number) => Atom;
  const steps: Step[] = [
    (x, s) =>
      p.transpose(
        x,
        x.aval.shape.map((_, i) => (i + s) % x.aval.shape.length),
      ),
    (x, s) => p.reverse(x, [s % x.aval.shape.length]),
    (x) => p.reshape(x, [total(x.aval.shape)]),
    (x, s) => {
      const n = total(x.aval.shape);
      const d =
        [2, 3, 4, 5, 1].map((k, i, l) => l[(i + s) % 5]! && k).find((k) => n % k === 0) ?? 1;
      return p.reshape(x, s % 2 ? [d, n / d] : [n / d, d]);
    },
    (x, s) =>
      p.pad(
        x,
        lit(7, "float32"),
        x.aval.shape.map(() => s % 3),
        x.aval.shape.map(() => (s >> 2) % 2),
      ),
    (x, s) =>
      p.slice(
        x,
        x.aval.shape.map((n) => (n > 1 ? s % 2 : 0)),
        x.aval.shape,
        x.aval.shape.map(() => 1 + (s % 2)),
      ),
    (x) => p.concatenate([x, p.reverse(x, [0])], 0),
    (x) =>
      p.broadcastInDim(
        x,
        [2, ...x.aval.shape],
        x.aval.shape.map((_, i) => i + 1),
      ),
  ];

  test("compose into one expression with the value of the chain", () => {
    const program = fc.array(fc.record({ op: fc.nat(steps.length - 1), seed: fc.nat(30) }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(nonScalar(3, 4), program, (shape, ops) => {
        const x = values(shape, 9);
        const graph = graphOf(
          (a) =>
            ops.reduce(
              (v, { op, seed }) => (total(v.aval.shape) > 200 ? v : steps[op]!(v, seed)),
              a!,
            ),
          [{ shape, dtype: "float32" }],
        );
        const out = graph.outputs[0]!;
        const want = interpret(graph, [x])[0]!;
        const index = out.aval.shape.map((n, i) => idxVar(`i${i}`, n));
        const got = ndFromFunction(out.aval.shape, "float32", (at) => {
          const number = (e: Idx) =>
            idxEvaluate(
              e,
              (name) => at[Number(name.slice(1))]!,
              () => Number.NaN,
            );
          const walk = (atom: Atom, here: readonly Idx[]): number => {
            if (atom instanceof Lit) return atom.value;
            if (graph.inputs.includes(atom as Var)) {
              const flat = here.map(number).reduce((f, i, a) => f * shape[a]! + i, 0);
              return x.data[flat]!;
            }
            const eqn = graph.eqns.find((e) => e.outputs.includes(atom as Var))!;
            let expr = trace(atom, here, graph) as ViewExpr;
            while (expr.kind === "within") {
              const v = number(expr.value);
              expr = v >= expr.lo && v < expr.hi ? expr.then : expr.else;
            }
            if (expr.kind !== "element") throw new Error("no iota here");
            return walk(eqn.inputs[expr.operand]!, expr.index);
          };
          return walk(out, index);
        });
        expect([...got.data]).toEqual([...want.data]);
      }),
      { numRuns: 300 },
    );
  });
});

describe("simplification", () => {
  test("what changes nothing disappears", () => {
    expect(count((x) => p.reshape(x, [2, 3]), [2, 3])).toBe(0);
    expect(count((x) => p.transpose(x, [0, 1]), [2, 3])).toBe(0);
    expect(count((x) => p.reverse(x, [0]), [1, 3])).toBe(0);
    expect(count((x) => p.slice(x, [0, 0], [2, 3]), [2, 3])).toBe(0);
    expect(count((x) => p.pad(x, lit(1, "float32"), [0, 0], [0, 0]), [2, 3])).toBe(0);
    expect(count((x) => p.concatenate([x], 0), [2, 3])).toBe(0);
    expect(count((x) => p.broadcastInDim(x, [2, 3], [0, 1]), [2, 3])).toBe(0);
    expect(count((x) => p.dynamicSlice(x, [lit(1, "int32")], [4]), [4])).toBe(0);
  });

  test("chains become one view or none", () => {
    expect(count((x) => p.transpose(p.transpose(x, [1, 2, 0]), [2, 0, 1]), [2, 3, 4])).toBe(1);
    const through = graphOf(
      (x) => p.transpose(p.transpose(x!, [1, 2, 0]), [2, 0, 1]),
      [{ shape: [2, 3, 4], dtype: "float32" }],
    );
    expect(through.outputs[0]).toBe(through.inputs[0]);
    const shaped = graphOf(
      (x) => p.reshape(p.reshape(x!, [6]), [3, 2]),
      [{ shape: [2, 3], dtype: "float32" }],
    );
    expect(shaped.eqns.at(-1)!.inputs[0]).toBe(shaped.inputs[0]);
    const x = values([9], 5);
    const twice = (a: Atom) => p.slice(p.slice(a, [1], [9], [2]), [1], [4], [2]);
    expect(one(run((a) => twice(a!), x))).toEqual([x.data[3], x.data[7]]);
    checkAll((a) => twice(a!), x);
    checkAll(
      (a) => p.broadcastInDim(p.broadcastInDim(a!, [3, 1], [0]), [2, 3, 4], [1, 2]),
      values([3], 1),
    );
    checkAll((a) => p.reverse(p.reverse(a!, [0, 1]), [1]), values([3, 2], 1));
  });
});

describe("values as in numpy and lax", () => {
  test("pad with interior and negative edges", () => {
    // lax.pad([1,2,3], 9, [(1, 1, 1)]) and lax.pad([1,2,3,4], 0, [(-1, 2, 0)])
    const x = f32([3], [1, 2, 3]);
    expect(one(run((a) => p.pad(a!, lit(9, "float32"), [1], [1], [1]), x))).toEqual([
      9, 1, 9, 2, 9, 3, 9,
    ]);
    const y = f32([4], [1, 2, 3, 4]);
    expect(one(run((a) => p.pad(a!, lit(0, "float32"), [-1], [2]), y))).toEqual([2, 3, 4, 0, 0]);
  });

  test("transpose moves axis perm[i] to i", () => {
    const x = f32([2, 3], [1, 2, 3, 4, 5, 6]);
    expect(one(run((a) => p.transpose(a!, [1, 0]), x))).toEqual([1, 4, 2, 5, 3, 6]);
  });
});

describe("errors name the operation and the shapes", () => {
  const cases: [string, (x: Atom) => Atom, RegExp][] = [
    ["reshape", (x) => p.reshape(x, [4]), /reshape: float32\[2,3\] has 6 .* \[4\]/],
    [
      "transpose",
      (x) => p.transpose(x, [0, 0]),
      /transpose: permutation \[0,0\] of float32\[2,3\]/,
    ],
    [
      "slice",
      (x) => p.slice(x, [0, 2], [2, 4]),
      /slice: start 2, limit 4, .*axis 1 of float32\[2,3\]/,
    ],
    ["pad", (x) => p.pad(x, lit(0, "float32"), [-3, 0], [0, 0]), /pad: lo -3.*float32\[2,3\].*-1/],
    ["pad dtype", (x) => p.pad(x, lit(0, "int32"), [0, 1], [0, 0]), /pad: .*one dtype/],
    [
      "concatenate",
      (x) => p.concatenate([x, p.transpose(x, [1, 0])], 0),
      /concatenate: .*float32\[3,2\]/,
    ],
    [
      "broadcastInDim",
      (x) => p.broadcastInDim(x, [2, 4], [0, 1]),
      /broadcastInDim: float32\[2,3\].*\[2,4\]/,
    ],
    ["iota", () => p.iota("int32", [2], 1), /iota: axis 1 is out of range for int32\[2\]/],
    [
      "gather",
      (x) => p.gather(x, lit(0, "float32"), { axis: 0, batch: 0 }),
      /gather: indices.*int32/,
    ],
    [
      "dynamicSlice",
      (x) => p.dynamicSlice(x, [lit(0, "int32")], [1]),
      /dynamicSlice: float32\[2,3\] needs 2/,
    ],
    ["reverse", (x) => p.reverse(x, [2]), /reverse: axes 2 is out of range for float32\[2,3\]/],
  ];
  for (const [name, f, message] of cases) {
    test(name, () => {
      expect(() => graphOf((x) => f(x!), [{ shape: [2, 3], dtype: "float32" }])).toThrow(message);
    });
  }
  test("indices may not be floats", () => {
    expect(() =>
      run((x, i) => p.gather(x!, i!, { axis: 0, batch: 0 }), f32([2], [1, 2]), i32([], [0])),
    ).not.toThrow();
  });
});

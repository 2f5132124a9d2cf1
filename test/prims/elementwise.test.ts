/**
 * The elementwise family against values from elsewhere (Math, mpmath to 18 digits, published vectors)
 * and its conventions at corners. The laws common to all primitives are in table.test.ts.
 */
import { describe, expect, it } from "vitest";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { buildGraph, lit } from "../../src/ir/builder.js";
import { type Atom, Lit } from "../../src/ir/graph.js";
import * as p from "../../src/prims/index.js";
import { interpret } from "../../src/reference/interpret.js";
import { jvpGraph } from "../../src/transform/index.js";
import { type Build, checkDerivatives, f32, graphOf, i32, run } from "./harness.js";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const u32 = (data: number[]) => ndarray([data.length], "uint32", data);
const bools = (data: number[]) => ndarray([data.length], "bool", data);
const list = (x: NdArray): number[] => [...x.data];

/** f on floats given as lists. */
const on = (f: Build, ...xs: number[][]): number[] =>
  list(run(f, ...xs.map((x) => f32([x.length], x)))[0]!);

/** Partial derivatives of f at a point, by its jvp rule on unit tangents; null where it gives none. */
function partials(f: Build, ...point: number[]): (number | null)[] {
  const inputs = point.map((x) => f32([], [x]));
  const graph = graphOf(f, inputs);
  return point.map((_, i) => {
    const joint = jvpGraph(
      graph,
      point.map((__, k) => k === i),
    );
    return joint.outMask[0] ? interpret(joint.graph, [...inputs, f32([], [1])])[1]!.data[0]! : null;
  });
}

/** What a function of atoms becomes in a graph: the names of its equations. */
const shapeOf = (f: Build, n = 1, dtype: "float32" | "int32" | "bool" = "float32"): string[] =>
  buildGraph(Array(n).fill({ shape: [2], dtype }), (xs) => [f(...xs) as Atom]).eqns.map(
    (e) => e.prim.name,
  );

describe("values of special functions (mpmath)", () => {
  const table: [string, (x: Atom) => Atom, [number, number][]][] = [
    [
      "erf",
      p.erf,
      [
        [0.3, 0.3286267594591274],
        [2.7, 0.9998656672600594],
        [-1, -0.8427007929497149],
        [inf, 1],
      ],
    ],
    [
      "erfc",
      p.erfc,
      [
        [0.2, 0.7772974107895215],
        [9, 4.13703174651381e-37],
        [-inf, 2],
      ],
    ],
    [
      "erfInv",
      p.erfInv,
      [
        [0.999, 2.3267537655135246],
        [-0.01, -0.008862501280950598],
        [1, inf],
        [-1, -inf],
        [1.1, nan],
      ],
    ],
    [
      "lgamma",
      p.lgamma,
      [
        [0.3, 1.0957979948180756],
        [30.5, 72.9534711841694],
        [-2.5, -0.056243716497674054],
        [1, 0],
        [-3, inf],
        [inf, inf],
      ],
    ],
    [
      "digamma",
      p.digamma,
      [
        [-1.3, 2.8825405488661673],
        [12.25, 2.464154655185369],
        [1, -0.5772156649015329],
        [0, nan],
      ],
    ],
    [
      "trigamma",
      (x) => p.polygamma(1, x),
      [
        [-0.5, 8.934802200544679],
        [1, Math.PI ** 2 / 6],
      ],
    ],
    ["polygamma 2", (x) => p.polygamma(2, x), [[-0.7, -69.44163279863854]]],
    [
      "polygamma 3",
      (x) => p.polygamma(3, x),
      [
        [0.2, 3753.244994864725],
        [1, Math.PI ** 4 / 15],
      ],
    ],
    ["polygamma 4", (x) => p.polygamma(4, x), [[-2.3, 9738.671736569251]]],
  ];
  it.each(table)("%s", (_, f, points) => {
    for (const [x, want] of points) {
      const [got] = on(f, [x]);
      // At a zero of the function only an absolute error means something.
      const tolerance = want === 0 ? 1e-14 : 2e-13 * Math.abs(want);
      if (Number.isFinite(want)) expect(Math.abs(got! - want)).toBeLessThanOrEqual(tolerance);
      else expect(got).toBe(want);
    }
  });
});

describe("corners of floats", () => {
  it("max and min keep NaN; clamp keeps NaN and lets hi win", () => {
    expect(on(p.max, [nan, 1, 2], [1, nan, 3])).toEqual([nan, nan, 3]);
    expect(on(p.min, [nan, 1, 2], [1, nan, 3])).toEqual([nan, nan, 2]);
    expect(on(p.clamp, [0, 0, 2], [nan, 5, 5], [1, 1, 1])).toEqual([nan, 1, 1]);
  });

  it("round takes halves to even and keeps the sign of zero", () => {
    expect(on(p.round, [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, nan, inf])).toEqual([
      0,
      2,
      2,
      -0,
      -2,
      0,
      nan,
      inf,
    ]);
  });

  it("sign keeps zeros and NaN", () => {
    expect(on(p.sign, [-3, -0, 0, 2, nan])).toEqual([-1, -0, 0, 1, nan]);
  });

  it("pow follows IEEE", () => {
    const xs = [-2, -2, 0, -0, 0, nan, 1, -1, -8, inf, -inf, 0.5, 2];
    const ys = [3, 0.5, 0, -3, -2, 0, nan, inf, 1 / 3, 0.001, 3, inf, -inf];
    expect(on(p.pow, xs, ys)).toEqual([-8, nan, 1, -inf, inf, 1, 1, 1, nan, inf, -inf, 0, 0]);
  });

  it("rem has the sign of the dividend and is exact", () => {
    expect(on(p.rem, [5, -5, 5, -0, 1e30, inf, 3, 2], [3, 3, -3, 3, 7, 2, 0, inf])).toEqual([
      2,
      -2,
      2,
      -0,
      1e30 % 7,
      nan,
      nan,
      2,
    ]);
  });

  it("atan2 tells the zeros apart", () => {
    expect(on(p.atan2, [0, -0, 0, -0, inf, 1], [0, 0, -0, -0, -inf, 0])).toEqual([
      0,
      -0,
      Math.PI,
      -Math.PI,
      (3 * Math.PI) / 4,
      Math.PI / 2,
    ]);
  });

  it("tanh, logistic, expm1 and log1p do not overflow to NaN or cancel", () => {
    expect(on(p.tanh, [100, -1e30, 1e-20])).toEqual([1, -1, 1e-20]);
    expect(on(p.logistic, [-1e30, 1e30, 0])).toEqual([0, 1, 0.5]);
    expect(on(p.expm1, [1e-20, -inf])).toEqual([1e-20, -1]);
    expect(on(p.log1p, [1e-20, -1, -2])).toEqual([1e-20, -inf, nan]);
  });

  it("isNan and isFinite look at the value", () => {
    expect(on(p.isNan, [nan, inf, 1])).toEqual([1, 0, 0]);
    expect(on(p.isFinite, [nan, -inf, 1])).toEqual([0, 0, 1]);
  });

  it("comparisons with NaN are false but for ne", () => {
    const got = [p.eq, p.ne, p.lt, p.le, p.gt, p.ge].map((f) => on(f, [nan], [1])[0]);
    expect(got).toEqual([0, 1, 0, 0, 0, 0]);
  });
});

describe("integers", () => {
  const min = -(2 ** 31);
  it("wrap", () => {
    expect(list(run(p.add, i32([1], [2 ** 31 - 1]), i32([1], [1]))[0]!)).toEqual([min]);
    expect(list(run(p.mul, i32([1], [123456789]), i32([1], [987654321]))[0]!)).toEqual([-67153019]);
    expect(list(run(p.mul, u32([4294967295]), u32([4294967295]))[0]!)).toEqual([1]);
    expect(list(run(p.neg, i32([1], [min]))[0]!)).toEqual([min]);
    expect(list(run((x) => p.integerPow(x, 3), i32([2], [-3, 2000]))[0]!)).toEqual([-27, 8e9 | 0]);
  });

  it("divide towards zero, and by zero as XLA", () => {
    const x = i32([4], [7, -7, 5, min]);
    const y = i32([4], [2, 2, 0, -1]);
    expect(list(run(p.div, x, y)[0]!)).toEqual([3, -3, -1, min]);
    expect(list(run(p.rem, x, y)[0]!)).toEqual([1, -1, 5, 0]);
    expect(list(run(p.div, u32([5]), u32([0]))[0]!)).toEqual([2 ** 32 - 1]);
  });

  it("shift by 32 or more fills", () => {
    const x = i32([3], [-8, -8, 5]);
    const by = i32([3], [1, 40, -1]);
    expect(list(run(p.shiftLeft, x, by)[0]!)).toEqual([-16, 0, 0]);
    expect(list(run(p.shiftRightArithmetic, x, by)[0]!)).toEqual([-4, -1, 0]);
    expect(list(run(p.shiftRightLogical, x, by)[0]!)).toEqual([2 ** 31 - 4, 0, 0]);
    expect(list(run(p.shiftRightArithmetic, u32([2 ** 31]), u32([1]))[0]!)).toEqual([0xc0000000]);
  });

  it("count bits", () => {
    expect(list(run(p.populationCount, i32([3], [0, -1, 6]))[0]!)).toEqual([0, 32, 2]);
    expect(list(run(p.clz, i32([3], [0, 1, -1]))[0]!)).toEqual([32, 31, 0]);
  });
});

describe("conversions", () => {
  const to = (dtype: "int32" | "uint32" | "bool" | "float32") => (x: Atom) => p.convert(x, dtype);
  it("float to integer truncates and saturates; NaN is 0", () => {
    const x = [1.9, -1.9, 3e9, -3e9, nan, inf];
    expect(on(to("int32"), x)).toEqual([1, -1, 2 ** 31 - 1, -(2 ** 31), 0, 2 ** 31 - 1]);
    expect(on(to("uint32"), x)).toEqual([1, 0, 3e9, 0, 0, 2 ** 32 - 1]);
  });

  it("to bool is x ≠ 0", () => {
    expect(on(to("bool"), [0, -0, 0.1, nan])).toEqual([0, 0, 1, 1]);
    expect(list(run(to("float32"), bools([0, 1]))[0]!)).toEqual([0, 1]);
    expect(list(run(to("uint32"), i32([1], [-1]))[0]!)).toEqual([2 ** 32 - 1]);
  });

  it("bitcast keeps the bits", () => {
    expect(on((x) => p.bitcast(x, "uint32"), [1, -2])).toEqual([0x3f800000, 0xc0000000]);
    expect(list(run((x) => p.bitcast(x, "float32"), i32([1], [0x40490fdb]))[0]!)).toEqual([
      Math.fround(Math.PI),
    ]);
  });

  it("passes no tangent to or from integers", () => {
    expect(partials((x) => p.convert(p.convert(x, "int32"), "float32"), 1.5)).toEqual([null]);
  });
});

describe("threefry2x32", () => {
  // Random123's known answers for threefry2x32 with 20 rounds.
  it.each([
    [
      [0, 0, 0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ])("%j", (words, want) => {
    const outs = run((a, b, c, d) => p.threefry2x32(a!, b!, c!, d!), ...words.map((w) => u32([w])));
    expect(outs.map((o) => o.data[0])).toEqual(want);
  });
});

describe("derivatives where a convention decides", () => {
  it("abs at 0 is 0; a tie of max or min shares", () => {
    expect(partials(p.abs, 0)).toEqual([0]);
    expect(partials(p.max, 1, 1)).toEqual([0.5, 0.5]);
    expect(partials(p.min, 1, 1)).toEqual([0.5, 0.5]);
    expect(partials(p.max, 2, 1)).toEqual([1, 0]);
    expect(partials(p.min, 2, 1)).toEqual([0, 1]);
  });

  it("powers at 0", () => {
    expect(partials(p.pow, 0, 2)).toEqual([0, 0]);
    expect(partials(p.pow, 0, 0)).toEqual([0, 0]);
    expect(partials(p.pow, 0, 1)).toEqual([1, 0]);
    expect(partials((x) => p.integerPow(x, 2), 0)).toEqual([0]);
    expect(partials((x) => p.integerPow(x, 1), 0)).toEqual([1]);
    expect(partials((x) => p.integerPow(x, 0), 0)).toEqual([null]);
  });

  it("sqrt at 0 is infinite", () => {
    expect(partials(p.sqrt, 0)).toEqual([inf]);
  });

  it("clamp: x inside, a bound where it is crossed, nothing on the bound", () => {
    expect(partials(p.clamp, 0, 0.5, 1)).toEqual([0, 1, 0]);
    expect(partials(p.clamp, 0, -0.5, 1)).toEqual([1, 0, 0]);
    expect(partials(p.clamp, 0, 1.5, 1)).toEqual([0, 0, 1]);
    expect(partials(p.clamp, 0, 0, 1)).toEqual([0, 0, 0]);
  });

  it("rem: 1 and -trunc(x / y)", () => {
    expect(partials(p.rem, 7.25, 2)).toEqual([1, -3]);
    expect(partials(p.rem, -7.25, 2)).toEqual([1, 3]);
  });

  it("floor, sign and comparisons have none", () => {
    for (const f of [p.floor, p.ceil, p.round, p.sign]) expect(partials(f, 1.3)).toEqual([null]);
  });

  it("erfInv and lgamma", () => {
    const [d] = partials(p.erfInv, 0.5);
    expect(d).toBeCloseTo((Math.sqrt(Math.PI) / 2) * Math.exp(0.4769362762044699 ** 2), 12);
    expect(partials(p.lgamma, 1)[0]).toBeCloseTo(-0.5772156649015329, 13);
  });
});

describe("derivatives on branches that the samples of the table leave out", () => {
  it.each([
    ["lgamma below 0", p.lgamma, [-0.4, -1.3, -2.6]],
    ["digamma below 0", p.digamma, [-0.4, -1.3, -2.6]],
    ["polygamma below 0", (x: Atom) => p.polygamma(2, x), [-0.4, -1.3]],
    ["asin near the ends", p.asin, [-0.97, 0.96]],
    ["erf beyond 1", p.erf, [-1.7, 2.2]],
    ["a negative power", (x: Atom) => p.integerPow(x, -3), [-1.5, 0.7]],
  ] as [string, (x: Atom) => Atom, number[]][])("%s", (_, f, xs) => {
    checkDerivatives((x) => f(x!), f32([xs.length], xs));
  });

  it("pow of a negative base", () => {
    const [dx, dy] = partials(p.pow, -1.5, 3);
    expect(dx).toBeCloseTo(3 * 1.5 ** 2, 12);
    expect(dy).toBeNaN();
  });
});

describe("simplification keeps values", () => {
  const one = lit(1, "float32");
  const spread = (x: Atom, value: number) =>
    p.broadcastInDim(lit(value, x.aval.dtype), x.aval.shape, []);

  it("drops what changes nothing", () => {
    expect(shapeOf((x) => p.mul(x!, spread(x!, 1)))).toEqual(["broadcastInDim"]);
    expect(shapeOf((x) => p.div(x!, spread(x!, 1)))).toEqual(["broadcastInDim"]);
    expect(shapeOf((x) => p.add(x!, spread(x!, -0)))).toEqual(["broadcastInDim"]);
    expect(shapeOf((x) => p.sub(x!, spread(x!, 0)))).toEqual(["broadcastInDim"]);
    expect(shapeOf((x) => p.neg(p.neg(x!)))).toEqual(["neg"]);
    expect(shapeOf((x) => p.not(p.not(x!)), 1, "bool")).toEqual(["not"]);
    expect(shapeOf((x) => p.convert(x!, "float32"))).toEqual([]);
    expect(shapeOf((x) => p.integerPow(x!, 1))).toEqual([]);
    expect(shapeOf((x) => p.select(p.isNan(x!), x!, x!))).toEqual(["isNan"]);
  });

  it("keeps x + 0 and x - -0, which change -0, and x * 0, which keeps NaN", () => {
    expect(shapeOf((x) => p.add(x!, spread(x!, 0)))).toContain("add");
    expect(shapeOf((x) => p.sub(x!, spread(x!, -0)))).toContain("sub");
    expect(shapeOf((x) => p.mul(x!, spread(x!, 0)))).toContain("mul");
  });

  it("folds constants in f32", () => {
    const folded = (f: () => Atom): Atom => buildGraph([], () => [f()]).outputs[0]!;
    const sum = folded(() => p.add(lit(0.1, "float32"), lit(0.2, "float32")));
    expect(sum).toBeInstanceOf(Lit);
    expect((sum as Lit).value).toBe(0.1 + 0.2);
    const wrapped = folded(() => p.add(lit(2 ** 31 - 1, "int32"), lit(1, "int32")));
    expect((wrapped as Lit).value).toBe(-(2 ** 31));
    expect((folded(() => p.gt(one, lit(0, "float32"))) as Lit).value).toBe(1);
  });
});

describe("errors name the operation, the dtypes and what to do", () => {
  const bound =
    (f: Build, ...inputs: NdArray[]) =>
    () =>
      run(f, ...inputs);
  it("dtypes", () => {
    expect(bound(p.exp, i32([3], [1, 2, 3]))).toThrow(
      'exp takes float32, got int32[3]; convert with astype("float32")',
    );
    expect(bound(p.and, f32([1], [1]), f32([1], [1]))).toThrow(
      /^and takes bool, int32, uint32, got float32\[1\]/,
    );
    expect(bound(p.add, f32([1], [1]), i32([1], [1]))).toThrow(
      /^add needs operands of one dtype, got float32\[1\] and int32\[1\]/,
    );
    expect(bound((x) => p.integerPow(x, -1), i32([1], [1]))).toThrow(
      /^integerPow: exponent -1 of int32\[1\]/,
    );
    expect(bound((x) => p.select(x!, x!, x!), f32([1], [1]))).toThrow(
      /^select needs a bool predicate, got float32\[1\]/,
    );
  });
  it("shapes", () => {
    expect(bound(p.mul, f32([2], [1, 2]), f32([3], [1, 2, 3]))).toThrow(
      "mul: needs 2 operands of equal shape, got float32[2] and float32[3]; broadcast them first",
    );
  });
});

/** lgamma, digamma and the polygammas: closed under differentiation. */
import { showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { DtypeError } from "../core/errors.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { EmitContext, Primitive } from "../ir/primitive.js";
import { mul } from "./arithmetic.js";
import { chain } from "./chain.js";
import { elementwise, requireTakes, unary } from "./define.js";
import { floatFunction, horner, infinityText, literal, maxFloat, nanText } from "./emit-text.js";
import { logText } from "./exponential.js";
import { cotDerivative, factorial, hostLgamma, hostPolygamma } from "./host-gamma.js";
import { cosNearText, sinNearText } from "./trigonometric.js";

const floats: readonly DType[] = ["float32"];

/** log Γ(2 + f) / f, |f| <= ½; relative error 9e-10. */
const lgammaCoefficients = [
  0.42278433, 0.32246703, -0.067352265, 0.020581631, -0.0073864385, 0.0028788263, -0.0011841661,
  0.0005703483, -0.00025720597,
];

/** WGSL of `s` and `c`: sin and cos of π·(distance of a >= 0 from the nearest integer). */
const anglePi = (F: string): string => `
  let off = abs(a - round(a));
  let outer = off > ${F}(0.25);
  let w = 3.14159274 * select(off, 0.5 - off, outer);
  let w2 = w * w;
  let sw = ${sinNearText("w", "w2")};
  let cw = ${cosNearText("w2")};
  let s = select(sw, cw, outer);
  let c = select(cw, sw, outer);`;

/** Distance from the poles 0, -1, -2, … */
const fromPoles = (x: number): number => (x > 0 ? x : Math.abs(x - Math.round(x)));

/** log|Γ(x)|; Infinity at the poles 0, -1, -2, … */
export const lgamma = unary({
  name: "lgamma",
  takes: floats,
  ref: hostLgamma,
  emit(x, ctx) {
    const positive = lgammaFunction(ctx);
    const logSine = logText("(3.14159274 / (a * s))", ctx);
    const inf = infinityText(ctx);
    const name = floatFunction(
      ctx,
      "lgamma_accurate",
      ["x"],
      ({ F }) => `  let a = abs(x);${anglePi(F)}
  let right = ${positive}(a);
  // Γ(x) Γ(-x) = -π / (x sin πx)
  let left = ${logSine} - right;
  let pole = (x <= ${F}(0.0)) & (off == ${F}(0.0));
  let y = select(select(right, left, x < ${F}(0.0)), ${inf}, pole);
  return select(a, y, a <= ${F}(${maxFloat}));`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((x) => digamma(x)),
  kink: fromPoles,
  // Above 0 a few ulp; below, the difference of two logarithms of up to 40 near zeros.
  error: { ulp: 10, abs: 2e-6 },
  cost: 90,
});

/** The name of a WGSL function: log Γ(a) for a >= 0. */
const lgammaFunction = (ctx: EmitContext): string => {
  const log = logText("argument", ctx);
  return floatFunction(
    ctx,
    "lgamma_positive",
    ["a"],
    ({ F }) => `  // To f = y - 2 within ½: below by Γ(y+1) = y Γ(y), above by Γ(y) = (y-1) Γ(y-1).
  var y = a;
  var above = ${F}(1.0);
  for (var i = 0u; i < 6u; i++) {
    let step = (y > ${F}(2.5)) & (a < ${F}(8.0));
    y = select(y, y - 1.0, step);
    above = above * select(${F}(1.0), y, step);
  }
  let below = select(select(${F}(1.0), a, a < ${F}(1.5)), a * (a + 1.0), a < ${F}(0.5));
  y = y + select(select(${F}(0.0), ${F}(1.0), a < ${F}(1.5)), ${F}(2.0), a < ${F}(0.5));
  let f = y - 2.0;
  let large = a >= ${F}(8.0);
  let argument = select(above / below, a, large);
  let l = ${log};
  let near = f * ${horner("f", lgammaCoefficients)} + l;
  let z = 1.0 / max(a, ${F}(8.0));
  let z2 = z * z;
  let series = z * ${horner("z2", [1 / 12, -1 / 360, 1 / 1260])};
  let stirling = ((a - 0.5) * (l - 1.0) + 0.418938533) + series;
  return select(near, stirling, large);`,
  );
};

interface PolygammaParams {
  readonly n: number;
}

/** Factorials and powers stay within f32 up to here. */
const highest = 20;

/** ψₙ(x) for x > 0: ψₙ(y) by its asymptotic series at y >= 6 + n, and the terms in between. */
const polygammaFunction = (n: number, ctx: EmitContext): string => {
  const log = n === 0 ? logText("y", ctx) : "";
  const start = 6 + n;
  const power = (of: string, by: number): string =>
    by === 0 ? "1.0" : Array.from({ length: by }, () => of).join(" * ");
  const rising = (k: number): number => factorial(k + n - 1) / factorial(k - 1);
  // (-1)^(n+1) ψₙ(y) = (n-1)!/yⁿ + n!/(2 yⁿ⁺¹) + Σ B_2k (2k)(2k+1)…(2k+n-1) / (2k y^(2k+n))
  const series = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66].map(
    (b, i) => (b * rising(2 * (i + 1))) / (2 * (i + 1)),
  );
  const head = n === 0 ? `-${log}` : literal(factorial(n - 1));
  return floatFunction(
    ctx,
    `polygamma_${n}_positive`,
    ["x"],
    ({ F }) => `  var y = x;
  var terms = ${F}(0.0);
  for (var i = 0u; i < ${start}u; i++) {
    let low = y < ${F}(${literal(start)});
    let z = 1.0 / y;
    terms = terms + select(${F}(0.0), ${power("z", n + 1)}, low);
    y = select(y, y + 1.0, low);
  }
  let z = 1.0 / y;
  let z2 = z * z;
  let tail = ${head} + z * (${literal(factorial(n) / 2)} + z * ${horner("z2", series)});
  return ${n % 2 === 0 ? "-" : ""}(${literal(factorial(n))} * terms + ${power("z", n)} * tail);`,
  );
};

/** WGSL of ψₙ(x) everywhere. Below 0 by (-1)ⁿ ψₙ(1-x) - ψₙ(x) = π dⁿ/dxⁿ cot πx. */
const polygammaText = (n: number, x: string, ctx: EmitContext): string => {
  const positive = polygammaFunction(n, ctx);
  const nan = nanText(ctx);
  const inf = infinityText(ctx);
  const polynomial = cotDerivative(n).map((c) => c * Math.PI ** (n + 1));
  const name = floatFunction(
    ctx,
    `polygamma_${n}`,
    ["x"],
    ({ F }) => `  let a = abs(x);${anglePi(F)}
  let below = x < ${F}(0.0);
  let direct = ${positive}(select(x, 1.0 - x, below));
  let side = select(c / s, -c / s, (x - round(x)) < ${F}(0.0));
  let reflected = ${n % 2 === 0 ? "" : "-"}direct - ${horner("side", polynomial)};
  let y = select(direct, reflected, below);
  let limit = select(y, ${n === 0 ? inf : `${F}(0.0)`}, x > ${F}(${maxFloat}));
  return select(limit, ${nan}, (x <= ${F}(0.0)) & (off == ${F}(0.0)));`,
  );
  return `${name}(${x})`;
};

/** The derivative of lgamma; NaN at the poles 0, -1, -2, … (as scipy's polygamma family). */
export const digamma = unary({
  name: "digamma",
  takes: floats,
  ref: (x) => hostPolygamma(0, x),
  emit: (x, ctx) => polygammaText(0, x, ctx),
  jvp: chain((x) => polygamma(1, x)),
  kink: fromPoles,
  // It has a zero at 1.46 (and one between any two poles), where two terms of 2 cancel.
  error: { ulp: 12, abs: 2e-6 },
  cost: 90,
});

const polygammaP: Primitive<PolygammaParams> = elementwise<PolygammaParams>({
  name: "polygamma",
  arity: 1,
  result([x], { n }) {
    requireTakes("polygamma", floats, x!);
    if (!Number.isInteger(n) || n < 1 || n > highest) {
      throw new DtypeError(
        `polygamma: order ${n} for ${showAval(x!)} must be a whole number from 1 to ${highest}`,
      );
    }
    return [x!.dtype];
  },
  scalar:
    (_, { n }) =>
    (x) =>
      hostPolygamma(n, x!),
  emit: ({ args: [x], params: { n }, ctx }) => [polygammaText(n, x!, ctx)],
  jvp: ({ primals: [x], tangents: [t], params: { n } }) => [mul(t!, polygamma(n + 1, x!))],
  kink: () => (x) => fromPoles(x!),
  // For n <= 8: n + 1 factors 1/y of 2.5 ulp each, their products and the series; below 0 the powers
  // of the cotangent, which cancel the series at the zeros of even n.
  error: { ulp: 40, abs: 2e-5 },
  cost: 120,
});

/** The n-th derivative of digamma, 1 <= n <= 20 (scipy.special.polygamma). */
export const polygamma: ((n: number, x: Atom) => Atom) & { readonly prim: Primitive } =
  Object.assign((n: number, x: Atom) => bind1(polygammaP, [x], { n }), {
    prim: polygammaP as Primitive,
  });

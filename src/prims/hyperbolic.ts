/** sinh, cosh, tanh and their inverses: no overflow before the result's, no cancellation near 0. */
import type { DType } from "../core/dtype.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { chain } from "./chain.js";
import { like, unary } from "./define.js";
import { copySign, floatFunction, horner, nanText } from "./emit-text.js";
import { expFunction, expm1Text, log1pText, sqrt } from "./exponential.js";
import { integerPow } from "./power.js";

const floats: readonly DType[] = ["float32"];

/** (sinh x - x) / x³ in x², |x| <= 1; relative error 6e-11. */
const sinhCoefficients = [0.16666667, 0.0083333505, 0.00019836066, 2.817439735736116e-6];

/** Hyperbolic sine. */
export const sinh = unary({
  name: "sinh",
  takes: floats,
  ref: Math.sinh,
  emit(x, ctx) {
    const exp = expFunction(ctx);
    const name = floatFunction(
      ctx,
      "sinh_accurate",
      ["x"],
      (t) => `  let a = abs(x);
  let z = x * x;
  let near = x + x * (z * ${horner("z", sinhCoefficients)});
  // e^a / 2, formed without e^a, which overflows first.
  let e = ${exp}(a, ${t.F}(-1.0));
  let far = e - 0.25 / e;
  return select(${copySign("far", "x", t)}, near, a < ${t.F}(1.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((x) => cosh(x)),
  error: { ulp: 4 },
  cost: 28,
});

/** Hyperbolic cosine. */
export const cosh = unary({
  name: "cosh",
  takes: floats,
  ref: Math.cosh,
  emit(x, ctx) {
    const exp = expFunction(ctx);
    const name = floatFunction(
      ctx,
      "cosh_accurate",
      ["x"],
      ({ F }) => `  let e = ${exp}(abs(x), ${F}(-1.0));
  return e + 0.25 / e;`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((x) => sinh(x)),
  error: { ulp: 4 },
  cost: 22,
});

/** Hyperbolic tangent, from e^(-2|x|) - 1, which stays within [-1, 0]. */
export const tanh = unary({
  name: "tanh",
  takes: floats,
  ref: Math.tanh,
  emit(x, ctx) {
    const e = expm1Text("(-2.0 * abs(x))", ctx);
    const name = floatFunction(
      ctx,
      "tanh_accurate",
      ["x"],
      (t) => `  let e = ${e};
  return ${copySign("e / (e + 2.0)", "x", t)};`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((_, y) => sub(like(y, 1), mul(y, y))),
  error: { ulp: 6 },
  cost: 24,
});

/** Inverse hyperbolic sine. */
export const asinh = unary({
  name: "asinh",
  takes: floats,
  ref: hostAsinh,
  emit(x, ctx) {
    const name = floatFunction(
      ctx,
      "asinh_accurate",
      ["x"],
      (t) => `  let a = abs(x);
  // Beyond 1e8 it is log a + log 2 to the last bit, and a² would overflow in the end.
  let big = a > ${t.F}(1.0e8);
  let b = select(a, ${t.F}(1.0e8), big);
  let near = b + b * b / (1.0 + sqrt(1.0 + b * b));
  let y = ${log1pText("select(near, a, big)", ctx)};
  return ${copySign(`(y + select(${t.F}(0.0), ${t.F}(0.693147181), big))`, "x", t)};`,
    );
    return `${name}(${x})`;
  },
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, sqrt(add(integerPow(x!, 2), like(x!, 1))))],
  // log1p's 4, and what the division and the square root put into its argument.
  error: { ulp: 10 },
  cost: 36,
});

/** Math.asinh cancels for negative x in some engines. */
function hostAsinh(x: number): number {
  const a = Math.abs(x);
  if (a > 1e150) return Math.sign(x) * (Math.log(a) + Math.LN2);
  return Math.sign(x) * Math.log1p(a + (a * a) / (1 + Math.sqrt(1 + a * a)));
}

/** Inverse hyperbolic cosine; NaN below 1. */
export const acosh = unary({
  name: "acosh",
  takes: floats,
  ref: (x) =>
    x > 1e150 ? Math.log(x) + Math.LN2 : Math.log1p(x - 1 + Math.sqrt((x - 1) * (x + 1))),
  emit(x, ctx) {
    const nan = nanText(ctx);
    const name = floatFunction(
      ctx,
      "acosh_accurate",
      ["x"],
      ({ F }) => `  let big = x > ${F}(1.0e8);
  let t = select(max(x - 1.0, ${F}(0.0)), ${F}(1.0e8), big);
  let y = ${log1pText("select(t + sqrt(t) * sqrt(t + 2.0), x, big)", ctx)};
  let inside = y + select(${F}(0.0), ${F}(0.693147181), big);
  return select(${nan}, inside, x >= ${F}(1.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: ({ primals: [x], tangents: [t] }) => [
    div(t!, mul(sqrt(sub(x!, like(x!, 1))), sqrt(add(x!, like(x!, 1))))),
  ],
  kink: (x) => x - 1,
  // Two square roots and the logarithm.
  error: { ulp: 14 },
  cost: 36,
});

/** Inverse hyperbolic tangent: ±Infinity at ±1, NaN beyond. */
export const atanh = unary({
  name: "atanh",
  takes: floats,
  ref: Math.atanh,
  emit(x, ctx) {
    const name = floatFunction(
      ctx,
      "atanh_accurate",
      ["x"],
      (t) => `  let a = abs(x);
  let y = 0.5 * ${log1pText("(2.0 * a / (1.0 - a))", ctx)};
  return ${copySign("y", "x", t)};`,
    );
    return `${name}(${x})`;
  },
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, sub(like(x!, 1), mul(x!, x!)))],
  kink: (x) => 1 - Math.abs(x),
  error: { ulp: 8 },
  cost: 26,
});

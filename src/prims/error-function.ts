/** erf, erfc, erfInv. */
import type { DType } from "../core/dtype.js";
import type { EmitContext } from "../ir/primitive.js";
import { mul, neg } from "./arithmetic.js";
import { chain } from "./chain.js";
import { like, unary } from "./define.js";
import { copySign, floatFunction, horner, infinityText, nanText } from "./emit-text.js";
import { exp, expMinusSquareText, logText } from "./exponential.js";
import { hostErf, hostErfc, hostErfInv } from "./host-erf.js";
import { integerPow } from "./power.js";

const floats: readonly DType[] = ["float32"];
const twoOverSqrtPi = 2 / Math.sqrt(Math.PI);

/** erf x / x in x², |x| <= 1; error 1.2e-9. */
const erfCoefficients = [
  1.1283791, -0.37612626, 0.112836, -0.026854444, 0.005189535, -0.00080208405, 0.00007889115,
];
/** (1 + 2a) e^(a²) erfc a in q = (a - 2)/(a + 2), 0 <= a <= 10.1; relative error 1.6e-8. */
const erfcCoefficients = [
  1.2769784, -0.092763975, -0.16603139, 0.16405526, -0.054204587, -0.008059549, 0.008632534,
  0.0013132987, -0.0012307833, -0.00040085375,
];

/** The name of a WGSL function: erfc of a >= 0. */
const erfcFunction = (ctx: EmitContext): string => {
  const gauss = expMinusSquareText("b", ctx);
  return floatFunction(
    ctx,
    "erfc_positive",
    ["a"],
    ({ F }) => `  let b = select(a, ${F}(10.1), a > ${F}(10.1));
  let q = (b - 2.0) / (b + 2.0);
  let y = ${gauss} * (${horner("q", erfcCoefficients)} / (1.0 + 2.0 * b));
  return select(y, ${F}(0.0), a > ${F}(10.1));`,
  );
};

/** The error function. */
export const erf = unary({
  name: "erf",
  takes: floats,
  ref: hostErf,
  emit(x, ctx) {
    const erfc = erfcFunction(ctx);
    const name = floatFunction(
      ctx,
      "erf_accurate",
      ["x"],
      (t) => `  let a = abs(x);
  let z = x * x;
  let near = x * ${horner("z", erfCoefficients)};
  let far = ${copySign(`1.0 - ${erfc}(a)`, "x", t)};
  return select(far, near, a < ${t.F}(1.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((x) => mul(like(x, twoOverSqrtPi), exp(neg(integerPow(x, 2))))),
  error: { ulp: 4 },
  cost: 60,
});

/** 1 - erf x, accurate where it is small. 0 above 10.1, where f32 has nothing left. */
export const erfc = unary({
  name: "erfc",
  takes: floats,
  ref: hostErfc,
  emit(x, ctx) {
    const positive = erfcFunction(ctx);
    const name = floatFunction(
      ctx,
      "erfc_accurate",
      ["x"],
      ({ F }) => `  let y = ${positive}(abs(x));
  return select(y, 2.0 - y, x < ${F}(0.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((x) => mul(like(x, -twoOverSqrtPi), exp(neg(integerPow(x, 2))))),
  // Two exponentials, two divisions and the products between them.
  error: { ulp: 12 },
  cost: 56,
});

/** M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011), single precision. */
const gilesCentre = [
  1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6,
  -3.5233877e-6, 3.43273939e-7, 2.81022636e-8,
];
const gilesTail = [
  2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844,
  0.00134934322, 0.000100950558, -0.000200214257,
];

/** Inverse of erf on [-1, 1]: ±Infinity at the ends, NaN beyond. */
export const erfInv = unary({
  name: "erfInv",
  takes: floats,
  ref: hostErfInv,
  emit(x, ctx) {
    const log = logText("((1.0 - x) * (1.0 + x))", ctx);
    const [inf, nan] = [infinityText(ctx), nanText(ctx)];
    const name = floatFunction(
      ctx,
      "erf_inv",
      ["x"],
      (t) => `  let w = -${log};
  let centre = w < ${t.F}(5.0);
  let c = w - 2.5;
  let s = sqrt(max(w, ${t.F}(0.0))) - 3.0;
  let p = select(${horner("s", gilesTail)}, ${horner("c", gilesCentre)}, centre);
  let y = select(p * x, ${copySign(inf, "x", t)}, abs(x) == ${t.F}(1.0));
  return select(${nan}, y, abs(x) <= ${t.F}(1.0));`,
    );
    return `${name}(${x})`;
  },
  jvp: chain((_, y) => mul(like(y, Math.sqrt(Math.PI) / 2), exp(integerPow(y, 2)))),
  kink: (x) => 1 - Math.abs(x),
  // Giles: 3.5e-7 relative (3 ulp), and the evaluation.
  error: { ulp: 7 },
  cost: 50,
});

/**
 * exp, expm1, log, log1p, logistic and the square roots.
 *
 * exp and its relatives are emitted in full. WGSL grants the builtin exp 3 + 2|x| ulp, which is
 * 2e-5 relative at the ends of the range, and log an absolute error near 1, where log1p, asinh,
 * atanh, pow and lgamma need a relative one. Coefficients are minimax fits of our own (Remez) to the
 * quantity named beside them.
 */
import type { DType } from "../core/dtype.js";
import type { EmitContext } from "../ir/primitive.js";
import { add, div, mul, sub } from "./arithmetic.js";
import { chain } from "./chain.js";
import { like, unary } from "./define.js";
import { floatFunction, horner, infinityText, maxFloat, nanText, upper } from "./emit-text.js";

const floats: readonly DType[] = ["float32"];

/** (e^r - 1 - r) / r² on |r| <= 0.3475, for a relative error of 1.4e-8 in e^r - 1. */
const expCoefficients = [0.5, 0.16666542, 0.041666277, 0.008366756, 0.0013946756];

/** (log(1+f) - f + f²/2) / f³ on [√½ - 1, √2 - 1], for a relative error of 7e-10 in log(1+f). */
const logCoefficients = [
  0.3333331, -0.24999987, 0.20002231, -0.16669266, 0.1421858, -0.12384029, 0.11873292, -0.117919594,
  0.06917247,
];

/** WGSL of r² times the polynomial: e^r - 1 - r. */
export const expTail = (r: string): string => `${r} * ${r} * ${horner(r, expCoefficients)}`;
/** WGSL of f³ times the polynomial: log(1+f) - f + f²/2. */
export const logTail = (f: string): string =>
  `${f} * (${f} * ${f}) * ${horner(f, logCoefficients)}`;

/** x = k ln 2 + r with |r| <= 0.35: k·hi is exact, so that r loses nothing. */
const reduceByLn2 = (F: string, lo: number, hi: number): string => `
  let k = clamp(round(x * 1.44269504), ${F}(${lo}.0), ${F}(${hi}.0));
  let r = (x - k * 0.693359375) + k * 2.12194440e-4;`;

/** The name of a WGSL function (x, shift) -> e^x 2^shift that does not overflow on the way. */
export const expFunction = (ctx: EmitContext): string =>
  floatFunction(
    ctx,
    "exp_scaled",
    ["x", "shift"],
    ({ F, I, U }) => `${reduceByLn2(F, -160, 160)}
  let v = 1.0 + (r + ${expTail("r")});
  let n = ${I}(k + shift);
  let half = n >> ${U}(1u);
  let y = (v * bitcast<${F}>((half + ${I}(127)) << ${U}(23u))) *
    bitcast<${F}>((n - half + ${I}(127)) << ${U}(23u));
  return select(y, ${F}(0.0), x < ${F}(-104.0));`,
  );

/** WGSL of e^x 2^shift. */
export const expText = (x: string, ctx: EmitContext, shift = 0): string =>
  `${expFunction(ctx)}(${x}, ${ctx.constant(shift, "float32")})`;

/** WGSL of e^x - 1. 2^k (e^r - 1) + (2^k - 1), in halves so that 2^128 never appears. */
export const expm1Text = (x: string, ctx: EmitContext): string =>
  `${floatFunction(
    ctx,
    "expm1",
    ["x"],
    ({ F, I, U }) => `${reduceByLn2(F, -30, 128)}
  let p = r + ${expTail("r")};
  let s = bitcast<${F}>((${I}(k) + ${I}(126)) << ${U}(23u));
  let y = (s * p + (s - 0.5)) * 2.0;
  let near = select(y, p, k == ${F}(0.0));
  return select(near, ${F}(-1.0), x < ${F}(-17.5));`,
  )}(${x})`;

/** Splits a positive normal u into 2^k (1 + f) with 1 + f in [√½, √2). */
export const splitText = (F: string, I: string, U: string, u: string): string => `
  let bits = bitcast<${I}>(${u});
  let exponent = (bits - ${I}(0x3f3504f3)) >> ${U}(23u);
  let fraction = bitcast<${F}>(bits - (exponent << ${U}(23u))) - 1.0;`;

const logOfParts = (f: string, k: string): string => `
  let tail = ${logTail(f)} - ${k} * 2.12194440e-4;
  let y = ((tail - 0.5 * (${f} * ${f})) + ${f}) + ${k} * 0.693359375;`;

/** WGSL of log x: relative accuracy also near 1. -Infinity at 0 (and for denormals), NaN below. */
export const logText = (x: string, ctx: EmitContext): string => {
  const [inf, nan] = [infinityText(ctx), nanText(ctx)];
  return `${floatFunction(
    ctx,
    "log_accurate",
    ["x"],
    ({ F, I, U }) => `${splitText(F, I, U, "x")}
  let k = ${F}(exponent);${logOfParts("fraction", "k")}
  let finite = select(x, y, x <= ${F}(${maxFloat}));
  let positive = select(finite, -${inf}, x < ${F}(1.17549435e-38));
  return select(positive, ${nan}, x < ${F}(0.0));`,
  )}(${x})`;
};

/** WGSL of log(1 + x). Near 0 the polynomial takes x itself, so that 1 + x is never rounded. */
export const log1pText = (x: string, ctx: EmitContext): string => {
  const [inf, nan] = [infinityText(ctx), nanText(ctx)];
  return `${floatFunction(
    ctx,
    "log1p",
    ["x"],
    ({ F, I, U }) => `  let u = 1.0 + x;${splitText(F, I, U, "u")}
  let small = (x > ${F}(-0.29)) & (x < ${F}(0.41));
  let f = select(fraction, x, small);
  let k = select(${F}(exponent), ${F}(0.0), small);${logOfParts("f", "k")}
  let finite = select(x, y, x <= ${F}(${maxFloat}));
  let inside = select(finite, -${inf}, x == ${F}(-1.0));
  return select(inside, ${nan}, x < ${F}(-1.0));`,
  )}(${x})`;
};

/**
 * WGSL of e^(-x²), with x² = h² + (x - h)(x + h) for an h whose square is exact: the rounding of x²
 * alone would cost x² ulp.
 */
export const expMinusSquareText = (x: string, ctx: EmitContext): string => {
  const exp = expFunction(ctx);
  return `${floatFunction(
    ctx,
    "exp_minus_square",
    ["x"],
    (t) => `  let h = ${upper("x", t)};
  let zero = ${t.F}(0.0);
  return ${exp}(-(h * h), zero) * ${exp}(-((x - h) * (x + h)), zero);`,
  )}(${x})`;
};

/** e^x. Results below 2^-126 may be flushed to 0. */
export const exp = unary({
  name: "exp",
  takes: floats,
  ref: Math.exp,
  emit: (x, ctx) => expText(x, ctx),
  jvp: chain((_, y) => y),
  // The reduction and polynomial give 1 ulp, the scalings are exact.
  error: { ulp: 2 },
  cost: 16,
});

/** e^x - 1 without cancellation near 0. */
export const expm1 = unary({
  name: "expm1",
  takes: floats,
  ref: Math.expm1,
  emit: expm1Text,
  jvp: chain((_, y) => add(y, like(y, 1))),
  error: { ulp: 3 },
  cost: 16,
});

/** Natural logarithm: -Infinity at 0, NaN below. */
export const log = unary({
  name: "log",
  takes: floats,
  ref: Math.log,
  emit: logText,
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, x!)],
  kink: (x) => x,
  error: { ulp: 2.5 },
  cost: 16,
});

/** log(1 + x) without cancellation near 0. */
export const log1p = unary({
  name: "log1p",
  takes: floats,
  ref: Math.log1p,
  emit: log1pText,
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, add(x!, like(x!, 1)))],
  kink: (x) => x + 1,
  // Besides the polynomial's 2, rounding 1 + x is worth up to 0.5 / log(√2) ulp.
  error: { ulp: 4 },
  cost: 18,
});

/** 1 / (1 + e^-x), the sigmoid. Never NaN for a number. */
export const logistic = unary({
  name: "logistic",
  takes: floats,
  ref: (x) => 1 / (1 + Math.exp(-x)),
  emit: (x, ctx) => `(1.0 / (1.0 + ${expText(`-(${x})`, ctx)}))`,
  jvp: chain((_, y) => mul(y, sub(like(y, 1), y))),
  error: { ulp: 5 },
  cost: 20,
});

/** Square root; NaN below 0. Its derivative at 0 is infinite, as in JAX. */
export const sqrt = unary({
  name: "sqrt",
  takes: floats,
  ref: Math.sqrt,
  emit: (x) => `sqrt(${x})`,
  jvp: ({ tangents: [t], outputs: [y] }) => [div(mul(t!, like(y!, 0.5)), y!)],
  kink: (x) => x,
  // WGSL: as 1 / inverseSqrt(x), 2 + 2.5.
  error: { ulp: 4.5 },
  cost: 4,
});

/** 1 / √x. Infinity at 0, NaN below. */
export const rsqrt = unary({
  name: "rsqrt",
  takes: floats,
  ref: (x) => 1 / Math.sqrt(x),
  emit: (x) => `inverseSqrt(${x})`,
  jvp: ({ primals: [x], tangents: [t], outputs: [y] }) => [
    mul(t!, mul(like(y!, -0.5), div(y!, x!))),
  ],
  kink: (x) => x,
  error: { ulp: 2 },
  cost: 4,
});

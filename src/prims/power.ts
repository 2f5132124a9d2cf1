/** pow with a traced exponent, integerPow with a static one, and square. */
import { showAval } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { DtypeError } from "../core/errors.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { EmitContext, Primitive } from "../ir/primitive.js";
import { mul, sub } from "./arithmetic.js";
import { chain2 } from "./chain.js";
import { eq } from "./compare.js";
import { binary, elementwise, like, requireTakes } from "./define.js";
import { floatFunction, infinityText, maxFloat, named, nanText, upper } from "./emit-text.js";
import { expTail, log, logTail, splitText } from "./exponential.js";
import { select } from "./select.js";

/**
 * x^y for f32 by IEEE's rules. t = y log2|x| is carried as a sum of two floats (exact products of
 * 12-bit heads, small remainders), so that the result has a few ulp over the whole range, where
 * WGSL's exp2(y log2 x) loses |t| of them. Denormal x counts as 0.
 */
const powText = (x: string, y: string, ctx: EmitContext): string => {
  const [inf, nan] = [infinityText(ctx), nanText(ctx)];
  const name = floatFunction(ctx, "pow_accurate", ["x", "y"], (t) => {
    const { F, I, U } = t;
    return `  let one = ${F}(1.0);
  let zero = ${F}(0.0);
  let a = abs(x);${splitText(F, I, U, "a")}
  let f = fraction;
  // log(1 + f) = f - fh²/2 + rest, as lh + ll.
  let fh = ${upper("f", t)};
  let square = 0.5 * fh * fh;
  let rest = ${logTail("f")} - 0.5 * ((f - fh) * (f + fh));
  let lh = ${upper("(f - square)", t)};
  let ll = ((f - lh) - square) + rest;
  // log2|x| = exponent + (lh + ll) / ln 2, as wh + wl; 1 / ln 2 = 1.4423828125 + 3.12228389e-4.
  let k = ${F}(exponent);
  let p = lh * 1.4423828125;
  let wh = ${upper("(k + p)", t)};
  let wl = ((k - wh) + p) + (lh * 3.12228389e-4 + ll * 1.44269504);
  let b = clamp(y, ${F}(-1.0e10), ${F}(1.0e10));
  let bh = ${upper("b", t)};
  let th = bh * wh;
  let tl = bh * wl + (b - bh) * (wh + wl);
  let n = clamp(round(th + tl), ${F}(-200.0), ${F}(200.0));
  let r = ((th - n) + tl) * 0.693147181;
  let v = 1.0 + (r + ${expTail("r")});
  let half = ${I}(n) >> ${U}(1u);
  var z = (v * bitcast<${F}>((half + ${I}(127)) << ${U}(23u))) *
    bitcast<${F}>((${I}(n) - half + ${I}(127)) << ${U}(23u));
  z = select(z, ${inf}, th + tl >= ${F}(128.0));
  z = select(z, zero, th + tl < ${F}(-151.0));
  let infinite = a > ${F}(${maxFloat});
  let end = infinite | (a < ${F}(1.17549435e-38));
  z = select(z, select(zero, ${inf}, infinite == (y > zero)), end);
  // Beyond 2^24 every y is an even integer, and y / 2 is exact.
  let whole = floor(y) == y;
  let odd = whole & (floor(0.5 * y) != 0.5 * y);
  z = select(z, -z, odd & (bitcast<${I}>(x) < ${I}(0)));
  z = select(z, ${nan}, !(end | whole) & (x < zero));
  z = select(z, x + y, (${bitsAbove("x", U)}) | (${bitsAbove("y", U)}));
  return select(z, one, (y == zero) | (x == one));`;
  });
  return `${name}(${x}, ${y})`;
};

const bitsAbove = (x: string, U: string): string =>
  `(bitcast<${U}>(${x}) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u)`;

/** IEEE's pow: JavaScript differs where |x| = 1. */
const hostPow = (x: number, y: number): number =>
  x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY) ? 1 : x ** y;

const where = (x: Atom, equals: number, then: number): Atom =>
  select(eq(x, like(x, equals)), like(x, then), x);

/**
 * x^y by IEEE's rules: x^0 = 1, 1^y = 1, negative x needs a whole y (else NaN). The derivative in x
 * is 0 for y = 0, and the one in y is 0 for x = 0 (as JAX), so that x**2 has one at 0.
 */
export const pow = binary({
  name: "pow",
  takes: ["float32"],
  ref: hostPow,
  emit: powText,
  jvp: chain2(
    (x, y) => {
      const zero = like(y, 0);
      const still = eq(y, zero);
      const less = select(still, like(y, 1), sub(y, like(y, 1)));
      return select(still, zero, mul(y, pow(x, less)));
    },
    (x, _, out) => mul(log(where(x, 0, 1)), out),
  ),
  kink: (x) => x,
  // 2^-29 in t, 1 ulp in the exponential, the scalings exact.
  error: { ulp: 3 },
  cost: 60,
});

interface PowerParams {
  readonly n: number;
}

/** Larger powers go through pow: as many multiplications would lose more. */
const multiplied = 16;

const integerPowP: Primitive<PowerParams> = elementwise<PowerParams>({
  name: "integerPow",
  arity: 1,
  result([x], { n }) {
    requireTakes("integerPow", ["float32", "int32", "uint32"], x!);
    if (!Number.isInteger(n) || Math.abs(n) > 2 ** 24 || (n < 0 && !isFloat(x!.dtype))) {
      throw new DtypeError(
        `integerPow: exponent ${n} of ${showAval(x!)} must be a whole number of at most 2^24` +
          (isFloat(x!.dtype) ? "; use pow" : " and not negative; convert with astype first"),
      );
    }
    return [x!.dtype];
  },
  scalar([a], { n }) {
    if (isFloat(a!.dtype)) return (x) => x! ** n;
    return (x) => {
      let product = 1;
      for (let i = 0; i < n; i++) product = Math.imul(product, x!);
      return product;
    };
  },
  emit({ args: [x], inputs: [a], params: { n }, ctx }) {
    const { dtype } = a!;
    if (n === 0) return [ctx.constant(1, dtype)];
    if (isFloat(dtype) && Math.abs(n) > multiplied)
      return [powText(x!, ctx.constant(n, dtype), ctx)];
    const power = multiply(named(ctx, dtype, x!), Math.abs(n), dtype, ctx);
    return [n < 0 ? `(1.0 / ${power})` : power];
  },
  jvp({ primals: [x], tangents: [t], params: { n } }) {
    if (n === 0) return [null];
    return [mul(t!, mul(like(x!, n), integerPow(x!, n - 1)))];
  },
  simplify: ([x], { n }) => (n === 1 ? x! : n === 0 ? like(x!, 1) : null),
  kink: ({ n }) => (n < 0 ? (x) => Math.abs(x!) : () => Number.POSITIVE_INFINITY),
  // Up to 15 roundings of half an ulp each and one division.
  error: { ulp: 10 },
  cost: 4,
});

/** x^n by squaring, least significant bit first. */
function multiply(x: string, n: number, dtype: DType, ctx: EmitContext): string {
  const type = ctx.type(dtype);
  let square = x;
  let product = "";
  for (let rest = n; ; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) product = product === "" ? square : `(${product} * ${square})`;
    if (rest <= 1) return product;
    square = ctx.let(type, `${square} * ${square}`);
  }
}

/**
 * x^n for a static whole n: multiplications for small n, negative n on floats only. Integers wrap.
 * 0^0 = 1. The derivative n x^(n-1) is right at 0.
 */
export const integerPow: ((x: Atom, n: number) => Atom) & { readonly prim: Primitive } =
  Object.assign((x: Atom, n: number) => bind1(integerPowP, [x], { n }), {
    prim: integerPowP as Primitive,
  });

/** x². */
export const square = (x: Atom): Atom => integerPow(x, 2);

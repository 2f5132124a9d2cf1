/** rem: the remainder of truncated division, exact for floats. */
import type { DType } from "../core/dtype.js";
import type { EmitContext } from "../ir/primitive.js";
import { addTangents, div, mul, neg, sub } from "./arithmetic.js";
import { binary } from "./define.js";
import {
  copySign,
  floatFunction,
  isNanText,
  maxFloat,
  named,
  nanText,
  upper,
} from "./emit-text.js";
import { round } from "./rounding.js";

/**
 * C's fmod, by long division: each turn takes off q·y for a q of 10 bits, whose products with the
 * two halves of y are exact. Quotients below 2^10 need one turn, the largest 28.
 */
const fmodText = (x: string, y: string, ctx: EmitContext): string => {
  const nan = nanText(ctx);
  const name = floatFunction(ctx, "fmod_exact", ["x", "y"], (t) => {
    const { F, U } = t;
    return `  let a = abs(x);
  let b = abs(y);
  let legal = (a <= ${F}(${maxFloat})) & (b > ${F}(0.0));
  let bh = ${upper("b", t)};
  let bl = b - bh;
  var r = select(${F}(0.0), a, legal);
  for (var i = 0u; i < 40u; i++) {
    let more = (r >= b) & legal;
    if (!any(more)) { break; }
    // A quotient that would overflow is first taken modulo 2^127 y.
    let scale = select(${F}(1.0), ${F}(1.7014118346046923e38), r >= b * 1.7014118346046923e38);
    // Rounded down so far that the product stays below r whatever the error of the division.
    let quotient = r / (b * scale) * 0.9999995;
    let cut = bitcast<${F}>(bitcast<${U}>(quotient) & ${U}(0xffffc000u));
    let whole = max(floor(cut), ${F}(1.0));
    r = select(r, (r - whole * (bh * scale)) - whole * (bl * scale), more);
  }
  let y_infinite = b > ${F}(${maxFloat});
  let value = ${copySign("select(r, a, y_infinite)", "x", t)};
  return select(${nan}, value, legal);`;
  });
  const a = named(ctx, "float32", x);
  const b = named(ctx, "float32", y);
  return `select(${name}(${a}, ${b}), ${a} + ${b}, ${isNanText(a, ctx)} | ${isNanText(b, ctx)})`;
};

const numbers: readonly DType[] = ["float32", "int32", "uint32"];

/**
 * x - y·trunc(x / y), with the sign of x (lax.rem, C's fmod and %); exact. Floats: NaN for y = 0 or
 * infinite x. Integers: x for y = 0, as XLA. d/dx = 1, d/dy = -trunc(x / y).
 */
export const rem = binary({
  name: "rem",
  takes: numbers,
  ref: (x, y, dtype) => (dtype !== "float32" && y === 0 ? x : x % y),
  emit(x, y, ctx, dtype) {
    if (dtype === "float32") return fmodText(x, y, ctx);
    const a = named(ctx, dtype, x);
    const b = named(ctx, dtype, y);
    return `select(${a} % ${b}, ${a}, ${b} == ${ctx.constant(0, dtype)})`;
  },
  jvp({ primals: [x, y], tangents: [tx, ty], outputs: [out] }) {
    // x - out is a multiple of y up to one rounding: rounding to the nearest recovers trunc(x / y).
    const quotient = ty ? round(div(sub(x!, out!), y!)) : null;
    return [addTangents(tx!, ty && quotient ? neg(mul(ty, quotient)) : null)];
  },
  kink(x, y) {
    // It jumps where x / y is a whole number other than 0; near 0 it is x.
    const quotient = Math.abs(x / y);
    if (quotient < 0.5) return Math.abs(y);
    return Math.min(Math.abs(quotient - Math.round(quotient)) * Math.abs(y), Math.abs(y));
  },
  error: { ulp: 0 },
  cost: 24,
});

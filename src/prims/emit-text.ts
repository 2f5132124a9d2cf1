/** Pieces of WGSL that the emit rules of several primitives share. All work at width 1 and 4. */
import type { DType } from "../core/dtype.js";
import type { EmitContext } from "../ir/primitive.js";

/** The expression as a name, so that using it twice evaluates it once. */
export const named = (ctx: EmitContext, dtype: DType, expression: string): string =>
  /^\w+$/.test(expression) ? expression : ctx.let(ctx.type(dtype), expression);

/** A finite constant. */
export const c = (ctx: EmitContext, value: number, dtype: DType = "float32"): string =>
  ctx.constant(value, dtype);

/** The bits of an f32 expression without its sign. */
const magnitude = (x: string, ctx: EmitContext): string =>
  `(bitcast<${ctx.type("uint32")}>(${x}) & ${ctx.constant(0x7fffffff, "uint32")})`;

/** True where x is NaN. By bits: a compiler with fast maths may delete `x != x`. */
export const isNanText = (x: string, ctx: EmitContext): string =>
  `(${magnitude(x, ctx)} > ${ctx.constant(0x7f800000, "uint32")})`;

/** True where x is neither infinite nor NaN. */
export const isFiniteText = (x: string, ctx: EmitContext): string =>
  `(${magnitude(x, ctx)} < ${ctx.constant(0x7f800000, "uint32")})`;

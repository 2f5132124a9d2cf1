/** Pieces of WGSL that the emit rules of several primitives share. All work at width 1 and 4. */
import type { DType } from "../core/dtype.js";
import type { EmitContext } from "../ir/primitive.js";

/** The expression as a name, so that using it twice evaluates it once. */
export const named = (ctx: EmitContext, dtype: DType, expression: string): string =>
  /^\w+$/.test(expression) ? expression : ctx.let(ctx.type(dtype), expression);

/** The bits of an f32 expression without its sign. */
const magnitude = (x: string, ctx: EmitContext): string =>
  `(bitcast<${ctx.type("uint32")}>(${x}) & ${ctx.constant(0x7fffffff, "uint32")})`;

/** True where x is NaN. By bits: a compiler with fast maths may delete `x != x`. */
export const isNanText = (x: string, ctx: EmitContext): string =>
  `(${magnitude(x, ctx)} > ${ctx.constant(0x7f800000, "uint32")})`;

/** True where x is neither infinite nor NaN. */
export const isFiniteText = (x: string, ctx: EmitContext): string =>
  `(${magnitude(x, ctx)} < ${ctx.constant(0x7f800000, "uint32")})`;

/** The types at a helper's width, by short names. */
export interface Types {
  readonly F: string;
  readonly I: string;
  readonly U: string;
  /** 1 or 4. */
  readonly width: number;
}

/**
 * A WGSL function from f32 arguments to f32 at the context's width. `body` gets the types; it ends
 * in a return. Gives the function's name.
 */
export function floatFunction(
  ctx: EmitContext,
  name: string,
  parameters: readonly string[],
  body: (types: Types) => string,
): string {
  return ctx.helper(name, (type, unique) => {
    const F = type("f32");
    const types = { F, I: type("i32"), U: type("u32"), width: ctx.width };
    const list = parameters.map((p) => `${p}: ${F}`).join(", ");
    return `fn ${unique}(${list}) -> ${F} {\n${body(types).trimEnd()}\n}\n`;
  });
}

/** A number as a WGSL literal that is a float. */
export function literal(value: number): string {
  const text = String(Math.fround(value) === value ? value : Number(value.toPrecision(10)));
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** c0 + c1 x + c2 x² + … by Horner's rule. */
export function horner(x: string, coefficients: readonly number[]): string {
  const [last, ...rest] = coefficients.map(literal).reverse();
  return rest.reduce((inner, c) => `(${inner} * ${x} + ${c})`, last!);
}

/**
 * Infinity or NaN made at run time: WGSL rejects them in constant expressions, and a `var` is not
 * one.
 */
const fromBits = (ctx: EmitContext, name: string, bits: string): string =>
  `${floatFunction(
    ctx,
    name,
    [],
    ({ F, U }) => `  var bits = ${U}(${bits}u);\n  return bitcast<${F}>(bits);`,
  )}()`;

export const infinityText = (ctx: EmitContext): string => fromBits(ctx, "infinity", "0x7f800000");
export const nanText = (ctx: EmitContext): string => fromBits(ctx, "not_a_number", "0x7fc00000");

/** |r| with the sign bit of x, which tells the zeros apart. */
export const copySign = (r: string, x: string, { F, U }: Types): string =>
  `bitcast<${F}>(bitcast<${U}>(abs(${r})) | (bitcast<${U}>(${x}) & ${U}(0x80000000u)))`;

/**
 * The upper 12 bits of the significand: products of two such values are exact, and since it goes
 * through the bits no compiler may cancel `x - upper(x)`.
 */
export const upper = (x: string, { F, U }: Types): string =>
  `bitcast<${F}>(bitcast<${U}>(${x}) & ${U}(0xfffff000u))`;

/** The largest finite f32. */
export const maxFloat = "3.40282346638528859812e+38";

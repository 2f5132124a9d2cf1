/** Between dtypes: convert (by value), bitcast (by bits), and the tests isNan and isFinite. */
import { showAval } from "../core/aval.js";
import { type DType, dtypes, integerRange, isFloat } from "../core/dtype.js";
import { DtypeError } from "../core/errors.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { EmitContext, Primitive } from "../ir/primitive.js";
import { elementwise, requireTakes, unary } from "./define.js";
import { isFiniteText, isNanText, named } from "./emit-text.js";

interface ConvertParams {
  readonly dtype: DType;
}

function requireDtypeName(op: string, dtype: DType): void {
  if (!dtypes.includes(dtype)) {
    throw new DtypeError(
      `${op}: no dtype ${JSON.stringify(dtype)}; there are ${dtypes.join(", ")}`,
    );
  }
}

const saturate = (x: number, dtype: DType): number => {
  const [lo, hi] = integerRange(dtype);
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), lo), hi);
};

const convertP: Primitive<ConvertParams> = elementwise<ConvertParams>({
  name: "convert",
  arity: 1,
  result(_, { dtype }) {
    requireDtypeName("convert", dtype);
    return [dtype];
  },
  scalar: ([a], { dtype }) => {
    if (dtype === "bool") return (x) => Number(x !== 0);
    if (isFloat(a!.dtype) && !isFloat(dtype)) return (x) => saturate(x!, dtype);
    return (x) => x!;
  },
  emit: ({ args: [x], inputs: [a], params: { dtype }, ctx }) => [
    convertText(x!, a!.dtype, dtype, ctx),
  ],
  jvp: ({ primals: [x], tangents: [t], params: { dtype } }) =>
    isFloat(dtype) && isFloat(x!.aval.dtype) ? [convert(t!, dtype)] : [null],
  transpose: ({ cotangents: [ct], avals: [x] }) => [convert(ct!, x!.dtype)],
  simplify: ([x], { dtype }) => (x!.aval.dtype === dtype ? x! : null),
  // Truncation and the test for zero jump; everything else is smooth or carries no tangent.
  kink: ({ dtype }, [a]) => {
    if (!isFloat(a!.dtype) || isFloat(dtype)) return () => Number.POSITIVE_INFINITY;
    if (dtype === "bool") return (x) => Math.abs(x!);
    return (x) => Math.abs(x! - Math.round(x!));
  },
  // int32 and uint32 to float32 round, in a direction that WGSL leaves open.
  error: { ulp: 1 },
});

function convertText(x: string, from: DType, to: DType, ctx: EmitContext): string {
  if (from === to) return x;
  const type = ctx.type(to);
  // NaN is true; Dawn's != is ordered, hence false for NaN.
  if (to === "bool") return `(!(${x} == ${ctx.constant(0, from)}))`;
  if (from === "bool") return `select(${ctx.constant(0, to)}, ${ctx.constant(1, to)}, ${x})`;
  if (from !== "float32") return `${type}(${x})`;
  // WGSL stops at the largest float below the top of the range and leaves NaN open.
  const [, hi] = integerRange(to);
  const value = named(ctx, from, x);
  const inRange = `select(${type}(${value}), ${ctx.constant(hi, to)}, ${value} >= ${ctx.constant(hi + 1, from)})`;
  return `select(${inRange}, ${ctx.constant(0, to)}, ${isNanText(value, ctx)})`;
}

/**
 * `x` as another dtype, by value. float32 to an integer truncates towards zero and saturates (NaN
 * gives 0); int32 and uint32 reinterpret each other modulo 2^32; anything to bool is x ≠ 0.
 */
export const convert: ((x: Atom, dtype: DType) => Atom) & { readonly prim: Primitive } =
  Object.assign((x: Atom, dtype: DType) => bind1(convertP, [x], { dtype }), {
    prim: convertP as Primitive,
  });

const words: readonly DType[] = ["float32", "int32", "uint32"];

// One word through which the host reinterprets bits.
const word = new DataView(new ArrayBuffer(4));

const bitcastP: Primitive<ConvertParams> = elementwise<ConvertParams>({
  name: "bitcast",
  arity: 1,
  result([x], { dtype }) {
    requireTakes("bitcast", words, x!);
    if (!words.includes(dtype)) {
      throw new DtypeError(
        `bitcast of ${showAval(x!)} to ${dtype}: it goes between ${words.join(", ")}; use astype`,
      );
    }
    return [dtype];
  },
  scalar:
    ([a], { dtype }) =>
    (x) => {
      if (a!.dtype === "float32") word.setFloat32(0, x!);
      else word.setUint32(0, x!);
      if (dtype === "float32") return word.getFloat32(0);
      return dtype === "int32" ? word.getInt32(0) : word.getUint32(0);
    },
  emit: ({ args: [x], params: { dtype }, ctx }) => [`bitcast<${ctx.type(dtype)}>(${x})`],
  simplify: ([x], { dtype }) => (x!.aval.dtype === dtype ? x! : null),
  error: { ulp: 0 },
});

/** The same 32 bits as another dtype (float32, int32, uint32). No derivative. */
export const bitcast: ((x: Atom, dtype: DType) => Atom) & { readonly prim: Primitive } =
  Object.assign((x: Atom, dtype: DType) => bind1(bitcastP, [x], { dtype }), {
    prim: bitcastP as Primitive,
  });

const float: readonly DType[] = ["float32"];

/** True where x is NaN. */
export const isNan = unary({
  name: "isNan",
  takes: float,
  gives: "bool",
  ref: (x) => Number(Number.isNaN(x)),
  emit: (x, ctx) => isNanText(x, ctx),
  error: { ulp: 0 },
});

/** True where x is neither infinite nor NaN. */
const finite = unary({
  name: "isFinite",
  takes: float,
  gives: "bool",
  ref: (x) => Number(Number.isFinite(x)),
  emit: (x, ctx) => isFiniteText(x, ctx),
  error: { ulp: 0 },
});

export { finite as isFinite };

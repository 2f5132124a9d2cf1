/** Logic on bool and on the bits of integers. No derivatives. */
import type { DType } from "../core/dtype.js";
import { binary, constantOf, operandOf, unary } from "./define.js";

const bits: readonly DType[] = ["bool", "int32", "uint32"];
const integers: readonly DType[] = ["int32", "uint32"];
const exact = { ulp: 0 };

const allOnes = (dtype: DType): number =>
  dtype === "bool" ? 1 : dtype === "int32" ? -1 : 2 ** 32 - 1;

/** Logical and, or bitwise on integers. */
export const and = binary({
  name: "and",
  takes: bits,
  ref: (x, y) => x & y,
  emit: (x, y) => `(${x} & ${y})`,
  simplify(x, y) {
    if (x === y || constantOf(y) === allOnes(x.aval.dtype)) return x;
    return constantOf(x) === allOnes(x.aval.dtype) ? y : null;
  },
  error: exact,
});

/** Logical or, or bitwise on integers. */
export const or = binary({
  name: "or",
  takes: bits,
  ref: (x, y) => x | y,
  emit: (x, y) => `(${x} | ${y})`,
  simplify: (x, y) => (x === y || constantOf(y) === 0 ? x : constantOf(x) === 0 ? y : null),
  error: exact,
});

/** Exclusive or, or bitwise on integers. */
export const xor = binary({
  name: "xor",
  takes: bits,
  ref: (x, y) => x ^ y,
  emit: (x, y, _, dtype) => (dtype === "bool" ? `(${x} != ${y})` : `(${x} ^ ${y})`),
  simplify: (x, y) => (constantOf(y) === 0 ? x : constantOf(x) === 0 ? y : null),
  error: exact,
});

/** Logical not, or all bits flipped on integers. */
export const not = unary({
  name: "not",
  takes: bits,
  ref: (x, dtype) => (dtype === "bool" ? 1 - x : ~x),
  emit: (x, _, dtype) => (dtype === "bool" ? `(!${x})` : `(~${x})`),
  simplify: (x) => operandOf(x, not) ?? null,
  error: exact,
});

/** x · 2^y on the bits; 0 where y (read as unsigned) is 32 or more, as XLA. */
export const shiftLeft = binary({
  name: "shiftLeft",
  takes: integers,
  ref: (x, y) => (y >>> 0 < 32 ? x << y : 0),
  emit(x, y, ctx, dtype) {
    const by = ctx.let(ctx.type("uint32"), `bitcast<${ctx.type("uint32")}>(${y})`);
    const moved = `${x} << (${by} & ${ctx.constant(31, "uint32")})`;
    return `select(${ctx.constant(0, dtype)}, ${moved}, ${by} < ${ctx.constant(32, "uint32")})`;
  },
  simplify: (x, y) => (constantOf(y) === 0 ? x : null),
  error: exact,
});

/** Right shift that fills with zeros, also on int32; 0 where y (unsigned) is 32 or more. */
export const shiftRightLogical = binary({
  name: "shiftRightLogical",
  takes: integers,
  ref: (x, y) => (y >>> 0 < 32 ? x >>> y : 0),
  emit(x, y, ctx, dtype) {
    const u = ctx.type("uint32");
    const by = ctx.let(u, `bitcast<${u}>(${y})`);
    const moved = `bitcast<${u}>(${x}) >> (${by} & ${ctx.constant(31, "uint32")})`;
    const shifted = `select(${ctx.constant(0, "uint32")}, ${moved}, ${by} < ${ctx.constant(32, "uint32")})`;
    return dtype === "uint32" ? shifted : `bitcast<${ctx.type(dtype)}>(${shifted})`;
  },
  simplify: (x, y) => (constantOf(y) === 0 ? x : null),
  error: exact,
});

/** Right shift that repeats the top bit, also on uint32; all sign where y (unsigned) is 32 or more. */
export const shiftRightArithmetic = binary({
  name: "shiftRightArithmetic",
  takes: integers,
  ref: (x, y) => x >> Math.min(y >>> 0, 31),
  emit(x, y, ctx, dtype) {
    const by = `min(bitcast<${ctx.type("uint32")}>(${y}), ${ctx.constant(31, "uint32")})`;
    const shifted = `(bitcast<${ctx.type("int32")}>(${x}) >> ${by})`;
    return dtype === "int32" ? shifted : `bitcast<${ctx.type(dtype)}>${shifted}`;
  },
  simplify: (x, y) => (constantOf(y) === 0 ? x : null),
  error: exact,
});

/** How many bits are set. */
export const populationCount = unary({
  name: "populationCount",
  takes: integers,
  ref(x) {
    let count = 0;
    for (let rest = x >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
    return count;
  },
  emit: (x) => `countOneBits(${x})`,
  error: exact,
});

/** How many zero bits stand above the highest set bit; 32 for 0. */
export const clz = unary({
  name: "clz",
  takes: integers,
  ref: (x) => Math.clz32(x),
  emit: (x) => `countLeadingZeros(${x})`,
  error: exact,
});

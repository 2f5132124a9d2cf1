/** neg, add, sub, mul, div: the linear ones and their transposes. */
import type { DType } from "../core/dtype.js";
import type { Atom } from "../ir/graph.js";
import { binary, constantOf, isConstant, operandOf, unary } from "./define.js";
import { named } from "./emit-text.js";

const numbers: readonly DType[] = ["float32", "int32", "uint32"];

/** The sum of two tangents; null is zero. */
export const addTangents = (a: Atom | null, b: Atom | null): Atom | null =>
  a && b ? add(a, b) : (a ?? b);

/** -x. Integers wrap: -(-2^31) is -2^31. */
export const neg = unary({
  name: "neg",
  takes: numbers,
  ref: (x) => -x,
  emit: (x, ctx, dtype) => (dtype === "uint32" ? `(${ctx.type(dtype)}(0u) - ${x})` : `(-${x})`),
  jvp: ({ tangents: [t] }) => [neg(t!)],
  transpose: ({ cotangents: [ct] }) => [neg(ct!)],
  simplify: (x) => operandOf(x, neg) ?? null,
  error: { ulp: 0 },
});

/** x + y. Integers wrap. */
export const add = binary({
  name: "add",
  takes: numbers,
  ref: (x, y) => x + y,
  emit: (x, y) => `(${x} + ${y})`,
  jvp: ({ tangents: [tx, ty] }) => [addTangents(tx!, ty!)],
  transpose: ({ cotangents: [ct], inputs: [x, y] }) => [x ? null : ct!, y ? null : ct!],
  simplify(x, y) {
    // Of the two zeros only -0 adds nothing to both of them: -0 + 0 is +0.
    const zero = x.aval.dtype === "float32" ? -0 : 0;
    if (isConstant(y, zero)) return x;
    if (isConstant(x, zero)) return y;
    const minusY = operandOf(y, neg);
    if (minusY) return sub(x, minusY);
    const minusX = operandOf(x, neg);
    return minusX ? sub(y, minusX) : null;
  },
  error: { ulp: 1 },
});

/** x - y. Integers wrap. */
export const sub = binary({
  name: "sub",
  takes: numbers,
  ref: (x, y) => x - y,
  emit: (x, y) => `(${x} - ${y})`,
  jvp: ({ tangents: [tx, ty] }) => [tx && ty ? sub(tx, ty) : (tx ?? neg(ty!))],
  transpose: ({ cotangents: [ct], inputs: [x, y] }) => [x ? null : ct!, y ? null : neg(ct!)],
  simplify(x, y) {
    if (isConstant(y, 0)) return x;
    const minusY = operandOf(y, neg);
    return minusY ? add(x, minusY) : null;
  },
  error: { ulp: 1 },
});

/** x * y. Integers wrap. */
export const mul = binary({
  name: "mul",
  takes: numbers,
  ref: (x, y, dtype) => (dtype === "float32" ? x * y : Math.imul(x, y)),
  emit: (x, y) => `(${x} * ${y})`,
  jvp: ({ primals: [x, y], tangents: [tx, ty] }) => [
    addTangents(tx ? mul(tx, y!) : null, ty ? mul(x!, ty) : null),
  ],
  transpose: ({ cotangents: [ct], inputs: [x, y] }) => [
    x ? null : mul(ct!, y!),
    y ? null : mul(x!, ct!),
  ],
  simplify(x, y) {
    if (constantOf(y) === 1) return x;
    if (constantOf(x) === 1) return y;
    if (x.aval.dtype !== "float32") return null;
    if (constantOf(y) === -1) return neg(x);
    if (constantOf(x) === -1) return neg(y);
    const minusX = operandOf(x, neg);
    const minusY = minusX && operandOf(y, neg);
    return minusX && minusY ? mul(minusX, minusY) : null;
  },
  error: { ulp: 1 },
});

/**
 * x / y. Integers truncate towards zero; x / 0 is -1 (all bits set) and -2^31 / -1 is -2^31, as XLA
 * defines them.
 */
export const div = binary({
  name: "div",
  takes: numbers,
  ref: (x, y, dtype) => (dtype === "float32" ? x / y : y === 0 ? -1 : Math.trunc(x / y)),
  emit(x, y, ctx, dtype) {
    if (dtype === "float32") return `(${x} / ${y})`;
    const d = named(ctx, dtype, y);
    const zero = `${d} == ${ctx.constant(0, dtype)}`;
    const ones = ctx.constant(dtype === "int32" ? -1 : 0xffffffff, dtype);
    return `select(${x} / ${d}, ${ones}, ${zero})`;
  },
  jvp: ({ primals: [, y], tangents: [tx, ty], outputs: [out] }) => [
    // d(x/y) = (dx - (x/y) dy) / y
    tx && !ty ? div(tx, y!) : div(tx ? sub(tx, mul(out!, ty!)) : neg(mul(out!, ty!)), y!),
  ],
  transpose: ({ cotangents: [ct], inputs: [, y] }) => [div(ct!, y!), null],
  simplify: (x, y) => (constantOf(y) === 1 ? x : null),
  kink: (_, y) => Math.abs(y),
  error: { ulp: 2.5 },
  cost: 4,
});

/** abs, sign, floor, ceil, round, max, min: exact, and with kinks or jumps. */
import type { DType } from "../core/dtype.js";
import type { Atom } from "../ir/graph.js";
import type { EmitContext } from "../ir/primitive.js";
import { neg } from "./arithmetic.js";
import { chain, chain2 } from "./chain.js";
import { eq, gt } from "./compare.js";
import { convert } from "./convert.js";
import { type BinaryOp, binary, like, operandOf, unary } from "./define.js";
import { isNanText, named } from "./emit-text.js";
import { select } from "./select.js";

const numbers: readonly DType[] = ["float32", "int32", "uint32"];
const floats: readonly DType[] = ["float32"];
const exact = { ulp: 0 };

/** -1, 0 or 1; NaN and the sign of zero stay. */
export const sign = unary({
  name: "sign",
  takes: numbers,
  ref: (x) => Math.sign(x),
  emit(x, ctx, dtype) {
    if (dtype === "uint32") return `min(${x}, ${ctx.constant(1, dtype)})`;
    const v = named(ctx, dtype, x);
    const [zero, one, minus] = [0, 1, -1].map((k) => ctx.constant(k, dtype));
    return `select(select(${v}, ${minus}, ${v} < ${zero}), ${one}, ${v} > ${zero})`;
  },
  kink: Math.abs,
  error: exact,
});

/** |x|. Its derivative at 0 is 0. |-2^31| wraps to -2^31. */
export const abs = unary({
  name: "abs",
  takes: numbers,
  ref: Math.abs,
  emit: (x) => `abs(${x})`,
  jvp: chain(sign),
  simplify(x) {
    if (operandOf(x, abs)) return x;
    const inner = operandOf(x, neg);
    return inner ? abs(inner) : null;
  },
  kink: Math.abs,
  error: exact,
});

const toInteger = (x: number): number => Math.abs(x - Math.round(x));

/** The largest integer ≤ x. Derivative 0. */
export const floor = unary({
  name: "floor",
  takes: floats,
  ref: Math.floor,
  emit: (x) => `floor(${x})`,
  kink: toInteger,
  error: exact,
});

/** The smallest integer ≥ x. Derivative 0. */
export const ceil = unary({
  name: "ceil",
  takes: floats,
  ref: Math.ceil,
  emit: (x) => `ceil(${x})`,
  kink: toInteger,
  error: exact,
});

/** Round half to even, in f64 without losing the sign of zero. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  const up = rest > 0.5 || (rest === 0.5 && down % 2 !== 0);
  const out = up ? down + 1 : down;
  return out === 0 && (x < 0 || Object.is(x, -0)) ? -0 : out;
}

/** The nearest integer, halves to the even one (numpy.round). Derivative 0. */
export const round = unary({
  name: "round",
  takes: floats,
  ref: roundHalfEven,
  emit: (x) => `round(${x})`,
  kink: (x) => Math.abs(x - Math.floor(x) - 0.5),
  error: exact,
});

interface Extremum {
  readonly name: string;
  readonly ref: (x: number, y: number) => number;
  readonly symbol: string;
  readonly builtin: string;
}

/** Where x wins strictly 1, on a tie ½, else 0. */
const share = (x: Atom, y: Atom, wins: Atom): Atom =>
  select(eq(x, y), like(x, 0.5), convert(wins, x.aval.dtype));

function extremum({ name, ref, symbol, builtin }: Extremum): BinaryOp {
  const wins = (x: Atom, y: Atom) => (symbol === ">" ? gt(x, y) : gt(y, x));
  return binary({
    name,
    takes: numbers,
    ref,
    emit(x, y, ctx: EmitContext, dtype) {
      if (dtype !== "float32") return `${builtin}(${x}, ${y})`;
      // WGSL's builtin may drop a NaN. A comparison with NaN is false, which takes y.
      const a = named(ctx, dtype, x);
      const b = named(ctx, dtype, y);
      return `select(${b}, ${a}, (${a} ${symbol} ${b}) | ${isNanText(a, ctx)})`;
    },
    jvp: chain2(
      (x, y) => share(x, y, wins(x, y)),
      (x, y) => share(x, y, wins(y, x)),
    ),
    simplify: (x, y) => (x === y ? x : null),
    kink: (x, y) => Math.abs(x - y),
    error: exact,
    cost: 2,
  });
}

/** The larger; NaN where either is NaN. A tie shares the derivative, ½ each (as JAX). */
export const max = extremum({
  name: "max",
  ref: (x, y) => Math.max(x, y),
  symbol: ">",
  builtin: "max",
});

/** The smaller; NaN where either is NaN. A tie shares the derivative, ½ each (as JAX). */
export const min = extremum({
  name: "min",
  ref: (x, y) => Math.min(x, y),
  symbol: "<",
  builtin: "min",
});

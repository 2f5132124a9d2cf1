/** Comparisons: bool results, no derivative. Ordered as numbers; false < true. */
import { dtypes } from "../core/dtype.js";
import { type BinaryOp, binary } from "./define.js";

interface Comparison {
  readonly name: string;
  readonly symbol: string;
  readonly ref: (x: number, y: number) => boolean;
  /** WGSL has no order on bool: what it is in terms of `&` and `!`. */
  readonly onBool: (x: string, y: string) => string;
}

function comparison({ name, symbol, ref, onBool }: Comparison): BinaryOp {
  return binary({
    name,
    takes: dtypes,
    gives: "bool",
    ref: (x, y) => Number(ref(x, y)),
    emit(x, y, _, dtype) {
      if (dtype === "bool") return onBool(x, y);
      // Dawn translates != to an ordered comparison, which is false for NaN.
      return symbol === "!=" ? `(!(${x} == ${y}))` : `(${x} ${symbol} ${y})`;
    },
    kink: (x, y) => (x === y ? 0 : Math.abs(x - y)),
    error: { ulp: 0 },
  });
}

/** x = y; NaN equals nothing, -0 equals 0. */
export const eq = comparison({
  name: "eq",
  symbol: "==",
  ref: (x, y) => x === y,
  onBool: (x, y) => `(${x} == ${y})`,
});

/** x ≠ y; true where either is NaN. */
export const ne = comparison({
  name: "ne",
  symbol: "!=",
  ref: (x, y) => x !== y,
  onBool: (x, y) => `(${x} != ${y})`,
});

export const lt = comparison({
  name: "lt",
  symbol: "<",
  ref: (x, y) => x < y,
  onBool: (x, y) => `((!${x}) & ${y})`,
});

export const le = comparison({
  name: "le",
  symbol: "<=",
  ref: (x, y) => x <= y,
  onBool: (x, y) => `((!${x}) | ${y})`,
});

export const gt = comparison({
  name: "gt",
  symbol: ">",
  ref: (x, y) => x > y,
  onBool: (x, y) => `(${x} & (!${y}))`,
});

export const ge = comparison({
  name: "ge",
  symbol: ">=",
  ref: (x, y) => x >= y,
  onBool: (x, y) => `(${x} | (!${y}))`,
});

/** exp, log, square roots. */
import type { DType } from "../core/dtype.js";
import { div, mul } from "./arithmetic.js";
import { chain } from "./chain.js";
import { like, unary } from "./define.js";

const floats: readonly DType[] = ["float32"];

/** e^x. */
export const exp = unary({
  name: "exp",
  takes: floats,
  ref: Math.exp,
  emit: (x) => `exp(${x})`,
  jvp: chain((_, y) => y),
  error: { ulp: 3 },
  cost: 8,
});

/** Natural logarithm. */
export const log = unary({
  name: "log",
  takes: floats,
  ref: Math.log,
  emit: (x) => `log(${x})`,
  jvp: ({ primals: [x], tangents: [t] }) => [div(t!, x!)],
  kink: Math.abs,
  error: { ulp: 3, abs: 2 ** -21 },
  cost: 8,
});

/** Square root; NaN below 0. Its derivative at 0 is infinite, as in JAX. */
export const sqrt = unary({
  name: "sqrt",
  takes: floats,
  ref: Math.sqrt,
  emit: (x) => `sqrt(${x})`,
  jvp: ({ tangents: [t], outputs: [y] }) => [div(mul(t!, like(y!, 0.5)), y!)],
  kink: Math.abs,
  error: { ulp: 4.5 },
  cost: 4,
});

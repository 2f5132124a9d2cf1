/** relu: a primitive of its own, so that its derivative needs nothing but its result. */
import { gt } from "./compare.js";
import { like, operandOf, unary } from "./define.js";
import { select } from "./select.js";

/**
 * x where it is positive, else 0; NaN stays. The derivative is read off the result, which the next
 * layer keeps anyway, and is 0 at 0 (as jax.nn.relu).
 */
export const relu = unary({
  name: "relu",
  takes: ["float32"],
  ref: (x) => Math.max(x, 0),
  emit: (x, ctx) => {
    const zero = ctx.constant(0, "float32");
    return `select(${x}, ${zero}, ${x} <= ${zero})`;
  },
  jvp: ({ tangents: [t], outputs: [y] }) => [select(gt(y!, like(y!, 0)), t!, like(y!, 0))],
  simplify: (x) => (operandOf(x, relu) ? x : null),
  kink: Math.abs,
  error: { ulp: 0 },
});

/**
 * optimizationBarrier: a value that is nothing but its operand, and that no pass sees through
 * (lax.optimization_barrier). What is computed from it is not merged with what is computed from the
 * operand, and runs after the other operands.
 */
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { addLane } from "./broadcast.js";

export const optimizationBarrierP: Primitive<object> = {
  name: "optimizationBarrier",
  kind: "view",
  ordersBy: true,
  aval: ([x]) => [x!],
  ref: ([x]) => [x!],
  jvp: ({ primals: [, ...after], tangents: [t] }) => [t ? optimizationBarrier(t, after) : null],
  transpose: ({ cotangents: [ct], inputs }) => [ct!, ...inputs.slice(1).map(() => null)],
  batch({ inputs: [x, ...after], mapped, size }) {
    return [optimizationBarrier(mapped[0] ? x! : addLane(x!, size), after)];
  },
  batchPartly: ({ inputs: [x, ...after], mapped }) => ({
    outputs: [optimizationBarrier(x!, after)],
    mapped: [mapped[0]!],
  }),
  view: ({ index }) => ({ kind: "element", operand: 0, index }),
  error: { ulp: 0 },
};

/** `x`, behind a barrier: what uses it is computed after all of `after`. */
export const optimizationBarrier = (x: Atom, after: readonly Atom[] = []): Atom =>
  bind1(optimizationBarrierP, [x, ...after], {});

/** whileLoop, and foriLoop in terms of it where the bounds are tensors. */
import { showAval } from "../../core/aval.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { buildGraph } from "../../ir/builder.js";
import { inlineGraph } from "../../ir/eval.js";
import { whileLoop as whileAtoms } from "../../structured/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { applyGraph, traceFunction } from "../../trace/trace.js";
import { type AnyFunction, labelOf, requireFunction } from "../arguments.js";
import { add, astype, less } from "../ops/index.js";
import { carryOf, initialValues, traceBody } from "./carry.js";
import { countedLoop } from "./scan.js";
import type { Like, Traced } from "./types.js";

/**
 * `bodyFun` again and again while `condFun` of the carry holds (jax.lax.while_loop). `condFun` returns a
 * scalar boolean. Under vmap it runs until every lane is done; a lane that is done keeps its carry.
 *
 * Differentiable in forward mode only: the number of steps is not known in advance. For gradients use
 * `foriLoop` with numbers for bounds, or `scan`.
 *
 * @throws ShapeError where the carry changes its structure, a shape or a dtype.
 *
 * ```ts
 * const double = whileLoop((x) => x.less(100), (x) => x.mul(2), array(3));
 * await double.item(); // 192
 * ```
 */
export function whileLoop<const C>(
  condFun: (carry: Traced<C>) => TensorLike,
  bodyFun: (carry: Traced<C>) => Like<C>,
  init: C,
): Traced<C> {
  requireFunction("whileLoop", condFun);
  requireFunction("whileLoop", bodyFun);
  return loop(
    "whileLoop",
    condFun as unknown as AnyFunction,
    bodyFun as unknown as AnyFunction,
    init,
  ) as Traced<C>;
}

function loop(op: string, condFun: AnyFunction, bodyFun: AnyFunction, init: unknown): unknown {
  const carry = carryOf(op, init);
  const n = carry.leaves.length;
  const body = traceBody(op, bodyFun, carry, [], (c) => ({
    next: (bodyFun as (c: unknown) => unknown)(c),
    rest: null,
  }));
  const label = labelOf(condFun);
  const test = traceFunction(label, body.carry, (tracers) => {
    const out = (condFun as (c: unknown) => unknown)(carry.def.unflatten(tracers));
    if (typeof out === "boolean") return out;
    if (!isTensor(out) || out.ndim !== 0 || out.dtype !== "bool") {
      const got = isTensor(out) ? `a ${showAval(out.aval)}` : `a ${typeof out}`;
      throw new ShapeError(
        `${op}: the condition '${label}' returns ${got}; it must return a scalar boolean, such as ` +
          "x.less(10) of a scalar, or all(...) of an array",
      );
    }
    return out;
  });
  // Both graphs take everything that either closes over.
  const captures = [...body.captures, ...test.captures];
  const avals = [...body.carry.map((s) => s.aval), ...captures.map((x) => x.aval)];
  const first = n + body.captures.length;
  const bodyGraph = buildGraph(avals, (ins) => inlineGraph(body.graph, ins.slice(0, first)));
  const condGraph = buildGraph(avals, (ins) =>
    inlineGraph(test.graph, [...ins.slice(0, n), ...ins.slice(first)]),
  );
  const inputs = [...initialValues(carry, body, astype), ...captures];
  const graph = buildGraph(avals, (ins) =>
    whileAtoms(ins, { cond: condGraph, body: bodyGraph, carry: n }),
  );
  return carry.def.unflatten(applyGraph(graph, inputs, op));
}

export interface ForiLoopOptions {
  /** Steps written out in one round of the loop (1). */
  readonly unroll?: number;
}

/**
 * `carry = bodyFun(i, carry)` for i from `lower` to `upper` - 1 (jax.lax.fori_loop). With numbers for
 * bounds it is a scan and differentiable in both modes; with tensors it is a `whileLoop`.
 *
 * ```ts
 * const factorial = foriLoop(1, 6, (i, x) => x.mul(i.astype("float32")), array(1));
 * await factorial.item(); // 120
 * ```
 */
export function foriLoop<const C>(
  lower: number | Tensor,
  upper: number | Tensor,
  bodyFun: (i: Tensor, carry: Traced<C>) => Like<C>,
  init: C,
  options: ForiLoopOptions = {},
): Traced<C> {
  requireFunction("foriLoop", bodyFun);
  const f = bodyFun as unknown as AnyFunction;
  for (const bound of [lower, upper]) {
    const good = isTensor(bound)
      ? bound.ndim === 0 && (bound.dtype === "int32" || bound.dtype === "uint32")
      : Number.isInteger(bound);
    if (good) continue;
    const got = isTensor(bound) ? showAval(bound.aval) : String(bound);
    throw new DtypeError(
      `foriLoop: a bound is ${got}; bounds are whole numbers, or scalar integer tensors`,
    );
  }
  if (typeof lower === "number" && typeof upper === "number") {
    return countedLoop(f, lower, upper, init, options.unroll ?? 1) as Traced<C>;
  }
  const start = astype(lower, "int32");
  const end = astype(upper, "int32");
  const test = ([i]: readonly [Tensor, unknown]) => less(i, end);
  const step = ([i, c]: readonly [Tensor, Traced<C>]) => [add(i, 1), bodyFun(i, c)];
  const out = loop(
    "foriLoop",
    test as unknown as AnyFunction,
    Object.defineProperty(step, "name", { value: labelOf(f) }) as unknown as AnyFunction,
    [start, init],
  );
  return (out as [Tensor, Traced<C>])[1];
}

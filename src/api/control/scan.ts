/** scan and foriLoop: loops of known length. */
import { aval, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import { flatten } from "../../core/tree.js";
import { buildGraph, lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import { add, broadcastInDim, iota } from "../../prims/index.js";
import { unrolledScan } from "../../structured/index.js";
import type { Tensor } from "../../trace/tensor.js";
import { applyGraph, type InputSpec } from "../../trace/trace.js";
import { type AnyFunction, argumentLeaves, labelOf, requireFunction } from "../arguments.js";
import { astype } from "../ops/index.js";
import { requireKnown } from "../ops/promote.js";
import { type Carry, carryOf, initialValues, type TracedBody, traceBody } from "./carry.js";
import type { Like, Traced } from "./types.js";

export interface ScanOptions {
  /** Number of steps; needed where `xs` has no leaves. */
  readonly length?: number;
  /** From the last slice to the first; `ys` keeps the order of `xs`. */
  readonly reverse?: boolean;
  /** Steps written out in one round of the loop (1): larger programs, fewer rounds. */
  readonly unroll?: number;
}

/**
 * A loop over the leading axis of `xs` that carries a value along (jax.lax.scan): `f(carry, x)` returns
 * `[carry, y]`. Gives the last carry and the `y`s stacked along a new leading axis. All of them are
 * trees; the body is traced and compiled once, whatever the length. Differentiable in both modes.
 *
 * @throws ShapeError where the leading axes of `xs` differ, no length is known, or the carry changes
 * its structure, a shape or a dtype.
 *
 * ```ts
 * const [total, partial] = scan((sum, x) => [sum.add(x), sum.add(x)], 0, array([1, 2, 3]));
 * await total.item(); // 6
 * await partial.toArray(); // [1, 3, 6]
 * ```
 */
export function scan<const C, const X, const Y>(
  f: (carry: Traced<C>, x: Traced<X>) => readonly [carry: Like<C>, y: Y],
  init: C,
  xs: X,
  options: ScanOptions = {},
): [carry: Traced<C>, ys: Traced<Y>] {
  requireFunction("scan", f);
  return run("scan", f as unknown as AnyFunction, init, xs, options, (carry, x) => {
    const out: unknown = f(carry as Traced<C>, x as Traced<X>);
    if (!Array.isArray(out) || out.length !== 2) {
      throw new ShapeError(
        `scan: '${labelOf(f as unknown as AnyFunction)}' must return a list of two, [carry, y]; return ` +
          "null for y where there is nothing to stack",
      );
    }
    return { next: out[0], rest: out[1] };
  }) as [Traced<C>, Traced<Y>];
}

/** A loop with static bounds: a scan over the counter. */
export function countedLoop(
  f: AnyFunction,
  lower: number,
  upper: number,
  init: unknown,
  unroll: number,
): unknown {
  const length = Math.max(0, upper - lower);
  const body = f as (i: Tensor, carry: unknown) => unknown;
  const counter: InputSpec = { aval: aval([], "int32"), weak: false };
  const carry = carryOf("foriLoop", init);
  const traced = traceBody("foriLoop", f, carry, [counter], (c, [i]) => ({
    next: body(i!, c),
    rest: null,
  }));
  const count = (): Atom[] => {
    const steps = iota("int32", [length], 0);
    return [add(steps, broadcastInDim(lit(lower, "int32"), [length], []))];
  };
  const params = { length, reverse: false, unroll };
  return loop("foriLoop", carry, traced, [], count, params)[0];
}

type Call = (carry: unknown, x: unknown) => { next: unknown; rest: unknown };

function run(
  op: string,
  f: AnyFunction,
  init: unknown,
  xs: unknown,
  { length, reverse = false, unroll = 1 }: ScanOptions,
  call: Call,
): [unknown, unknown] {
  const carry = carryOf(op, init);
  const { leaves: stacks } = argumentLeaves(op, [xs]);
  const xDef = flatten(xs)[1];
  const steps = lengthOf(op, stacks, xDef.paths(), length);
  const slices = stacks.map((x) => ({ aval: aval(x.shape.slice(1), x.dtype), weak: false }));
  const body = traceBody(op, f, carry, slices, (c, x) => call(c, xDef.unflatten(x)));
  return loop(op, carry, body, stacks, (ins) => ins, { length: steps, reverse, unroll });
}

function loop(
  op: string,
  carry: Carry,
  body: TracedBody,
  stacks: readonly Tensor[],
  /** What is sliced, made of the atoms of `stacks`. */
  stacked: (atoms: readonly Atom[]) => readonly Atom[],
  { length, reverse, unroll }: Required<ScanOptions>,
): [unknown, unknown] {
  if (!Number.isInteger(unroll) || unroll < 1) {
    throw new ShapeError(`${op}: unroll must be a positive whole number, not ${unroll}`);
  }
  const n = carry.leaves.length;
  const inputs = [...initialValues(carry, body, astype), ...stacks, ...body.captures];
  const graph = buildGraph(
    inputs.map((x) => x.aval),
    (ins) => {
      const xs = stacked(ins.slice(n, n + stacks.length));
      return unrolledScan(
        [...ins.slice(0, n), ...xs, ...ins.slice(n + stacks.length)],
        { body: body.graph, carry: n, xs: xs.length, length, reverse },
        unroll,
      );
    },
  );
  const outs = applyGraph(graph, inputs, op);
  return [carry.def.unflatten(outs.slice(0, n)), body.rest.unflatten(outs.slice(n))];
}

function lengthOf(
  op: string,
  stacks: readonly Tensor[],
  paths: readonly string[],
  given: number | undefined,
): number {
  requireKnown(op, "length", given);
  let length = given;
  let from = "length";
  stacks.forEach((x, i) => {
    const name = `xs${paths[i] ?? ""} ${showAval(x.aval)}`;
    const n = x.shape[0];
    if (n === undefined) {
      throw new ShapeError(`${op}: ${name} is a scalar; what is looped over needs a leading axis`);
    }
    if (length !== undefined && n !== length) {
      throw new ShapeError(
        `${op}: ${name} has ${n} slices, but ${from} ${from === "length" ? "is" : "has"} ${length}; ` +
          "leading axes must be equal",
      );
    }
    length = n;
    from = name;
  });
  if (length === undefined || !Number.isInteger(length) || length < 0) {
    throw new ShapeError(
      `${op}: the number of steps is ${length === undefined ? "not known" : length}; give xs with a leading ` +
        "axis, or { length } as a whole number",
    );
  }
  return length;
}

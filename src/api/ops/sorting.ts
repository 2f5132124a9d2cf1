/** Sorting, and what rests on it. */
import { normalizeAxis, showAval, sizeOf } from "../../core/aval.js";
import { isFloat } from "../../core/dtype.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation, operations } from "../../trace/trace.js";
import { type Trace, tracerOf } from "../../trace/tracer.js";
import { part } from "./arrange.js";
import { asBool, asFloat, asNumber, isBool, like } from "./atoms.js";
import { promote, requireKnown, toAtom } from "./promote.js";
import { type AxisArgument, type ReduceOptions, reduction, requireElements } from "./reductions.js";

export interface SortOptions {
  /** Largest first. Equal elements stay in their order. */
  readonly descending?: boolean;
}

interface Sorted {
  readonly values: Atom;
  readonly order: Atom;
}

/**
 * Ascending, or descending as the reverse of the sorted reverse: that keeps equal elements in order,
 * and works on unsigned integers.
 */
export function sortAtom(a: Atom, axis: number, descending: boolean): Sorted {
  const source = descending ? prims.reverse(a, [axis]) : a;
  const [values, order] = prims.sort([source], axis) as [Atom, Atom, Atom];
  if (!descending) return { values, order };
  const size = a.aval.shape[axis]!;
  const back = prims.sub(like(order, size - 1), order);
  return { values: prims.reverse(values, [axis]), order: prims.reverse(back, [axis]) };
}

function line(
  op: string,
  x: TensorLike,
  axis: number | null,
  trace: Trace,
): { a: Atom; axis: number; bool: boolean } {
  const raw = toAtom(x, trace);
  const bool = isBool(raw);
  const a = asNumber(raw);
  if (axis === null) {
    return { a: prims.reshape(a, [sizeOf(a.aval.shape)]), axis: 0, bool };
  }
  return { a, axis: normalizeAxis(op, axis, a.aval.shape.length), bool };
}

/**
 * Elements in ascending order along an axis, the last by default (numpy.sort). Stable; NaN comes last.
 * `null` as the axis sorts the flat tensor. Differentiable.
 *
 * ```ts
 * await sort(array([3, 1, 2])).toArray(); // [1, 2, 3]
 * await sort(array([3, 1, 2]), -1, { descending: true }).toArray(); // [3, 2, 1]
 * ```
 */
export const sort = (x: TensorLike, axis: number | null = -1, options: SortOptions = {}): Tensor =>
  operation("sort", (trace) => {
    const l = line("sort", x, axis, trace);
    const { values } = sortAtom(l.a, l.axis, options.descending ?? false);
    return tracerOf(trace, l.bool ? asBool(values) : values);
  });

/**
 * Positions (int32) that sort an axis (numpy.argsort), the last by default. Stable.
 *
 * ```ts
 * await argsort(array([3, 1, 2])).toArray(); // [1, 2, 0]
 * ```
 */
export const argsort = (
  x: TensorLike,
  axis: number | null = -1,
  options: SortOptions = {},
): Tensor =>
  operation("argsort", (trace) => {
    const l = line("argsort", x, axis, trace);
    return tracerOf(trace, sortAtom(l.a, l.axis, options.descending ?? false).order);
  });

/**
 * The k largest elements of the last axis in descending order, and their positions (lax.top_k).
 *
 * ```ts
 * const [values, positions] = topK(array([3, 9, 4]), 2);
 * await values.toArray(); // [9, 4]
 * await positions.toArray(); // [1, 2]
 * ```
 */
export const topK = (x: TensorLike, k: number): [values: Tensor, positions: Tensor] => {
  const [values, positions] = operations("topK", (trace) => {
    const { a, axis } = line("topK", x, -1, trace);
    requireKnown("topK", "k", k);
    const size = a.aval.shape[axis]!;
    if (!Number.isInteger(k) || k < 0 || k > size) {
      throw new ShapeError(
        `topK: k = ${k} must be between 0 and ${size}, the size of the last axis of ${showAval(a.aval)}`,
      );
    }
    const s = sortAtom(a, axis, true);
    return [s.values, s.order].map((v) => tracerOf(trace, part(v, axis, 0, k)));
  });
  return [values!, positions!];
};

/**
 * Where elements would be inserted into a sorted vector to keep it sorted, int32 (numpy.searchsorted):
 * before equal elements, or after them with `side: "right"`. NaN sorts last.
 *
 * ```ts
 * await searchsorted(array([1, 3, 5]), array([3, 4, 9])).toArray(); // [1, 2, 3]
 * ```
 */
export const searchsorted = (
  sorted: TensorLike,
  x: TensorLike,
  options: { readonly side?: "left" | "right" } = {},
): Tensor =>
  operation("searchsorted", (trace) => {
    const [v, q] = promote([sorted, x], trace).atoms as [Atom, Atom];
    if (v.aval.shape.length !== 1) {
      throw new ShapeError(`searchsorted: ${showAval(v.aval)} must be a sorted vector`);
    }
    // The number of elements before x: one comparison with each, a fused reduction.
    const shape = [...q.aval.shape, v.aval.shape[0]!];
    const last = shape.length - 1;
    const left = prims.broadcastInDim(v, shape, [last]);
    const right = prims.broadcastInDim(
      q,
      shape,
      q.aval.shape.map((_, d) => d),
    );
    const compared = options.side === "right" ? prims.le(left, right) : prims.lt(left, right);
    // NaN sorts last, as in `sort`: every number is before it, and with "right" every NaN too.
    const isLast = isFloat(q.aval.dtype) ? prims.isNan(right) : undefined;
    const numberBefore =
      isLast && options.side !== "right" ? prims.and(isLast, prims.not(prims.isNan(left))) : isLast;
    const before = numberBefore ? prims.or(compared, numberBefore) : compared;
    return tracerOf(trace, prims.reduceSum(prims.convert(before, "int32"), [last]));
  });

/**
 * The middle value over axes (numpy.median): the mean of the two middle ones for an even number.
 *
 * ```ts
 * await median(array([3, 1, 10, 2])).item(); // 2.5
 * ```
 */
export const median = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("median", x, axis, options, asFloat, (a, axes) => {
    requireElements("median", a, axes);
    const { shape } = a.aval;
    const rest = [...shape.keys()].filter((d) => !axes.includes(d));
    const n = sizeOf(axes.map((d) => shape[d]!));
    const restShape = rest.map((d) => shape[d]!);
    const lines = prims.reshape(prims.transpose(a, [...rest, ...axes]), [...restShape, n]);
    const { values } = sortAtom(lines, rest.length, false);
    const middle = (i: number) => prims.reshape(part(values, rest.length, i, i + 1), restShape);
    const [low, high] = [middle(Math.floor((n - 1) / 2)), middle(Math.floor(n / 2))];
    // NaN sorts last: it decides where it occurs.
    const top = middle(n - 1);
    const half = prims.mul(prims.add(low, high), like(low, 0.5));
    return prims.select(prims.isNan(top), top, half);
  });

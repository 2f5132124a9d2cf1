/** Running totals along an axis, and positions of extrema. */
import { normalizeAxis, sizeOf } from "../../core/aval.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asNumber } from "./atoms.js";
import { toAtom } from "./promote.js";
import { requireElements } from "./reductions.js";

export interface CumulativeOptions {
  /** From the end of the axis to its beginning. */
  readonly reverse?: boolean;
}

/** numpy: without an axis, over all elements in order. */
function flatUnless(axis: number | null | undefined, a: Atom): { a: Atom; axis: number } {
  if (axis === undefined || axis === null) {
    return { a: prims.reshape(a, [sizeOf(a.aval.shape)]), axis: 0 };
  }
  return { a, axis };
}

const running = (
  name: string,
  x: TensorLike,
  axis: number | null | undefined,
  options: CumulativeOptions,
  f: (a: Atom, axis: number, reverse: boolean) => Atom,
): Tensor =>
  operation(name, (trace) => {
    const line = flatUnless(axis, asNumber(toAtom(x, trace)));
    const d = normalizeAxis(name, line.axis, line.a.aval.shape.length);
    return tracerOf(trace, f(line.a, d, options.reverse ?? false));
  });

/**
 * Sums of all elements up to each one (numpy.cumsum); without an axis, of the flat tensor.
 *
 * ```ts
 * await cumsum(array([1, 2, 3])).toArray(); // [1, 3, 6]
 * ```
 */
export const cumsum = (
  x: TensorLike,
  axis?: number | null,
  options: CumulativeOptions = {},
): Tensor => running("cumsum", x, axis, options, prims.cumsum);

/**
 * Products of all elements up to each one (numpy.cumprod).
 *
 * ```ts
 * await cumprod(array([1, 2, 3])).toArray(); // [1, 2, 6]
 * ```
 */
export const cumprod = (
  x: TensorLike,
  axis?: number | null,
  options: CumulativeOptions = {},
): Tensor => running("cumprod", x, axis, options, prims.cumprod);

/**
 * Largest of all elements up to each one (lax.cummax).
 *
 * ```ts
 * await cummax(array([1, 3, 2])).toArray(); // [1, 3, 3]
 * ```
 */
export const cummax = (
  x: TensorLike,
  axis?: number | null,
  options: CumulativeOptions = {},
): Tensor => running("cummax", x, axis, options, prims.cummax);

/**
 * Smallest of all elements up to each one (lax.cummin).
 *
 * ```ts
 * await cummin(array([3, 1, 2])).toArray(); // [3, 1, 1]
 * ```
 */
export const cummin = (
  x: TensorLike,
  axis?: number | null,
  options: CumulativeOptions = {},
): Tensor => running("cummin", x, axis, options, prims.cummin);

const position = (
  name: string,
  x: TensorLike,
  axis: number | null | undefined,
  keepdims: boolean,
  f: (a: Atom, axis: number) => Atom,
): Tensor =>
  operation(name, (trace) => {
    const whole = asNumber(toAtom(x, trace));
    const line = flatUnless(axis, whole);
    const d = normalizeAxis(name, line.axis, line.a.aval.shape.length);
    requireElements(name, line.a, [d]);
    const out = f(line.a, d);
    if (!keepdims) return tracerOf(trace, out);
    const flat = axis === undefined || axis === null;
    const shape = whole.aval.shape.map((n, i) => (flat || i === d ? 1 : n));
    return tracerOf(trace, prims.reshape(out, shape));
  });

export interface PositionOptions {
  readonly keepdims?: boolean;
}

/**
 * Position of the largest element along an axis, int32 (numpy.argmax): the first of equals, the first
 * NaN if there is one. Without an axis, in the flat tensor.
 *
 * ```ts
 * await argmax(array([[1, 5], [7, 2]]), 1).toArray(); // [1, 0]
 * ```
 */
export const argmax = (
  x: TensorLike,
  axis?: number | null,
  options: PositionOptions = {},
): Tensor => position("argmax", x, axis, options.keepdims ?? false, prims.argmax);

/**
 * Position of the smallest element along an axis, int32 (numpy.argmin).
 *
 * ```ts
 * await argmin(array([[1, 5], [7, 2]]), 1).toArray(); // [0, 1]
 * ```
 */
export const argmin = (
  x: TensorLike,
  axis?: number | null,
  options: PositionOptions = {},
): Tensor => position("argmin", x, axis, options.keepdims ?? false, prims.argmin);

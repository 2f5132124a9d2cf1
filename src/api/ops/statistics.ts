/** Quantiles, histograms and counts. */
import { showAval, sizeOf } from "../../core/aval.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation, operations } from "../../trace/trace.js";
import { add, clip, div, mul, sub } from "./arithmetic.js";
import { asarray } from "./array.js";
import { astype } from "./cast.js";
import { equal, isnan, less, lessEqual } from "./comparison.js";
import { iota, linspace, ones } from "./creation.js";
import { take } from "./indexing.js";
import { type AxisArgument, any, max, min, type ReduceOptions } from "./reductions.js";
import { ceil, floor } from "./rounding.js";
import { expandDims, moveaxis, reshape, slice } from "./shape.js";
import { searchsorted, sort } from "./sorting.js";
import { where } from "./where.js";

const axesOf = (axis: AxisArgument | undefined, rank: number): number[] => {
  if (axis === undefined || axis === null) return Array.from({ length: rank }, (_, d) => d);
  return (typeof axis === "number" ? [axis] : [...axis]).map((d) => (d < 0 ? d + rank : d));
};

/**
 * The q-quantile over axes, linear between neighbours (numpy.quantile). `q` is a number, or a vector
 * whose axis comes first in the result. NaN where a line has one.
 *
 * ```ts
 * await quantile(array([1, 2, 4, 8]), 0.5).item(); // 3
 * ```
 */
export const quantile = (
  x: TensorLike,
  q: TensorLike,
  axis?: AxisArgument,
  options: ReduceOptions = {},
): Tensor =>
  operation("quantile", () => {
    const a = astype(x, "float32");
    const at = astype(q, "float32");
    if (at.ndim > 1)
      throw new ShapeError(`quantile: q is ${showAval(at.aval)}; give a number or a vector`);
    const axes = axesOf(axis, a.ndim);
    const n = sizeOf(axes.map((d) => a.shape[d]!));
    if (n === 0)
      throw new ShapeError(`quantile: ${showAval(a.aval)} has no elements along its axes`);
    const rest = a.shape.filter((_, d) => !axes.includes(d));
    const lines = reshape(
      moveaxis(
        a,
        axes,
        axes.map((_, i) => rest.length + i),
      ),
      [...rest, n],
    );
    const sorted = moveaxis(sort(lines, -1), -1, 0);
    const position = mul(clip(at, 0, 1), n - 1);
    const [low, high] = [floor(position), ceil(position)];
    const entry = (p: Tensor) => take(sorted, astype(p, "int32"), 0);
    const weight = reshape(sub(position, low), [...at.shape, ...rest.map(() => 1)]);
    const value = add(mul(entry(low), sub(1, weight)), mul(entry(high), weight));
    const out = where(any(isnan(lines), -1), Number.NaN, value);
    if (!options.keepdims) return out;
    return reshape(out, [...at.shape, ...a.shape.map((size, d) => (axes.includes(d) ? 1 : size))]);
  });

/**
 * As `quantile` with q in percent (numpy.percentile).
 *
 * ```ts
 * await percentile(array([1, 2, 4, 8]), 50).item(); // 3
 * ```
 */
export const percentile = (
  x: TensorLike,
  q: TensorLike,
  axis?: AxisArgument,
  options: ReduceOptions = {},
): Tensor => operation("percentile", () => quantile(x, div(q, 100), axis, options));

/**
 * Numbers of the bins of increasing edges that elements fall into, int32 (numpy.digitize): bin i is
 * edges[i-1] ≤ x < edges[i], or with `right` edges[i-1] < x ≤ edges[i].
 *
 * ```ts
 * await digitize(array([0.5, 2, 9]), array([1, 2, 3])).toArray(); // [0, 2, 3]
 * ```
 */
export const digitize = (
  x: TensorLike,
  edges: TensorLike,
  options: { readonly right?: boolean } = {},
): Tensor =>
  operation("digitize", () => searchsorted(edges, x, { side: options.right ? "left" : "right" }));

/**
 * How often each of 0, 1, …, length - 1 occurs in a vector of integers (numpy.bincount), or the sum of
 * the weights there. `length` must be known while tracing, as in JAX; other values are left out.
 *
 * ```ts
 * await bincount(array([0, 2, 2], { dtype: "int32" }), { length: 4 }).toArray(); // [1, 0, 2, 0]
 * ```
 */
export const bincount = (
  x: TensorLike,
  options: { readonly length: number; readonly weights?: TensorLike },
): Tensor =>
  operation("bincount", () => {
    const a = asarray(x);
    if (a.dtype === "float32" || a.ndim !== 1) {
      throw new DtypeError(`bincount: takes a vector of integers, not ${showAval(a.aval)}`);
    }
    const { length, weights } = options;
    if (!Number.isInteger(length) || length < 0) {
      throw new ShapeError(`bincount: length ${length} must be a non-negative integer`);
    }
    const each = weights === undefined ? astype(ones(a.shape), "int32") : asarray(weights);
    const hits = equal(expandDims(a, 1), iota([length], 0, { dtype: "int32" }));
    const table = where(hits, expandDims(each, 1), 0);
    return table.sum(0);
  });

/**
 * Counts of elements in equal bins over a range, and the bins' edges (numpy.histogram): the last bin
 * includes its right edge. Without `range` it is from the least to the greatest element.
 *
 * ```ts
 * const [counts, edges] = histogram(array([0, 1, 1, 4]), 2);
 * await counts.toArray(); // [3, 1]
 * await edges.toArray(); // [0, 2, 4]
 * ```
 */
export function histogram(
  x: TensorLike,
  bins = 10,
  options: { readonly range?: readonly [TensorLike, TensorLike] } = {},
): [counts: Tensor, edges: Tensor] {
  const [counts, edges] = operations("histogram", () => {
    const a = reshape(astype(x, "float32"), [-1]);
    const [lo, hi] = options.range ?? [min(a), max(a)];
    // A range of nothing is widened, as numpy does.
    const flat = equal(lo, hi);
    const [from, to] = [where(flat, sub(lo, 0.5), lo), where(flat, add(hi, 0.5), hi)];
    const steps = linspace(0, 1, bins + 1);
    const e = add(mul(steps, sub(to, from)), from);
    const left = expandDims(slice(e, [0], [bins]), 1);
    const right = expandDims(slice(e, [1], [bins + 1]), 1);
    const last = reshape(equal(iota([bins], 0, { dtype: "int32" }), bins - 1), [bins, 1]);
    const below = where(last, lessEqual(a, right), less(a, right));
    const inside = where(lessEqual(left, a), below, false);
    return [astype(inside, "int32").sum(1), e];
  });
  return [counts!, edges!];
}

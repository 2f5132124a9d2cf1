/** Differences, interpolation and integrals along an axis; grids and products of vectors. */
import { normalizeAxis, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation, operations } from "../../trace/trace.js";
import { add, clip, div, mul, sub } from "./arithmetic.js";
import { asarray } from "./array.js";
import { astype } from "./cast.js";
import { equal, greater, less } from "./comparison.js";
import { linspace } from "./creation.js";
import { exp2 } from "./exponential.js";
import { take } from "./indexing.js";
import { concatenate, stack } from "./join.js";
import { broadcastTo, moveaxis, reshape, slice } from "./shape.js";
import { searchsorted } from "./sorting.js";
import { where } from "./where.js";

function neighbours(x: Tensor, axis: number): [before: Tensor, after: Tensor] {
  const n = x.shape[axis]!;
  const at = (from: number, to: number) =>
    slice(
      x,
      x.shape.map((_, d) => (d === axis ? from : 0)),
      x.shape.map((size, d) => (d === axis ? to : size)),
    );
  return [at(0, Math.max(0, n - 1)), at(Math.min(1, n), n)];
}

/**
 * Differences of neighbours along an axis, `n` times (numpy.diff).
 *
 * ```ts
 * await diff(array([1, 4, 9])).toArray(); // [3, 5]
 * ```
 */
export const diff = (x: TensorLike, n = 1, axis = -1): Tensor =>
  operation("diff", () => {
    let a = asarray(x);
    const at = normalizeAxis("diff", axis, a.ndim);
    for (let k = 0; k < n; k++) {
      const [before, after] = neighbours(a, at);
      a = sub(after, before);
    }
    return a;
  });

/**
 * Integral along an axis by the trapezoidal rule (numpy.trapezoid): over positions `x`, or steps `dx`.
 *
 * ```ts
 * await trapezoid(array([1, 2, 3])).item(); // 4
 * ```
 */
export const trapezoid = (
  y: TensorLike,
  options: { readonly x?: TensorLike; readonly dx?: TensorLike; readonly axis?: number } = {},
): Tensor =>
  operation("trapezoid", () => {
    const a = asarray(y);
    const axis = normalizeAxis("trapezoid", options.axis ?? -1, a.ndim);
    const [before, after] = neighbours(moveaxis(a, axis, -1), a.ndim - 1);
    const width = options.x === undefined ? (options.dx ?? 1) : diff(options.x);
    return mul(add(before, after), mul(width, 0.5)).sum(-1);
  });

/**
 * Piecewise linear interpolation of points (xs, ys) at x, constant outside (numpy.interp). `xs` increases.
 *
 * ```ts
 * await interp(array([0, 1.5, 9]), array([1, 2]), array([10, 20])).toArray(); // [10, 15, 20]
 * ```
 */
export const interp = (x: TensorLike, xs: TensorLike, ys: TensorLike): Tensor =>
  operation("interp", () => {
    const [p, q] = [asarray(xs), asarray(ys)];
    if (p.ndim !== 1 || q.ndim !== 1 || p.size !== q.size || p.size === 0) {
      throw new ShapeError(
        `interp: points ${showAval(p.aval)} and ${showAval(q.aval)} must be vectors of one length`,
      );
    }
    const a = astype(x, "float32");
    const n = p.size;
    if (n === 1) return broadcastTo(q, a.shape.length === 0 ? [1] : a.shape).reshape(a.shape);
    const i = clip(searchsorted(p, a, { side: "right" }), 1, n - 1);
    const [x0, x1] = [take(p, sub(i, 1)), take(p, i)];
    const [y0, y1] = [take(q, sub(i, 1)), take(q, i)];
    const width = sub(x1, x0);
    const safe = where(equal(width, 0), 1, width);
    const inside = add(y0, mul(div(sub(a, x0), safe), sub(y1, y0)));
    const ends = where(less(a, take(p, 0)), take(q, 0), inside);
    return where(greater(a, take(p, n - 1)), take(q, n - 1), ends);
  });

/**
 * A polynomial at x, coefficients from the highest power (numpy.polyval), by Horner's rule.
 *
 * ```ts
 * await polyval(array([1, 0, 2]), 3).item(); // 11
 * ```
 */
export const polyval = (coefficients: TensorLike, x: TensorLike): Tensor =>
  operation("polyval", () => {
    const c = asarray(coefficients);
    if (c.ndim !== 1) throw new ShapeError(`polyval: ${showAval(c.aval)} must be a vector`);
    let y: Tensor = mul(x, 0);
    for (let k = 0; k < c.size; k++) y = add(mul(y, x), take(c, k));
    return y;
  });

/**
 * Coordinate arrays of a grid (numpy.meshgrid): of vectors of lengths n and m two arrays [m, n], or
 * [n, m] with `indexing: "ij"`.
 *
 * ```ts
 * const [x, y] = meshgrid([array([1, 2]), array([3, 4])]);
 * await x!.toArray(); // [[1, 2], [1, 2]]
 * await y!.toArray(); // [[3, 3], [4, 4]]
 * ```
 */
export function meshgrid(
  vectors: readonly TensorLike[],
  options: { readonly indexing?: "xy" | "ij" } = {},
): Tensor[] {
  return operations("meshgrid", () => {
    const list = vectors.map((v) => reshape(v, [-1]));
    const swapped = (options.indexing ?? "xy") === "xy" && list.length > 1;
    const place = (i: number) => (swapped && i < 2 ? 1 - i : i);
    const shape = list.map((_, i) => list[place(i)]!.size);
    return list.map((v, i) => {
      const own = list.map((_, d) => (d === place(i) ? v.size : 1));
      return broadcastTo(reshape(v, own), shape);
    });
  });
}

/**
 * Numbers whose logarithms are evenly spaced (numpy.logspace): base^start to base^stop.
 *
 * ```ts
 * await logspace(0, 2, 3).toArray(); // [1, 10, 100]
 * ```
 */
export const logspace = (
  start: number,
  stop: number,
  num = 50,
  options: { readonly base?: number } = {},
): Tensor =>
  operation("logspace", () => exp2(mul(linspace(start, stop, num), Math.log2(options.base ?? 10))));

/**
 * Arrays one below the other (numpy.vstack): vectors are rows.
 *
 * ```ts
 * await vstack([array([1, 2]), array([3, 4])]).toArray(); // [[1, 2], [3, 4]]
 * ```
 */
export const vstack = (xs: readonly TensorLike[]): Tensor =>
  operation("vstack", () =>
    concatenate(
      xs.map((x) => asarray(x)).map((x) => (x.ndim < 2 ? reshape(x, [1, x.size]) : x)),
      0,
    ),
  );

/**
 * Arrays side by side (numpy.hstack): vectors one after the other.
 *
 * ```ts
 * await hstack([array([1, 2]), array([3])]).toArray(); // [1, 2, 3]
 * ```
 */
export const hstack = (xs: readonly TensorLike[]): Tensor =>
  operation("hstack", () => {
    const list = xs.map((x) => asarray(x)).map((x) => (x.ndim === 0 ? reshape(x, [1]) : x));
    return concatenate(list, list[0]?.ndim === 1 ? 0 : 1);
  });

/**
 * Cross product of 3-vectors along the last axis (numpy.cross).
 *
 * ```ts
 * await cross(array([1, 0, 0]), array([0, 1, 0])).toArray(); // [0, 0, 1]
 * ```
 */
export const cross = (x: TensorLike, y: TensorLike): Tensor =>
  operation("cross", () => {
    const [a, b] = [asarray(x), asarray(y)];
    for (const v of [a, b]) {
      if (v.shape.at(-1) !== 3) {
        throw new ShapeError(`cross: ${showAval(v.aval)} must have 3 entries along its last axis`);
      }
    }
    const part = (v: Tensor, k: number) => take(v, k, -1);
    const entry = (i: number, j: number) =>
      sub(mul(part(a, i), part(b, j)), mul(part(a, j), part(b, i)));
    return stack([entry(1, 2), entry(2, 0), entry(0, 1)], -1);
  });

/** Reductions that pass over NaN. */
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { div } from "./arithmetic.js";
import { astype } from "./cast.js";
import { isnan } from "./comparison.js";
import { type AxisArgument, all, max, min, type ReduceOptions, sum } from "./reductions.js";
import { where } from "./where.js";

/**
 * Sum over axes with NaN taken as 0 (numpy.nansum).
 *
 * ```ts
 * await nansum(array([1, Number.NaN, 2])).item(); // 3
 * ```
 */
export const nansum = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  operation("nansum", () => sum(where(isnan(x), 0, x), axis, options));

/**
 * Mean over axes of what is not NaN (numpy.nanmean); NaN where nothing is.
 *
 * ```ts
 * await nanmean(array([1, Number.NaN, 2])).item(); // 1.5
 * ```
 */
export const nanmean = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  operation("nanmean", () => {
    const missing = isnan(x);
    const count = sum(where(missing, 0, 1), axis, options);
    return div(sum(where(missing, 0, astype(x, "float32")), axis, options), count);
  });

const extremum = (
  name: string,
  x: TensorLike,
  axis: AxisArgument | undefined,
  options: ReduceOptions,
  reduce: typeof max,
  none: number,
): Tensor =>
  operation(name, () => {
    const missing = isnan(x);
    const found = reduce(where(missing, none, astype(x, "float32")), axis, options);
    return where(all(missing, axis, options), Number.NaN, found);
  });

/**
 * Largest element over axes, NaN left out (numpy.nanmax); NaN where nothing else is.
 *
 * ```ts
 * await nanmax(array([1, Number.NaN, 2])).item(); // 2
 * ```
 */
export const nanmax = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  extremum("nanmax", x, axis, options, max, Number.NEGATIVE_INFINITY);

/**
 * Smallest element over axes, NaN left out (numpy.nanmin); NaN where nothing else is.
 *
 * ```ts
 * await nanmin(array([1, Number.NaN, 2])).item(); // 1
 * ```
 */
export const nanmin = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  extremum("nanmin", x, axis, options, min, Number.POSITIVE_INFINITY);

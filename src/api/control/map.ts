/** map: one slice after the other, or a batch of slices after the other. */
import { ShapeError } from "../../core/errors.js";
import { type AnyFunction, argumentLeaves, labelOf, requireFunction } from "../arguments.js";
import { vmap } from "../vmap.js";
import { inBatches, oneByOne } from "./batches.js";
import type { Traced } from "./types.js";

export interface MapOptions {
  /**
   * Slices that are computed at once, as lanes of `vmap` (1). What remains of the axis is one more,
   * smaller batch.
   */
  readonly batchSize?: number;
}

/**
 * `f` of each slice of `xs` along the leading axis, one after the other, stacked (jax.lax.map). vmap
 * does the same at once; this needs memory for one slice only, or for `batchSize` of them: the way to
 * map over more lanes than an adapter has memory or bindings for.
 *
 * @throws ShapeError where the leading axes of `xs` differ or `batchSize` is not a positive integer.
 *
 * ```ts
 * await map((x) => x.mul(x), array([1, 2, 3])).toArray(); // [1, 4, 9]
 * await map((x) => x.mul(x), array([1, 2, 3]), { batchSize: 2 }).toArray(); // [1, 4, 9]
 * ```
 */
export function map<const X, const Y>(
  f: (x: Traced<X>) => Y,
  xs: X,
  { batchSize }: MapOptions = {},
): Traced<Y> {
  requireFunction("map", f);
  const one = f as unknown as (x: unknown) => unknown;
  if (batchSize === undefined || batchSize === 1) return oneByOne(one, xs) as Traced<Y>;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ShapeError(
      `map: batchSize is ${batchSize} for '${labelOf(f as unknown as AnyFunction)}'; give a positive integer`,
    );
  }
  const { leaves } = argumentLeaves("map", [xs]);
  const n = leaves[0]?.shape[0];
  // scan says what is wrong with axes that are missing or differ.
  const ragged = n === undefined || leaves.some((x) => x.shape[0] !== n);
  return (ragged ? oneByOne(one, xs) : inBatches(vmap(one), xs, batchSize)) as Traced<Y>;
}

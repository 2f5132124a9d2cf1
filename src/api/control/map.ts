/** map: one slice after the other, or a batch of slices after the other. */
import { ShapeError } from "../../core/errors.js";
import { flatten, flattenSame } from "../../core/tree.js";
import type { Tensor } from "../../trace/tensor.js";
import { type AnyFunction, argumentLeaves, labelOf, requireFunction } from "../arguments.js";
import { concatenate } from "../ops/index.js";
import { vmap } from "../vmap.js";
import { scan } from "./scan.js";
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
  return inBatches(one, xs, batchSize) as Traced<Y>;
}

const oneByOne = (f: (x: unknown) => unknown, xs: unknown): unknown =>
  scan((_: null, x: unknown) => [null, f(x)] as const, null, xs)[1];

/** Leaves with their first axis in two, and back. */
const folded = (x: Tensor, sizes: readonly number[], axes: number): Tensor =>
  x.reshape([...sizes, ...x.shape.slice(axes)]);

function inBatches(f: (x: unknown) => unknown, xs: unknown, size: number): unknown {
  const { leaves, def } = argumentLeaves("map", [xs]);
  const [first] = leaves;
  const n = first?.shape[0];
  // scan says what is wrong with axes that are missing or differ.
  if (n === undefined || leaves.some((x) => x.shape[0] !== n)) return oneByOne(f, xs);
  const lanes = vmap(f);
  const part = (from: number, to: number): Tensor[] =>
    leaves.map((x) => {
      const rest = x.shape.slice(1);
      return x.slice([from, ...rest.map(() => 0)], [to, ...rest]);
    });
  const tree = (list: readonly Tensor[]): unknown => (def.unflatten(list) as [unknown])[0];
  const rounds = Math.floor(n / size);
  const full = rounds * size;
  const parts: unknown[] = [];
  if (rounds > 0) {
    const chunks = part(0, full).map((x) => folded(x, [rounds, size], 1));
    const [outs, outDef] = flatten(oneByOne(lanes, tree(chunks)));
    parts.push(outDef.unflatten(outs.map((y) => folded(y as Tensor, [full], 2))));
  }
  if (full < n || rounds === 0) parts.push(lanes(tree(part(full, n))));
  if (parts.length === 1) return parts[0];
  const [lists, outDef] = flattenSame("map", parts);
  return outDef.unflatten(lists[0]!.map((_, i) => concatenate(lists.map((l) => l[i] as Tensor))));
}

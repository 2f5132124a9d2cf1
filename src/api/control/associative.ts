/** associativeScan: all prefixes of an associative combination, in log2(n) rounds. */
import { normalizeAxis, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import { flatten, type TreeDef } from "../../core/tree.js";
import type { Tensor } from "../../trace/tensor.js";
import { argumentLeaves, requireFunction } from "../arguments.js";
import { concatenate, flip, reshape, slice, stack } from "../ops/index.js";
import type { Traced } from "./types.js";

export interface AssociativeScanOptions {
  /** Combine from the end. */
  readonly reverse?: boolean;
  readonly axis?: number;
}

/**
 * The prefixes e0, fn(e0, e1), fn(fn(e0, e1), e2), … of the slices of `elems` along an axis
 * (jax.lax.associative_scan). `fn` must be associative and is given many slices at once: trees of arrays
 * with the same axes, combined element by element along `axis`. Takes about 2·log2(n) calls of `fn`.
 *
 * ```ts
 * const sums = associativeScan((a, b) => a.add(b), array([1, 2, 3, 4]));
 * await sums.toArray(); // [1, 3, 6, 10]
 * ```
 */
export function associativeScan<const E>(
  fn: (a: Traced<E>, b: Traced<E>) => Traced<E>,
  elems: E,
  { reverse = false, axis = 0 }: AssociativeScanOptions = {},
): Traced<E> {
  requireFunction("associativeScan", fn);
  const { leaves } = argumentLeaves("associativeScan", [elems]);
  const def = flatten(elems)[1];
  if (leaves.length === 0) return elems as unknown as Traced<E>;
  const axes = leaves.map((x) => {
    if (x.ndim === 0) {
      throw new ShapeError(
        "associativeScan: an element is a scalar; it needs an axis to scan along",
      );
    }
    return normalizeAxis("associativeScan", axis, x.ndim);
  });
  const n = leaves[0]!.shape[axes[0]!]!;
  leaves.forEach((x, i) => {
    if (x.shape[axes[i]!] === n) return;
    throw new ShapeError(
      `associativeScan: ${def.paths()[i] || "(root)"} ${showAval(x.aval)} has ${x.shape[axes[i]!]} slices ` +
        `along axis ${axes[i]}, but the first has ${n}; they must be equal`,
    );
  });
  const turn = (xs: readonly Tensor[]) => (reverse ? xs.map((x, i) => flip(x, axes[i]!)) : xs);
  const combine = (a: readonly Tensor[], b: readonly Tensor[]): Tensor[] => {
    const [outs, outDef] = flatten(
      fn(def.unflatten(a) as Traced<E>, def.unflatten(b) as Traced<E>),
    );
    checkCombined(def, outDef, a, outs as Tensor[]);
    return outs as Tensor[];
  };
  return def.unflatten(turn(prefixes(combine, turn(leaves), axes))) as Traced<E>;
}

function checkCombined(
  def: TreeDef,
  outDef: TreeDef,
  a: readonly Tensor[],
  outs: readonly Tensor[],
): void {
  if (!def.equals(outDef)) {
    throw new ShapeError(
      `associativeScan: the function is given the structure ${def} but returns ${outDef}; it must keep it`,
    );
  }
  outs.forEach((y, i) => {
    if (showAval(y.aval) === showAval(a[i]!.aval)) return;
    throw new ShapeError(
      `associativeScan: the function returns ${showAval(y.aval)} at "${def.paths()[i] || "(root)"}" for ` +
        `${showAval(a[i]!.aval)}; it must keep shapes and dtypes`,
    );
  });
}

type Combine = (a: readonly Tensor[], b: readonly Tensor[]) => Tensor[];

function part(x: Tensor, axis: number, start: number, limit: number, stride: number): Tensor {
  const at = (value: number, otherwise: readonly number[]) =>
    otherwise.map((d, i) => (i === axis ? value : d));
  return slice(
    x,
    at(
      start,
      x.shape.map(() => 0),
    ),
    at(limit, x.shape),
    at(
      stride,
      x.shape.map(() => 1),
    ),
  );
}

/** Neighbours are combined, their prefixes found, and the places between filled in. */
function prefixes(combine: Combine, xs: readonly Tensor[], axes: readonly number[]): Tensor[] {
  const n = xs[0]!.shape[axes[0]!]!;
  if (n < 2) return [...xs];
  const take = (list: readonly Tensor[], start: number, limit: number, stride = 1) =>
    list.map((x, i) => part(x, axes[i]!, start, limit, stride));
  const pairs = combine(take(xs, 0, n - 1, 2), take(xs, 1, n, 2));
  const odd = prefixes(combine, pairs, axes);
  const half = Math.floor(n / 2);
  const between =
    n > 2 ? combine(take(odd, 0, n % 2 === 0 ? half - 1 : half), take(xs, 2, n, 2)) : [];
  const first = take(xs, 0, 1);
  const even = first.map((x, i) => (n > 2 ? concatenate([x, between[i]!], axes[i]!) : x));
  return even.map((x, i) => interleave(x, odd[i]!, axes[i]!));
}

/** a0, b0, a1, b1, … where `a` may have one more than `b`. */
function interleave(a: Tensor, b: Tensor, axis: number): Tensor {
  const [n, m] = [a.shape[axis]!, b.shape[axis]!];
  // Where one is missing at the end, anything stands there and is cut off.
  const full = n > m ? concatenate([b, part(a, axis, n - 1, n, 1)], axis) : b;
  const pairs = stack([a, full], axis + 1);
  const flat = reshape(
    pairs,
    a.shape.map((d, i) => (i === axis ? 2 * d : d)),
  );
  return n > m ? part(flat, axis, 0, n + m, 1) : flat;
}

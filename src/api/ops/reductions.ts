/** Reductions with numpy's axis, keepdims and dtypes. */
import { normalizeAxes, normalizeAxis, showAval, sizeOf } from "../../core/aval.js";
import type { DType } from "../../core/dtype.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asBool, asFloat, asNumber, isBool, like } from "./atoms.js";
import { broadcastAtoms, promote, toAtom } from "./promote.js";

/** An axis, a list of axes, or nothing: all of them. */
export type AxisArgument = number | readonly number[] | null;

export interface ReduceOptions {
  /** Keep the reduced axes with size 1, so that the result broadcasts against the operand. */
  readonly keepdims?: boolean;
}

export interface SumOptions extends ReduceOptions {
  /** Convert to this dtype before summing. */
  readonly dtype?: DType;
}

/** Reduced axes back with size 1. */
export const kept = (out: Atom, of: Atom, axes: readonly number[], keepdims = true): Atom =>
  keepdims
    ? prims.reshape(
        out,
        of.aval.shape.map((n, d) => (axes.includes(d) ? 1 : n)),
      )
    : out;

/** The result of a reduction spread over the operand's shape again. */
export const spread = (out: Atom, of: Atom, axes: readonly number[]): Atom =>
  prims.broadcastInDim(
    out,
    of.aval.shape,
    of.aval.shape.flatMap((_, d) => (axes.includes(d) ? [] : [d])),
  );

/** An operation that reduces axes of one tensor. */
export function reduction(
  name: string,
  x: TensorLike,
  axis: AxisArgument | undefined,
  options: ReduceOptions,
  prepare: (a: Atom) => Atom,
  reduce: (a: Atom, axes: readonly number[]) => Atom,
): Tensor {
  return operation(name, (trace) => {
    const a = prepare(toAtom(x, trace));
    const axes = normalizeAxes(name, axis, a.aval.shape.length);
    return tracerOf(trace, kept(reduce(a, axes), a, axes, options.keepdims ?? false));
  });
}

const countOf = (a: Atom, axes: readonly number[]): number =>
  sizeOf(axes.map((d) => a.aval.shape[d]!));

export function requireElements(op: string, a: Atom, axes: readonly number[]): void {
  const empty = axes.find((d) => a.aval.shape[d] === 0);
  if (empty !== undefined) {
    throw new ShapeError(
      `${op}: ${showAval(a.aval)} has no elements along axis ${empty}, and nothing has no ${op}`,
    );
  }
}

/**
 * Sum over axes (numpy.sum). Booleans count as int32; the sum of nothing is 0.
 *
 * ```ts
 * await sum(array([[1, 2], [3, 4]]), 0).toArray(); // [4, 6]
 * ```
 */
export const sum = (x: TensorLike, axis?: AxisArgument, options: SumOptions = {}): Tensor =>
  reduction(
    "sum",
    x,
    axis,
    options,
    (a) => asNumber(options.dtype ? prims.convert(a, options.dtype) : a),
    prims.reduceSum,
  );

/**
 * Product over axes (numpy.prod). Its gradient is right where factors are 0.
 *
 * ```ts
 * await prod(array([2, 3, 4])).item(); // 24
 * ```
 */
export const prod = (x: TensorLike, axis?: AxisArgument, options: SumOptions = {}): Tensor =>
  reduction(
    "prod",
    x,
    axis,
    options,
    (a) => asNumber(options.dtype ? prims.convert(a, options.dtype) : a),
    prims.reduceProd,
  );

const extremum =
  (
    name: string,
    onNumbers: (a: Atom, axes: readonly number[]) => Atom,
    onBools: (a: Atom, axes: readonly number[]) => Atom,
  ) =>
  (a: Atom, axes: readonly number[]) => {
    requireElements(name, a, axes);
    return isBool(a) ? onBools(a, axes) : onNumbers(a, axes);
  };

/**
 * Largest element over axes (numpy.max); NaN if any is. Equal largest elements share the gradient.
 *
 * @throws ShapeError over an empty axis.
 *
 * ```ts
 * await max(array([[1, 5], [7, 2]]), 1).toArray(); // [5, 7]
 * ```
 */
export const max = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("max", x, axis, options, (a) => a, extremum("max", prims.reduceMax, prims.reduceOr));

/**
 * Smallest element over axes (numpy.min).
 *
 * ```ts
 * await min(array([[1, 5], [7, 2]]), 1).toArray(); // [1, 2]
 * ```
 */
export const min = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("min", x, axis, options, (a) => a, extremum("min", prims.reduceMin, prims.reduceAnd));

/** A sum over `n` elements divided by `by`; of no elements NaN, as numpy: 0 / 0 is what drivers fold to 0. */
function perElement(total: Atom, n: number, by: number): Atom {
  return n === 0 ? like(total, Number.NaN) : prims.div(total, like(total, by));
}

/** Mean of a float atom; of nothing NaN, as numpy. */
export function meanAtom(a: Atom, axes: readonly number[]): Atom {
  const n = countOf(a, axes);
  return perElement(prims.reduceSum(a, axes), n, n);
}

/**
 * Arithmetic mean over axes (numpy.mean), float32.
 *
 * ```ts
 * await mean(array([1, 2, 6])).item(); // 3
 * ```
 */
export const mean = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("mean", x, axis, options, asFloat, meanAtom);

export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements in the divisor (1: the unbiased estimate). Default 0. */
  readonly ddof?: number;
}

function varianceAtom(a: Atom, axes: readonly number[], ddof: number): Atom {
  // Two passes: the mean first, then squares of small numbers.
  const centred = prims.sub(a, spread(meanAtom(a, axes), a, axes));
  const total = prims.reduceSum(prims.square(centred), axes);
  const n = countOf(a, axes);
  return perElement(total, n, Math.max(0, n - ddof));
}

/**
 * Variance over axes (numpy.var; exported as `var`), by the two-pass formula.
 *
 * ```ts
 * await variance(array([1, 3])).item(); // 1
 * ```
 */
export const variance = (
  x: TensorLike,
  axis?: AxisArgument,
  options: VarianceOptions = {},
): Tensor =>
  reduction("var", x, axis, options, asFloat, (a, axes) =>
    varianceAtom(a, axes, options.ddof ?? 0),
  );

/** A square root whose derivative at 0 is 0 instead of infinite: the root never sees the 0. */
export function safeSqrt(a: Atom): Atom {
  const zero = like(a, 0);
  const atZero = prims.eq(a, zero);
  return prims.select(atZero, zero, prims.sqrt(prims.select(atZero, like(a, 1), a)));
}

/**
 * Standard deviation over axes (numpy.std). Its gradient where all elements are equal is 0.
 *
 * ```ts
 * await std(array([1, 5])).item(); // 2
 * ```
 */
export const std = (x: TensorLike, axis?: AxisArgument, options: VarianceOptions = {}): Tensor =>
  reduction("std", x, axis, options, asFloat, (a, axes) =>
    safeSqrt(varianceAtom(a, axes, options.ddof ?? 0)),
  );

/**
 * Whether any element is true, or not 0 (numpy.any).
 *
 * ```ts
 * await any(array([false, true])).toArray(); // true
 * ```
 */
export const any = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("any", x, axis, options, asBool, prims.reduceOr);

/**
 * Whether all elements are true, or not 0 (numpy.all).
 *
 * ```ts
 * await all(array([[1, 0], [1, 1]]), 0).toArray(); // [true, false]
 * ```
 */
export const all = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("all", x, axis, options, asBool, prims.reduceAnd);

/**
 * How many elements are not 0 (numpy.count_nonzero), int32.
 *
 * ```ts
 * await countNonzero(array([0, 3, 0, 1])).item(); // 2
 * ```
 */
export const countNonzero = (
  x: TensorLike,
  axis?: AxisArgument,
  options: ReduceOptions = {},
): Tensor =>
  reduction(
    "countNonzero",
    x,
    axis,
    options,
    (a) => prims.convert(asBool(a), "int32"),
    prims.reduceSum,
  );

/**
 * Largest minus smallest (numpy.ptp).
 *
 * ```ts
 * await ptp(array([3, 9, 4])).item(); // 6
 * ```
 */
export const ptp = (x: TensorLike, axis?: AxisArgument, options: ReduceOptions = {}): Tensor =>
  reduction("ptp", x, axis, options, asNumber, (a, axes) => {
    requireElements("ptp", a, axes);
    return prims.sub(prims.reduceMax(a, axes), prims.reduceMin(a, axes));
  });

export interface AverageOptions extends ReduceOptions {
  /** Weights: of the tensor's shape, or one for each position along the one axis. */
  readonly weights?: TensorLike;
}

/**
 * Weighted mean (numpy.average): `sum(w x) / sum(w)`.
 *
 * ```ts
 * await average(array([1, 4]), null, { weights: array([2, 1]) }).item(); // 2
 * ```
 */
export function average(x: TensorLike, axis?: AxisArgument, options: AverageOptions = {}): Tensor {
  const { weights } = options;
  if (weights === undefined) return mean(x, axis, options);
  return operation("average", (trace) => {
    const [a, w] = promote([x, weights], trace, "float32").atoms as [Atom, Atom];
    const { shape } = a.aval;
    const axes = normalizeAxes("average", axis, shape.length);
    let wide = w;
    if (w.aval.shape.length === 1 && shape.length !== 1 && axes.length === 1) {
      const d = normalizeAxis("average", axes[0]!, shape.length);
      wide = prims.reshape(
        w,
        shape.map((_, i) => (i === d ? w.aval.shape[0]! : 1)),
      );
    }
    const [xs, ws] = broadcastAtoms("average", [a, wide]) as [Atom, Atom];
    const total = prims.reduceSum(prims.mul(xs, ws), axes);
    const out = prims.div(total, prims.reduceSum(ws, axes));
    return tracerOf(trace, kept(out, xs, axes, options.keepdims ?? false));
  });
}

export interface NormOptions extends ReduceOptions {
  /** Axes of the norm; all by default. */
  readonly axis?: AxisArgument;
  /** Order: 2 by default; 1, Infinity, -Infinity, 0 (how many are not 0), or any other number. */
  readonly ord?: number;
}

/**
 * Vector norm over axes (numpy.linalg.norm of vectors). Its gradient at 0 is 0, not NaN: the unit
 * vector of nothing is nothing.
 *
 * ```ts
 * await norm(array([3, 4])).item(); // 5
 * await grad((x: Tensor) => norm(x))(zeros([2])).toArray(); // [0, 0]
 * ```
 */
export function norm(x: TensorLike, options: NormOptions = {}): Tensor {
  const ord = options.ord ?? 2;
  return reduction("norm", x, options.axis, options, asFloat, (a, axes) => {
    if (ord === 2) return safeSqrt(prims.reduceSum(prims.square(a), axes));
    if (ord === 0) {
      const nonzero = prims.ne(a, like(a, 0));
      return prims.reduceSum(prims.convert(nonzero, "float32"), axes);
    }
    const size = prims.abs(a);
    if (ord === 1) return prims.reduceSum(size, axes);
    if (Math.abs(ord) === Number.POSITIVE_INFINITY) {
      requireElements("norm", a, axes);
      return ord > 0 ? prims.reduceMax(size, axes) : prims.reduceMin(size, axes);
    }
    // |x|^p and the p-th root, neither of which is asked for its derivative at 0.
    const power = (v: Atom, p: number): Atom => {
      const zero = like(v, 0);
      const atZero = prims.eq(v, zero);
      const inside = prims.select(atZero, like(v, 1), v);
      return prims.select(atZero, zero, prims.pow(inside, like(v, p)));
    };
    return power(prims.reduceSum(power(size, ord), axes), 1 / ord);
  });
}

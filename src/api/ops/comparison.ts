/** Comparisons and tests of single elements: bool results, no gradients. */
import { isFloat } from "../../core/dtype.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asBool, like } from "./atoms.js";
import { elementwise, promote, toAtom } from "./promote.js";

/**
 * x = y (numpy.equal). NaN equals nothing.
 *
 * ```ts
 * await equal(array([1, 2]), 2).toArray(); // [false, true]
 * ```
 */
export const equal = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("equal", [x, y], prims.eq);

/**
 * x ≠ y (numpy.not_equal).
 *
 * ```ts
 * await notEqual(array([1, 2]), 2).toArray(); // [true, false]
 * ```
 */
export const notEqual = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("notEqual", [x, y], prims.ne);

/**
 * x < y (numpy.less).
 *
 * ```ts
 * await less(array([1, 2]), 2).toArray(); // [true, false]
 * ```
 */
export const less = (x: TensorLike, y: TensorLike): Tensor => elementwise("less", [x, y], prims.lt);

/**
 * x ≤ y (numpy.less_equal).
 *
 * ```ts
 * await lessEqual(array([1, 3]), 2).toArray(); // [true, false]
 * ```
 */
export const lessEqual = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("lessEqual", [x, y], prims.le);

/**
 * x > y (numpy.greater).
 *
 * ```ts
 * await greater(array([1, 3]), 2).toArray(); // [false, true]
 * ```
 */
export const greater = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("greater", [x, y], prims.gt);

/**
 * x ≥ y (numpy.greater_equal).
 *
 * ```ts
 * await greaterEqual(array([1, 2]), 2).toArray(); // [false, true]
 * ```
 */
export const greaterEqual = (x: TensorLike, y: TensorLike): Tensor =>
  elementwise("greaterEqual", [x, y], prims.ge);

/** A test that is constant on integers and booleans. */
const test = (name: string, x: TensorLike, f: (a: Atom) => Atom, otherwise: boolean): Tensor =>
  elementwise(name, [x], (a) =>
    isFloat(a.aval.dtype) ? f(a) : asBool(like(a, otherwise ? 1 : 0)),
  );

/**
 * Where x is NaN (numpy.isnan).
 *
 * ```ts
 * await isnan(array([1, NaN])).toArray(); // [false, true]
 * ```
 */
export const isnan = (x: TensorLike): Tensor => test("isnan", x, prims.isNan, false);

/**
 * Where x is neither infinite nor NaN (numpy.isfinite).
 *
 * ```ts
 * await isfinite(array([1, Infinity, NaN])).toArray(); // [true, false, false]
 * ```
 */
export const isfinite = (x: TensorLike): Tensor => test("isfinite", x, prims.isFinite, true);

const infinite = (a: Atom): Atom =>
  prims.and(prims.not(prims.isFinite(a)), prims.not(prims.isNan(a)));

/**
 * Where x is infinite (numpy.isinf).
 *
 * ```ts
 * await isinf(array([1, -Infinity, NaN])).toArray(); // [false, true, false]
 * ```
 */
export const isinf = (x: TensorLike): Tensor => test("isinf", x, infinite, false);

/**
 * Where x is +∞ (numpy.isposinf).
 *
 * ```ts
 * await isposinf(array([Infinity, -Infinity])).toArray(); // [true, false]
 * ```
 */
export const isposinf = (x: TensorLike): Tensor =>
  test("isposinf", x, (a) => prims.and(infinite(a), prims.gt(a, like(a, 0))), false);

/**
 * Where x is -∞ (numpy.isneginf).
 *
 * ```ts
 * await isneginf(array([Infinity, -Infinity])).toArray(); // [false, true]
 * ```
 */
export const isneginf = (x: TensorLike): Tensor =>
  test("isneginf", x, (a) => prims.and(infinite(a), prims.lt(a, like(a, 0))), false);

export interface NanToNumOptions {
  readonly nan?: number;
  readonly posinf?: number;
  readonly neginf?: number;
}

const LARGEST = 3.4028234663852886e38;

/**
 * NaN replaced by 0 and infinities by the largest finite numbers, or by what the options say
 * (numpy.nan_to_num).
 *
 * ```ts
 * await nanToNum(array([NaN, 1, Infinity]), { posinf: 9 }).toArray(); // [0, 1, 9]
 * ```
 */
export const nanToNum = (x: TensorLike, options: NanToNumOptions = {}): Tensor =>
  elementwise("nanToNum", [x], (a) => {
    if (!isFloat(a.aval.dtype)) return a;
    const zero = like(a, 0);
    const high = like(a, options.posinf ?? LARGEST);
    const low = like(a, options.neginf ?? -LARGEST);
    const bounded = prims.select(infinite(a), prims.select(prims.gt(a, zero), high, low), a);
    return prims.select(prims.isNan(a), like(a, options.nan ?? 0), bounded);
  });

export interface CloseOptions {
  readonly rtol?: number;
  readonly atol?: number;
  /** Whether NaN is close to NaN. */
  readonly equalNan?: boolean;
}

function closeAtoms(a: Atom, b: Atom, options: CloseOptions): Atom {
  const atol = like(a, options.atol ?? 1e-8);
  const room = prims.add(atol, prims.mul(prims.abs(b), like(b, options.rtol ?? 1e-5)));
  const near = prims.le(prims.abs(prims.sub(a, b)), room);
  const finite = prims.and(prims.isFinite(a), prims.isFinite(b));
  const close = prims.or(prims.and(near, finite), prims.eq(a, b));
  return options.equalNan ? prims.or(close, prims.and(prims.isNan(a), prims.isNan(b))) : close;
}

/**
 * |x - y| ≤ atol + rtol |y|, element by element (numpy.isclose).
 *
 * ```ts
 * await isclose(array([1, 2]), array([1.000001, 2.1])).toArray(); // [true, false]
 * ```
 */
export const isclose = (x: TensorLike, y: TensorLike, options: CloseOptions = {}): Tensor =>
  elementwise("isclose", [x, y], (a, b) => closeAtoms(a, b, options), { float: true });

/**
 * Whether all elements are close (numpy.allclose): a bool scalar.
 *
 * ```ts
 * await allclose(array([1, 2]), array([1, 2.000001])).toArray(); // true
 * ```
 */
export const allclose = (x: TensorLike, y: TensorLike, options: CloseOptions = {}): Tensor =>
  operation("allclose", (trace) => {
    const a = toAtom(isclose(x, y, options), trace);
    return tracerOf(
      trace,
      prims.reduceAnd(
        a,
        a.aval.shape.map((_, d) => d),
      ),
    );
  });

/**
 * Whether two tensors have the same shape and elements (numpy.array_equal): a bool scalar.
 *
 * ```ts
 * await arrayEqual(array([1, 2]), array([1, 2])).toArray(); // true
 * ```
 */
export const arrayEqual = (x: TensorLike, y: TensorLike): Tensor =>
  operation("arrayEqual", (trace) => {
    const [a, b] = promote([x, y], trace).atoms as [Atom, Atom];
    if (a.aval.shape.join() !== b.aval.shape.join()) {
      return tracerOf(trace, toAtom(false, trace));
    }
    const axes = a.aval.shape.map((_, d) => d);
    return tracerOf(trace, prims.reduceAnd(prims.eq(a, b), axes));
  });

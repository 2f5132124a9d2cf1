/** The shape of a tensor: reshape, transpose, axes that come, go and move, broadcasting, slices. */
import {
  broadcastShapes,
  checkShape,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  shapesEqual,
  showAval,
  showShape,
  sizeOf,
} from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation, operations } from "../../trace/trace.js";
import { currentOp, tracerOf } from "../../trace/tracer.js";
import { broadcastAtom, requireKnown, toAtom } from "./promote.js";

/** An operation that only moves elements: it keeps dtype and weak typing. */
export const view = (name: string, x: TensorLike, f: (x: Atom) => Atom): Tensor =>
  operation(name, (trace) => tracerOf(trace, f(toAtom(x, trace)), isTensor(x) ? x.weak : true));

/** A shape with one -1 filled in, for `from` elements. */
function resolveShape(op: string, x: Atom, shape: Shape): number[] {
  const from = sizeOf(x.aval.shape);
  const unknown = shape.indexOf(-1);
  const known = shape.filter((d) => d !== -1);
  checkShape(op, known);
  if (known.length < shape.length - 1) {
    throw new ShapeError(`${op}: ${showShape(shape)} may leave one size open (-1), not several`);
  }
  const size = sizeOf(known);
  const fits = unknown < 0 ? size === from : size > 0 && from % size === 0;
  if (!fits) {
    throw new ShapeError(
      `${op}: ${showAval(x.aval)} has ${from} elements, which do not fill ${showShape(shape)}; ` +
        (unknown < 0
          ? `give sizes whose product is ${from}`
          : `the sizes beside -1 must divide ${from}`),
    );
  }
  return shape.map((d) => (d === -1 ? from / size : d));
}

/**
 * The same elements in another shape, row-major (numpy.reshape). One size may be -1: it is worked out.
 *
 * ```ts
 * await reshape(array([1, 2, 3, 4]), [2, -1]).toArray(); // [[1, 2], [3, 4]]
 * ```
 */
export const reshape = (x: TensorLike, shape: Shape | number): Tensor =>
  view("reshape", x, (a) =>
    prims.reshape(a, resolveShape("reshape", a, typeof shape === "number" ? [shape] : shape)),
  );

/**
 * All elements along one axis (numpy.ravel).
 *
 * ```ts
 * await ravel(array([[1, 2], [3, 4]])).toArray(); // [1, 2, 3, 4]
 * ```
 */
export const ravel = (x: TensorLike): Tensor =>
  view("ravel", x, (a) => prims.reshape(a, [sizeOf(a.aval.shape)]));

/**
 * As `ravel` (numpy.ndarray.flatten); values are immutable, so there is no difference.
 *
 * ```ts
 * await flatten(array([[1, 2], [3, 4]])).toArray(); // [1, 2, 3, 4]
 * ```
 */
export const flatten = (x: TensorLike): Tensor =>
  view("flatten", x, (a) => prims.reshape(a, [sizeOf(a.aval.shape)]));

/**
 * Axes permuted: axis i of the result is axis `axes[i]` (numpy.transpose). Without `axes`, reversed.
 *
 * ```ts
 * await transpose(array([[1, 2], [3, 4]])).toArray(); // [[1, 3], [2, 4]]
 * ```
 */
export const transpose = (x: TensorLike, axes?: readonly number[]): Tensor =>
  view("transpose", x, (a) => {
    const rank = a.aval.shape.length;
    const perm = axes
      ? axes.map((d) => normalizeAxis("transpose", d, rank))
      : Array.from({ length: rank }, (_, i) => rank - 1 - i);
    if (perm.length !== rank || new Set(perm).size !== rank) {
      throw new ShapeError(
        `transpose: axes [${perm.join(",")}] must name each of the ${rank} axes of ${showAval(a.aval)} once`,
      );
    }
    return prims.transpose(a, perm);
  });

/** Axes that moving `source` to `destination` permutes. */
function movedAxes(
  op: string,
  rank: number,
  source: number | readonly number[],
  destination: number | readonly number[],
): number[] {
  const list = (x: number | readonly number[]) => (typeof x === "number" ? [x] : x);
  const from = list(source).map((d) => normalizeAxis(op, d, rank));
  const to = list(destination).map((d) => normalizeAxis(op, d, rank));
  if (
    from.length !== to.length ||
    new Set(from).size !== from.length ||
    new Set(to).size !== to.length
  ) {
    throw new ShapeError(
      `${op}: source [${from.join(",")}] and destination [${to.join(",")}] must be lists of distinct ` +
        "axes of the same length",
    );
  }
  const perm = Array.from({ length: rank }, (_, i) => i).filter((d) => !from.includes(d));
  const order = to.map((d, i) => [d, from[i]!] as const).sort((a, b) => a[0] - b[0]);
  for (const [d, f] of order) perm.splice(d, 0, f);
  return perm;
}

/**
 * Axes moved to other positions, the rest in their order (numpy.moveaxis).
 *
 * ```ts
 * moveaxis(zeros([2, 3, 4]), 0, -1).shape; // [3, 4, 2]
 * ```
 */
export const moveaxis = (
  x: TensorLike,
  source: number | readonly number[],
  destination: number | readonly number[],
): Tensor =>
  view("moveaxis", x, (a) =>
    prims.transpose(a, movedAxes("moveaxis", a.aval.shape.length, source, destination)),
  );

/**
 * Two axes exchanged (numpy.swapaxes).
 *
 * ```ts
 * swapaxes(zeros([2, 3, 4]), 0, 2).shape; // [4, 3, 2]
 * ```
 */
export const swapaxes = (x: TensorLike, axis1: number, axis2: number): Tensor =>
  view("swapaxes", x, (a) => {
    const rank = a.aval.shape.length;
    const perm = Array.from({ length: rank }, (_, i) => i);
    const i = normalizeAxis("swapaxes", axis1, rank);
    const j = normalizeAxis("swapaxes", axis2, rank);
    [perm[i], perm[j]] = [j, i];
    return prims.transpose(a, perm);
  });

/**
 * New axes of size 1 at these positions of the result (numpy.expand_dims).
 *
 * ```ts
 * await expandDims(array([1, 2]), 1).toArray(); // [[1], [2]]
 * ```
 */
export const expandDims = (x: TensorLike, axis: number | readonly number[]): Tensor =>
  view("expandDims", x, (a) => {
    const { shape } = a.aval;
    const count = typeof axis === "number" ? 1 : axis.length;
    const fresh = normalizeAxes("expandDims", axis, shape.length + count);
    const rest = [...shape];
    for (const d of fresh) rest.splice(d, 0, 1);
    return prims.reshape(a, rest);
  });

/**
 * Axes of size 1 removed: all of them, or those named (numpy.squeeze).
 *
 * @throws ShapeError when a named axis has another size.
 *
 * ```ts
 * await squeeze(array([[1], [2]])).toArray(); // [1, 2]
 * ```
 */
export const squeeze = (x: TensorLike, axis?: number | readonly number[]): Tensor =>
  view("squeeze", x, (a) => {
    const { shape } = a.aval;
    const axes =
      axis === undefined
        ? shape.flatMap((d, i) => (d === 1 ? [i] : []))
        : normalizeAxes("squeeze", axis, shape.length);
    const bad = axes.find((d) => shape[d] !== 1);
    if (bad !== undefined) {
      throw new ShapeError(
        `squeeze: axis ${bad} of ${showAval(a.aval)} has size ${shape[bad]}, and only axes of size 1 can go`,
      );
    }
    return prims.reshape(
      a,
      shape.filter((_, i) => !axes.includes(i)),
    );
  });

/**
 * The tensor repeated to a shape by numpy's broadcasting rule (numpy.broadcast_to), without copying.
 *
 * ```ts
 * await broadcastTo(array([1, 2]), [2, 2]).toArray(); // [[1, 2], [1, 2]]
 * ```
 */
export const broadcastTo = (x: TensorLike, shape: Shape): Tensor =>
  view("broadcastTo", x, (a) => {
    const op = currentOp();
    checkShape(op, shape);
    if (!shapesEqual(broadcastShapes(op, a.aval.shape, shape), shape)) {
      throw new ShapeError(
        `${op}: ${showAval(a.aval)} does not broadcast to ${showShape(shape)}; sum or reshape it first`,
      );
    }
    return broadcastAtom(a, shape);
  });

/**
 * Tensors broadcast to their common shape (numpy.broadcast_arrays). Dtypes stay.
 *
 * ```ts
 * const [x, y] = broadcastArrays(array([1, 2]), array([[3], [4]]));
 * await x!.toArray(); // [[1, 2], [1, 2]]
 * ```
 */
export const broadcastArrays = (...xs: readonly TensorLike[]): Tensor[] =>
  operations("broadcastArrays", (trace) => {
    const atoms = xs.map((x) => toAtom(x, trace));
    const shape = broadcastShapes("broadcastArrays", ...atoms.map((a) => a.aval.shape));
    return atoms.map((a) => tracerOf(trace, broadcastAtom(a, shape)));
  });

/**
 * A static slice: elements `start[i] <= k < limit[i]` of each axis, every `strides[i]`-th (lax.slice).
 * Bounds are static numbers; for data-dependent starts use dynamicSlice, for numpy's notation `index`.
 *
 * ```ts
 * await slice(array([0, 1, 2, 3, 4]), [1], [5], [2]).toArray(); // [1, 3]
 * ```
 */
export const slice = (
  x: TensorLike,
  start: readonly number[],
  limit: readonly number[],
  strides?: readonly number[],
): Tensor =>
  view("slice", x, (a) => {
    requireKnown("slice", "start, limit and strides", start, limit, strides);
    return prims.slice(a, start, limit, strides ?? start.map(() => 1));
  });

/** Tensors put together and taken apart along an axis. */
import { normalizeAxis, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation, operations } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { promote, requireKnown, toAtom } from "./promote.js";

function requireSome(op: string, xs: readonly unknown[]): void {
  if (xs.length === 0) throw new ShapeError(`${op}: needs at least one tensor`);
}

/**
 * Tensors one after another along an existing axis (numpy.concatenate). Dtypes are promoted; all sizes
 * but that of `axis` must agree.
 *
 * ```ts
 * await concatenate([array([1, 2]), array([3])]).toArray(); // [1, 2, 3]
 * ```
 */
export const concatenate = (xs: readonly TensorLike[], axis = 0): Tensor =>
  operation("concatenate", (trace) => {
    requireSome("concatenate", xs);
    const { atoms } = promote(xs, trace);
    const rank = atoms[0]!.aval.shape.length;
    if (rank === 0) {
      throw new ShapeError("concatenate: scalars have no axis to join along; use stack");
    }
    return tracerOf(trace, prims.concatenate(atoms, normalizeAxis("concatenate", axis, rank)));
  });

/**
 * Tensors of one shape side by side along a new axis (numpy.stack).
 *
 * ```ts
 * await stack([array([1, 2]), array([3, 4])]).toArray(); // [[1, 2], [3, 4]]
 * ```
 */
export const stack = (xs: readonly TensorLike[], axis = 0): Tensor =>
  operation("stack", (trace) => {
    requireSome("stack", xs);
    const { atoms } = promote(xs, trace);
    const { shape } = atoms[0]!.aval;
    const other = atoms.find((a) => a.aval.shape.join() !== shape.join());
    if (other) {
      throw new ShapeError(
        `stack: all tensors must have one shape, but there are ${showAval(atoms[0]!.aval)} and ` +
          `${showAval(other.aval)}`,
      );
    }
    const d = normalizeAxis("stack", axis, shape.length + 1);
    const wide = [...shape.slice(0, d), 1, ...shape.slice(d)];
    return tracerOf(
      trace,
      prims.concatenate(
        atoms.map((a) => prims.reshape(a, wide)),
        d,
      ),
    );
  });

/**
 * Pieces along an axis (numpy.split): a number of equal parts, or a list of positions to cut at.
 *
 * @throws ShapeError when the axis does not divide evenly.
 *
 * ```ts
 * const [a, b] = split(array([1, 2, 3, 4]), 2);
 * await b!.toArray(); // [3, 4]
 * ```
 */
export const split = (x: TensorLike, parts: number | readonly number[], axis = 0): Tensor[] =>
  operations("split", (trace) => {
    const a = toAtom(x, trace);
    const { shape } = a.aval;
    const d = normalizeAxis("split", axis, shape.length);
    const size = shape[d]!;
    requireKnown("split", "the parts", parts);
    let cuts: number[];
    if (typeof parts === "number") {
      if (!Number.isInteger(parts) || parts < 1 || size % parts !== 0) {
        throw new ShapeError(
          `split: axis ${d} of ${showAval(a.aval)} has ${size} elements, which is not ${parts} equal ` +
            "parts; give a divisor or the positions to cut at",
        );
      }
      cuts = Array.from({ length: parts + 1 }, (_, i) => (i * size) / parts);
    } else {
      const at = (c: number) => Math.min(Math.max(c < 0 ? c + size : c, 0), size);
      cuts = [0, ...parts.map(at), size];
    }
    return cuts.slice(1).map((to, i) => {
      const from = cuts[i]!;
      const start = shape.map((_, k) => (k === d ? from : 0));
      const limit = shape.map((n, k) => (k === d ? Math.max(to, from) : n));
      return tracerOf(
        trace,
        prims.slice(
          a,
          start,
          limit,
          shape.map(() => 1),
        ),
      );
    });
  });

/**
 * The tensors along an axis, which disappears (the inverse of stack).
 *
 * ```ts
 * const [row] = unstack(array([[1, 2], [3, 4]]));
 * await row!.toArray(); // [1, 2]
 * ```
 */
export const unstack = (x: TensorLike, axis = 0): Tensor[] =>
  operations("unstack", (trace) => {
    const a = toAtom(x, trace);
    const { shape } = a.aval;
    const d = normalizeAxis("unstack", axis, shape.length);
    const rest = shape.filter((_, k) => k !== d);
    return Array.from({ length: shape[d]! }, (_, i) => {
      const start = shape.map((__, k) => (k === d ? i : 0));
      const limit = shape.map((n, k) => (k === d ? i + 1 : n));
      const row = prims.slice(
        a,
        start,
        limit,
        shape.map(() => 1),
      );
      return tracerOf(trace, prims.reshape(row, rest));
    });
  });

/**
 * The whole tensor repeated `reps` times along each axis (numpy.tile).
 *
 * ```ts
 * await tile(array([1, 2]), 2).toArray(); // [1, 2, 1, 2]
 * ```
 */
export const tile = (x: TensorLike, reps: number | readonly number[]): Tensor =>
  operation("tile", (trace) => {
    const a = toAtom(x, trace);
    requireKnown("tile", "the repetitions", reps);
    const counts = typeof reps === "number" ? [reps] : [...reps];
    const rank = Math.max(counts.length, a.aval.shape.length);
    const ones = (list: readonly number[]) => [
      ...new Array<number>(rank - list.length).fill(1),
      ...list,
    ];
    const shape = ones(a.aval.shape);
    const times = ones(counts);
    if (!times.every((n) => Number.isInteger(n) && n >= 0)) {
      throw new ShapeError(`tile: repetitions [${counts.join(",")}] must be non-negative integers`);
    }
    // Axis i becomes the pair (times[i], shape[i]).
    const wide = shape.flatMap((n, i) => [times[i]!, n]);
    const spread = prims.broadcastInDim(
      prims.reshape(a, shape),
      wide,
      shape.map((_, i) => 2 * i + 1),
    );
    return tracerOf(
      trace,
      prims.reshape(
        spread,
        shape.map((n, i) => n * times[i]!),
      ),
    );
  });

/**
 * Each element repeated (numpy.repeat): `repeats` times, along `axis` or, without one, of the
 * flattened tensor. A list gives each position its own count.
 *
 * ```ts
 * await repeat(array([1, 2]), 2).toArray(); // [1, 1, 2, 2]
 * ```
 */
export const repeat = (x: TensorLike, repeats: number | readonly number[], axis?: number): Tensor =>
  operation("repeat", (trace) => {
    let a = toAtom(x, trace);
    if (axis === undefined) a = prims.reshape(a, [a.aval.shape.reduce((n, s) => n * s, 1)]);
    const { shape } = a.aval;
    const d = axis === undefined ? 0 : normalizeAxis("repeat", axis, shape.length);
    const size = shape[d]!;
    requireKnown("repeat", "the counts", repeats);
    const counts = typeof repeats === "number" ? [repeats] : repeats;
    const sound =
      (counts.length === size || counts.length === 1) &&
      counts.every((n) => Number.isInteger(n) && n >= 0);
    if (!sound) {
      throw new ShapeError(
        `repeat: counts [${counts.join(",")}] must be one non-negative integer, or one for each of the ` +
          `${size} positions of axis ${d} of ${showAval(a.aval)}`,
      );
    }
    if (counts.length === 1) {
      const n = counts[0]!;
      const spread = prims.broadcastInDim(
        a,
        [...shape.slice(0, d + 1), n, ...shape.slice(d + 1)],
        shape.map((_, i) => (i <= d ? i : i + 1)),
      );
      return tracerOf(
        trace,
        prims.reshape(
          spread,
          shape.map((s, i) => (i === d ? s * n : s)),
        ),
      );
    }
    const pieces = counts.flatMap((n, i) => {
      if (n === 0) return [];
      const start = shape.map((_, k) => (k === d ? i : 0));
      const limit = shape.map((s, k) => (k === d ? i + 1 : s));
      const one = prims.slice(
        a,
        start,
        limit,
        shape.map(() => 1),
      );
      const target = shape.map((s, k) => (k === d ? n : s));
      return [
        prims.broadcastInDim(
          one,
          target,
          shape.map((_, k) => k),
        ),
      ];
    });
    if (pieces.length === 0) {
      const limit = shape.map((s, k) => (k === d ? 0 : s));
      return tracerOf(
        trace,
        prims.slice(
          a,
          shape.map(() => 0),
          limit,
          shape.map(() => 1),
        ),
      );
    }
    return tracerOf(trace, prims.concatenate(pieces, d));
  });

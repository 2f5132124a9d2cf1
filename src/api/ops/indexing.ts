/** Elements picked by position: gather and scatter, slices with traced starts, numpy's notation. */
import { broadcastShapes, normalizeAxis, showAval, showShape, sizeOf } from "../../core/aval.js";
import { isInteger } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { currentOp, type Trace, tracerOf } from "../../trace/tracer.js";
import { like } from "./atoms.js";
import { broadcastAtom, toAtom } from "./promote.js";

/** Integer positions: tensors of int32 or uint32, or whole numbers. */
export function indexAtom(op: string, x: TensorLike, trace: Trace): Atom {
  if (!isTensor(x)) {
    if (typeof x === "boolean" || !Number.isInteger(x)) {
      throw new DtypeError(`${op}: the index ${String(x)} is not a whole number`);
    }
    return toAtom(x, trace, "int32");
  }
  // A JavaScript number that went through jit or vmap is a weak float scalar.
  if (x.weak && x.ndim === 0) return toAtom(x, trace, "int32");
  if (!isInteger(x.dtype)) {
    const hint =
      x.dtype === "bool"
        ? "a mask has no static result shape: use where"
        : 'convert them with astype("int32")';
    throw new DtypeError(
      `${op}: indices must be int32 or uint32, not ${showAval(x.aval)}; ${hint}`,
    );
  }
  return toAtom(x, trace);
}

/** Negative positions count from the end, as in numpy. */
export function fromEnd(indices: Atom, size: number): Atom {
  if (indices.aval.dtype === "uint32") return indices;
  const below = prims.lt(indices, like(indices, 0));
  return prims.select(below, prims.add(indices, like(indices, size)), indices);
}

/**
 * Elements at positions along an axis (numpy.take): the positions' shape takes the axis's place.
 * Negative positions count from the end; those out of range are clamped. Without an axis, of the flat
 * tensor.
 *
 * ```ts
 * await take(array([10, 20, 30]), array([2, 0], { dtype: "int32" }), 0).toArray(); // [30, 10]
 * ```
 */
export const take = (x: TensorLike, indices: TensorLike, axis?: number | null): Tensor =>
  operation("take", (trace) => {
    let a = toAtom(x, trace);
    if (axis === undefined || axis === null) a = prims.reshape(a, [sizeOf(a.aval.shape)]);
    const d = normalizeAxis("take", axis ?? 0, a.aval.shape.length);
    const at = fromEnd(indexAtom("take", indices, trace), a.aval.shape[d]!);
    return tracerOf(trace, prims.gather(a, at, { axis: d, batch: 0 }));
  });

export interface GatherOptions {
  /** The axis that the indices address. Default 0. */
  readonly axis?: number;
}

/**
 * Elements at positions along an axis, clamped to the range (lax.gather with one indexed axis). Unlike
 * `take`, negative positions do not count from the end.
 *
 * ```ts
 * await gather(array([10, 20, 30]), array([2, 9], { dtype: "int32" })).toArray(); // [30, 30]
 * ```
 */
export const gather = (x: TensorLike, indices: TensorLike, options: GatherOptions = {}): Tensor =>
  operation("gather", (trace) => {
    const a = toAtom(x, trace);
    const axis = normalizeAxis("gather", options.axis ?? 0, a.aval.shape.length);
    return tracerOf(
      trace,
      prims.gather(a, indexAtom("gather", indices, trace), { axis, batch: 0 }),
    );
  });

/**
 * One element for each position, line by line along an axis (numpy.take_along_axis); the other axes of
 * the two broadcast. What argsort gives, this applies.
 *
 * ```ts
 * const x = array([[3, 1], [2, 4]]);
 * await takeAlongAxis(x, argsort(x, 1), 1).toArray(); // [[1, 3], [2, 4]]
 * ```
 */
export const takeAlongAxis = (x: TensorLike, indices: TensorLike, axis: number): Tensor =>
  operation("takeAlongAxis", (trace) => {
    const a = toAtom(x, trace);
    const at = indexAtom("takeAlongAxis", indices, trace);
    const rank = a.aval.shape.length;
    if (at.aval.shape.length !== rank) {
      throw new ShapeError(
        `takeAlongAxis: ${showAval(a.aval)} and its indices ${showAval(at.aval)} must have equally many axes`,
      );
    }
    const d = normalizeAxis("takeAlongAxis", axis, rank);
    const without = (shape: readonly number[]) => shape.map((n, i) => (i === d ? 1 : n));
    const lead = broadcastShapes("takeAlongAxis", without(a.aval.shape), without(at.aval.shape));
    const full = (v: Atom) =>
      broadcastAtom(
        v,
        lead.map((n, i) => (i === d ? v.aval.shape[d]! : n)),
      );
    // The indexed axis last, every other one a batch axis.
    const perm = [...lead.keys()].filter((i) => i !== d);
    const order = [...perm, d];
    const picked = prims.gather(
      prims.transpose(full(a), order),
      prims.transpose(full(fromEnd(at, a.aval.shape[d]!)), order),
      { axis: rank - 1, batch: rank - 1 },
    );
    return tracerOf(
      trace,
      prims.transpose(
        picked,
        order.map((_, i) => order.indexOf(i)),
      ),
    );
  });

/**
 * The tensor with updates added at positions along an axis (x.at[indices].add in JAX): repeated
 * positions add up, those out of range are dropped. Deterministic. Updates broadcast to the shape that
 * `gather` would give.
 *
 * ```ts
 * await scatterAdd(zeros([3]), array([0, 2, 0], { dtype: "int32" }), array([1, 2, 3])).toArray(); // [4, 0, 2]
 * ```
 */
export const scatterAdd = (
  x: TensorLike,
  indices: TensorLike,
  updates: TensorLike,
  options: GatherOptions = {},
): Tensor =>
  operation("scatterAdd", (trace) => {
    const a = toAtom(x, trace);
    const { shape, dtype } = a.aval;
    const axis = normalizeAxis("scatterAdd", options.axis ?? 0, shape.length);
    const at = indexAtom("scatterAdd", indices, trace);
    const u = toAtom(updates, trace, dtype);
    const want = [...shape.slice(0, axis), ...at.aval.shape, ...shape.slice(axis + 1)];
    const fits = broadcastShapes("scatterAdd", u.aval.shape, want);
    if (fits.join() !== want.join()) {
      throw new ShapeError(
        `scatterAdd: updates ${showAval(u.aval)} do not broadcast to ${showShape(want)}, the part of ` +
          `${showAval(a.aval)} that indices ${showAval(at.aval)} address along axis ${axis}`,
      );
    }
    return tracerOf(trace, prims.scatterAdd(a, at, broadcastAtom(u, want), { axis, batch: 0 }));
  });

/** Starts as int scalars of one dtype. */
function startAtoms(op: string, starts: readonly TensorLike[], trace: Trace): Atom[] {
  return starts.map((s) => {
    const at = indexAtom(op, s, trace);
    if (at.aval.shape.length > 0) {
      throw new ShapeError(`${op}: starts must be scalars, not ${showAval(at.aval)}`);
    }
    return at;
  });
}

/**
 * A window of static size whose start may be traced (lax.dynamic_slice): starts are integer scalars,
 * clamped so that the window fits.
 *
 * ```ts
 * await dynamicSlice(array([0, 1, 2, 3]), [array(2, { dtype: "int32" })], [2]).toArray(); // [2, 3]
 * ```
 */
export const dynamicSlice = (
  x: TensorLike,
  starts: readonly TensorLike[],
  sizes: readonly number[],
): Tensor =>
  operation("dynamicSlice", (trace) =>
    tracerOf(
      trace,
      prims.dynamicSlice(toAtom(x, trace), startAtoms("dynamicSlice", starts, trace), sizes),
    ),
  );

/**
 * The tensor with a window overwritten, whose start may be traced (lax.dynamic_update_slice); clamped
 * so that the window fits.
 *
 * ```ts
 * await dynamicUpdateSlice(zeros([4]), array([1, 2]), [1]).toArray(); // [0, 1, 2, 0]
 * ```
 */
export const dynamicUpdateSlice = (
  x: TensorLike,
  update: TensorLike,
  starts: readonly TensorLike[],
): Tensor =>
  operation("dynamicUpdateSlice", (trace) => {
    const a = toAtom(x, trace);
    return tracerOf(
      trace,
      prims.dynamicUpdateSlice(
        a,
        toAtom(update, trace, a.aval.dtype),
        startAtoms("dynamicUpdateSlice", starts, trace),
      ),
    );
  });

/** A range of positions: [start, stop, step], each optional (null or absent), as start:stop:step. */
export type IndexRange = readonly (number | null | undefined)[];

/** One entry of numpy's index notation; see `index`. */
export type Index = number | null | ":" | "..." | IndexRange | Tensor;

/** Python's slice.indices: where a range starts, how many elements, and its step. */
function resolveRange(range: IndexRange, size: number): { from: number; n: number; step: number } {
  const sound = range.every(
    (p) => p === null || p === undefined || (typeof p === "number" && Math.trunc(p) === p),
  );
  if (range.length > 3 || !sound) {
    throw new ShapeError(
      `${currentOp()}: a range is [start, stop, step], whole numbers known when the function is traced; ` +
        "to take a list of positions give an integer tensor, for a traced start use dynamicSlice",
    );
  }
  const [start, stop, given] = range;
  const step = given ?? 1;
  if (!Number.isInteger(step) || step === 0) {
    throw new ShapeError(
      `${currentOp()}: the step ${step} of a range must be a whole number, not 0`,
    );
  }
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const place = (p: number) => Math.min(Math.max(p < 0 ? p + size : p, low), high);
  const from = start === null || start === undefined ? (step > 0 ? low : high) : place(start);
  const to = stop === null || stop === undefined ? (step > 0 ? high : low) : place(stop);
  return { from, n: Math.max(0, Math.ceil((to - from) / step)), step };
}

function takeRange(a: Atom, axis: number, range: IndexRange): Atom {
  const { shape } = a.aval;
  const { from, n, step } = resolveRange(range, shape[axis]!);
  const backwards = step < 0;
  const start = n === 0 ? 0 : backwards ? from + (n - 1) * step : from;
  const limit = n === 0 ? 0 : start + (n - 1) * Math.abs(step) + 1;
  const out = prims.slice(
    a,
    shape.map((_, d) => (d === axis ? start : 0)),
    shape.map((s, d) => (d === axis ? limit : s)),
    shape.map((_, d) => (d === axis ? Math.abs(step) : 1)),
  );
  return backwards ? prims.reverse(out, [axis]) : out;
}

function takeOne(a: Atom, axis: number, at: number): Atom {
  const { shape } = a.aval;
  const size = shape[axis]!;
  const i = at < 0 ? at + size : at;
  if (!Number.isInteger(at) || i < 0 || i >= size) {
    throw new ShapeError(
      `index: position ${at} is out of range for axis ${axis} of ${showAval(a.aval)}, which has size ${size}`,
    );
  }
  const one = takeRange(a, axis, [i, i + 1]);
  return prims.reshape(
    one,
    shape.filter((_, d) => d !== axis),
  );
}

/**
 * numpy's index notation, one entry an axis from the left: a number takes that position (negative ones
 * from the end), `[start, stop, step]` is a range as start:stop:step (any part may be absent or null),
 * `":"` a whole axis, `"..."` all axes in between, `null` a new axis, and an integer tensor takes those
 * positions (`take`; at most one tensor).
 *
 * ```ts
 * const x = array([[1, 2, 3], [4, 5, 6]]);
 * await index(x, -1).toArray(); // [4, 5, 6]
 * await index(x, ":", [0, null, 2]).toArray(); // [[1, 3], [4, 6]]
 * ```
 */
export const index = (x: TensorLike, ...entries: readonly Index[]): Tensor =>
  operation("index", (trace) => {
    let a = toAtom(x, trace);
    const used = entries.filter((e) => e !== null && e !== "...").length;
    const gaps = entries.filter((e) => e === "...").length;
    const rest = a.aval.shape.length - used;
    if (gaps > 1 || rest < 0 || entries.filter(isTensor).length > 1) {
      throw new ShapeError(
        `index: ${entries.length} entries for ${showAval(a.aval)}: at most one for each axis, with at ` +
          'most one "..." and one tensor; for several index tensors use gather or takeAlongAxis',
      );
    }
    let axis = 0;
    for (const e of entries) {
      if (e === "...") axis += rest;
      else if (e === ":") axis++;
      else if (e === null) {
        const { shape } = a.aval;
        a = prims.reshape(a, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
        axis++;
      } else if (typeof e === "number") a = takeOne(a, axis, e);
      else if (isTensor(e)) {
        const at = fromEnd(indexAtom("index", e, trace), a.aval.shape[axis]!);
        a = prims.gather(a, at, { axis, batch: 0 });
        axis += at.aval.shape.length;
      } else if (Array.isArray(e)) a = takeRange(a, axis++, e);
      else {
        throw new ShapeError(
          `index: no entry ${typeof e === "string" ? JSON.stringify(e) : String(e)}; entries are numbers, ` +
            '[start, stop, step], ":", "...", null and an integer tensor',
        );
      }
    }
    return tracerOf(trace, a);
  });

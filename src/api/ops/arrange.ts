/** Elements moved along axes: flip, roll, pad. */
import { normalizeAxes, normalizeAxis, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { requireKnown, toAtom } from "./promote.js";
import type { AxisArgument } from "./reductions.js";
import { view } from "./shape.js";

/**
 * The order of elements reversed along axes, all by default (numpy.flip).
 *
 * ```ts
 * await flip(array([1, 2, 3])).toArray(); // [3, 2, 1]
 * ```
 */
export const flip = (x: TensorLike, axis?: AxisArgument): Tensor =>
  view("flip", x, (a) => prims.reverse(a, normalizeAxes("flip", axis, a.aval.shape.length)));

/** The part of an axis from `start` to `limit`. */
export function part(a: Atom, axis: number, start: number, limit: number): Atom {
  const { shape } = a.aval;
  return prims.slice(
    a,
    shape.map((_, d) => (d === axis ? start : 0)),
    shape.map((n, d) => (d === axis ? limit : n)),
    shape.map(() => 1),
  );
}

function rolled(a: Atom, shift: number, axis: number): Atom {
  const size = a.aval.shape[axis]!;
  if (size === 0) return a;
  const by = ((shift % size) + size) % size;
  if (by === 0) return a;
  return prims.concatenate([part(a, axis, size - by, size), part(a, axis, 0, size - by)], axis);
}

/**
 * Elements moved along axes, around the end (numpy.roll); without an axis, of the flat tensor.
 *
 * ```ts
 * await roll(array([1, 2, 3]), 1).toArray(); // [3, 1, 2]
 * ```
 */
export const roll = (
  x: TensorLike,
  shift: number | readonly number[],
  axis?: number | readonly number[],
): Tensor =>
  view("roll", x, (a) => {
    const { shape } = a.aval;
    const shifts = typeof shift === "number" ? [shift] : shift;
    if (!Array.isArray(shifts) || !shifts.every(Number.isInteger)) {
      throw new ShapeError(
        "roll: shifts are whole numbers known when the function is traced; for others take the positions " +
          "along the axis: x.take(arange(n).sub(shift).mod(n), axis)",
      );
    }
    if (axis === undefined) {
      const flat = prims.reshape(a, [shape.reduce((n, s) => n * s, 1)]);
      return prims.reshape(
        shifts.reduce((v, by) => rolled(v, by, 0), flat),
        shape,
      );
    }
    const axes = (typeof axis === "number" ? [axis] : axis).map((d) =>
      normalizeAxis("roll", d, shape.length),
    );
    if (shifts.length !== axes.length && shifts.length !== 1) {
      throw new ShapeError(
        `roll: ${shifts.length} shifts for ${axes.length} axes of ${showAval(a.aval)}; give one for each`,
      );
    }
    return axes.reduce((v, d, i) => rolled(v, shifts[i] ?? shifts[0]!, d), a);
  });

/** Widths to pad with: one number, one pair, or one pair an axis. */
export type PadWidths = number | readonly [number, number] | readonly (readonly [number, number])[];

export interface PadOptions {
  /** What fills: a constant, the edge element, a mirror image without or with the edge, or the other end. */
  readonly mode?: "constant" | "edge" | "reflect" | "symmetric" | "wrap";
  /** The constant of mode "constant"; 0 by default. */
  readonly constantValues?: TensorLike;
}

function widthsOf(widths: PadWidths, a: Atom): (readonly [number, number])[] {
  const { shape } = a.aval;
  let list: (readonly [number, number])[];
  if (typeof widths === "number") list = shape.map(() => [widths, widths]);
  else if (typeof widths[0] === "number") {
    const pair = widths as readonly [number, number];
    list = shape.map(() => pair);
  } else {
    const pairs = widths as readonly (readonly [number, number])[];
    list = pairs.length === 1 ? shape.map(() => pairs[0]!) : [...pairs];
  }
  const sound =
    list.length === shape.length &&
    list.every((p) => p.length === 2 && p.every((n) => Number.isInteger(n) && n >= 0));
  if (!sound) {
    throw new ShapeError(
      `pad: widths ${JSON.stringify(widths)} must be non-negative integers: one number, one ` +
        `[before, after], or one for each of the ${shape.length} axes of ${showAval(a.aval)}`,
    );
  }
  return list;
}

/** `n` elements beside one end of an axis, taken from the tensor itself, period after period. */
function extended(
  a: Atom,
  axis: number,
  [lo, hi]: readonly [number, number],
  mode: "reflect" | "symmetric" | "wrap",
): Atom {
  const size = a.aval.shape[axis]!;
  if (mode === "reflect" && size === 1) return edges(a, axis, [lo, hi]);
  // One period of the periodic extension, starting with the tensor.
  const mirror = prims.reverse(a, [axis]);
  const period =
    mode === "wrap"
      ? a
      : mode === "symmetric"
        ? prims.concatenate([a, mirror], axis)
        : prims.concatenate([a, part(mirror, axis, 1, size - 1)], axis);
  const length = period.aval.shape[axis]!;
  const before = Math.ceil(lo / length);
  const after = Math.ceil(Math.max(0, hi + size - length) / length);
  const all = prims.concatenate(new Array<Atom>(before + 1 + after).fill(period), axis);
  return part(all, axis, before * length - lo, before * length + size + hi);
}

function edges(a: Atom, axis: number, [lo, hi]: readonly [number, number]): Atom {
  const size = a.aval.shape[axis]!;
  const repeated = (from: number, n: number): Atom[] => {
    if (n === 0) return [];
    const one = part(a, axis, from, from + 1);
    const shape = a.aval.shape.map((s, d) => (d === axis ? n : s));
    return [
      prims.broadcastInDim(
        one,
        shape,
        shape.map((_, d) => d),
      ),
    ];
  };
  return prims.concatenate([...repeated(0, lo), a, ...repeated(size - 1, hi)], axis);
}

const padModes = ["edge", "reflect", "symmetric", "wrap"];

/**
 * Elements added around the tensor (numpy.pad).
 *
 * ```ts
 * await pad(array([1, 2, 3]), [1, 2]).toArray(); // [0, 1, 2, 3, 0, 0]
 * await pad(array([1, 2, 3]), 2, { mode: "reflect" }).toArray(); // [3, 2, 1, 2, 3, 2, 1]
 * ```
 */
export const pad = (x: TensorLike, widths: PadWidths, options: PadOptions = {}): Tensor =>
  operation("pad", (trace) => {
    const a = toAtom(x, trace);
    requireKnown("pad", "the widths", widths);
    const pairs = widthsOf(widths, a);
    const mode = options.mode ?? "constant";
    if (mode === "constant") {
      const value = toAtom(options.constantValues ?? 0, trace, a.aval.dtype);
      if (value.aval.shape.length > 0) {
        throw new ShapeError(`pad: constantValues must be one number, not ${showAval(value.aval)}`);
      }
      const out = prims.pad(
        a,
        value,
        pairs.map((p) => p[0]),
        pairs.map((p) => p[1]),
      );
      return tracerOf(trace, out);
    }
    if (!padModes.includes(mode)) {
      throw new ShapeError(`pad: no mode "${mode}"; there are constant, ${padModes.join(", ")}`);
    }
    const out = pairs.reduce((v, pair, axis) => {
      if (pair[0] === 0 && pair[1] === 0) return v;
      if (v.aval.shape[axis] === 0) {
        throw new ShapeError(
          `pad: axis ${axis} of ${showAval(a.aval)} is empty: mode "${mode}" has nothing to repeat`,
        );
      }
      return mode === "edge" ? edges(v, axis, pair) : extended(v, axis, pair, mode);
    }, a);
    return tracerOf(trace, out);
  });

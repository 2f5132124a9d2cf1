/** windows and shearWindows: sliding windows as index arithmetic, and their adjoint in gather form. */
import { type Aval, aval, type Shape, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { type Idx, idxConst } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { sub } from "./arithmetic.js";
import { broadcastInDim, constant, reduceSum, zerosOf } from "./broadcast.js";
import { reshape } from "./reshape.js";
import { elementAt, numeric, range, requireAxes, requireDtype, requireSameDtype } from "./rules.js";
import { select } from "./select.js";
import { slice } from "./slice.js";
import {
  elementOf,
  inverted,
  reachOf,
  requireDims,
  type WindowDim,
  windowOf,
  windowView,
} from "./window-map.js";

export interface WindowParams {
  /** The axes that windows slide over, increasing. */
  readonly axes: readonly number[];
  /** The map of each of them. */
  readonly dims: readonly WindowDim[];
}

export const shiftedWindows = ({ axes, dims }: WindowParams): WindowParams => ({
  axes: axes.map((a) => a + 1),
  dims,
});

/** Where the window's own axes stand: right after the last axis that it slides over. */
const windowStart = ({ axes }: WindowParams): number => axes[axes.length - 1]! + 1;

/** The window's own axes in the result of `windows`. */
export const windowAxes = (params: WindowParams): number[] =>
  range(params.axes.length, windowStart(params));

/** `shape` with positions (or other sizes) in place of the axes that the window slides over. */
export const placedShape = (
  shape: Shape,
  { axes }: WindowParams,
  sizes: readonly number[],
): number[] => shape.map((n, a) => (axes.includes(a) ? sizes[axes.indexOf(a)]! : n));

/** `shape` with the window's axes added where they stand. */
export const withWindow = (shape: Shape, params: WindowParams): number[] => {
  const at = windowStart(params);
  return [...shape.slice(0, at), ...windowOf(params.dims), ...shape.slice(at)];
};

const withoutWindow = <T>(index: readonly T[], params: WindowParams): T[] => {
  const at = windowStart(params);
  return [...index.slice(0, at), ...index.slice(at + params.axes.length)];
};

export function checkWindows(op: string, x: Aval, { axes, dims }: WindowParams): void {
  requireAxes(op, "axes", axes, x, true);
  requireDims(op, dims);
  if (axes.length === 0 || axes.length !== dims.length) {
    throw new ShapeError(
      `${op}: ${dims.length} window dimensions for axes [${axes.join(",")}] of ${showAval(x)}: give ` +
        "one for each axis, and at least one",
    );
  }
}

const sizesAt = (shape: Shape, axes: readonly number[]): number[] => axes.map((a) => shape[a]!);

/** `index` with the entries at `axes` replaced. */
const replaced = <T>(index: readonly T[], axes: readonly number[], by: readonly T[]): T[] =>
  index.map((v, a) => (axes.includes(a) ? by[axes.indexOf(a)]! : v));

export const windowsP: Primitive<WindowParams> = {
  name: "windows",
  kind: "view",
  aval([x, value], params) {
    checkWindows("windows", x!, params);
    requireSameDtype("windows", [x!, value!]);
    if (value!.shape.length !== 0) {
      throw new ShapeError(`windows: the padding value must be a scalar, not ${showAval(value!)}`);
    }
    const positions = params.dims.map((d) => d.positions);
    return [aval(withWindow(placedShape(x!.shape, params, positions), params), x!.dtype)];
  },
  ref([x, value], params, [out]) {
    const { axes, dims } = params;
    const at0 = windowStart(params);
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const from = dims.map((d, i) =>
          elementOf(d, x!.shape[axes[i]!]!, at[axes[i]!]!, at[at0 + i]!),
        );
        if (from.includes(-1)) return value!.data[0]!;
        return elementAt(x!, replaced(withoutWindow(at, params), axes, from));
      }),
    ];
  },
  jvp({ primals: [x], tangents: [t, v], params }) {
    return [windows(t ?? zerosOf(x!.aval), v ?? lit(0, x!.aval.dtype), params)];
  },
  transpose({ cotangents: [ct], inputs, avals: [x], params }) {
    const home = shearWindows(ct!, invertedParams(params, x!.shape));
    const total = (a: Atom) => reduceSum(a, range(a.aval.shape.length));
    return [
      inputs[0] === null ? reduceSum(home, windowAxes(params)) : null,
      inputs[1] === null ? sub(total(ct!), total(home)) : null,
    ];
  },
  batch({ inputs: [x, value], mapped: [mapX, mapValue], size, params }) {
    const { dtype } = x!.aval;
    const lanes = shiftedWindows(params);
    if (!mapValue) return [windows(x!, value!, lanes)];
    // One value a lane: choose between the lane's own value and the window's element.
    const bare = mapX ? x!.aval.shape.slice(1) : x!.aval.shape;
    const there = windows(constant(1, bare, "bool"), lit(0, "bool"), params);
    const shape = [size, ...there.aval.shape];
    const axes = range(there.aval.shape.length, 1);
    const elements = mapX
      ? windows(x!, lit(0, dtype), lanes)
      : broadcastInDim(windows(x!, lit(0, dtype), params), shape, axes);
    return [
      select(broadcastInDim(there, shape, axes), elements, broadcastInDim(value!, shape, [0])),
    ];
  },
  simplify([x], params) {
    const { axes, dims } = params;
    const { shape } = x!.aval;
    // Windows of one element without padding or reversal: a slice.
    const plain = dims.every((d, i) => {
      const { least, most } = reachOf(d);
      const inside = least >= 0 && most < shape[axes[i]!]!;
      return d.window === 1 && d.base === 1 && d.stride >= 1 && d.positions >= 1 && inside;
    });
    if (!plain) return null;
    const start = shape.map((_, a) => (axes.includes(a) ? -dims[axes.indexOf(a)]!.lo : 0));
    const strides = shape.map((_, a) => (axes.includes(a) ? dims[axes.indexOf(a)]!.stride : 1));
    const limit = shape.map((n, a) => {
      const d = dims[axes.indexOf(a)];
      return d ? start[a]! + (d.positions - 1) * d.stride + 1 : n;
    });
    const taken = slice(
      x!,
      start.map((v) => v + 0),
      limit,
      strides,
    );
    return [reshape(taken, withWindow(taken.aval.shape, params))];
  },
  view({ index, inputs: [x], params }) {
    const { axes, dims } = params;
    const own = withoutWindow(index, params);
    const k = index.slice(windowStart(params), windowStart(params) + axes.length);
    return windowView(
      dims,
      sizesAt(x!.shape, axes),
      axes.map((a) => own[a]!),
      k,
      (from) => ({ kind: "element", operand: 0, index: replaced(own, axes, from) }),
      { kind: "element", operand: 1, index: [] },
    );
  },
  error: { ulp: 0 },
};

/**
 * The elements that a sliding window sees: axis `axes[i]` becomes the window's positions, and the
 * window's own axes come right after the last of them (images [n, h, w, c] give [n, oh, ow, kh, kw,
 * c]). Padding has the scalar `value`. A view: index arithmetic only.
 */
export function windows(x: Atom, value: Atom, { axes, dims }: WindowParams): Atom {
  return bind1(windowsP, [x, value], { axes: [...axes], dims: dims.map((d) => ({ ...d })) });
}

/** The map from a window's elements back to the axes of an array of this shape. */
const invertedParams = ({ axes, dims }: WindowParams, shape: Shape): WindowParams => ({
  axes,
  dims: dims.map((d, i) => inverted(d, shape[axes[i]!]!)),
});

export const shearWindowsP: Primitive<WindowParams> = {
  name: "shearWindows",
  kind: "view",
  aval([x], params) {
    requireDtype("shearWindows", x!, numeric);
    checkWindows("shearWindows", x!, params);
    const own = x!.shape.slice(windowStart(params), windowStart(params) + params.axes.length);
    if (own.length !== params.dims.length || params.dims.some((d, i) => d.window !== own[i])) {
      throw new ShapeError(
        `shearWindows: ${showAval(x!)} does not have the window's axes ` +
          `[${windowOf(params.dims).join(",")}] from axis ${windowStart(params)} on`,
      );
    }
    const positions = params.dims.map((d) => d.positions);
    return [aval(placedShape(x!.shape, params, positions), x!.dtype)];
  },
  ref([x], params, [out]) {
    const { axes, dims } = params;
    const at0 = windowStart(params);
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const from = dims.map((d, i) =>
          elementOf(d, x!.shape[axes[i]!]!, at[axes[i]!]!, at[at0 + i]!),
        );
        return from.includes(-1) ? 0 : elementAt(x!, replaced(at, axes, from));
      }),
    ];
  },
  jvp: ({ tangents: [t], params }) => [shearWindows(t!, params)],
  transpose: ({ cotangents: [ct], avals: [x], params }) => [
    shearWindows(ct!, invertedParams(params, x!.shape)),
  ],
  batch: ({ inputs: [x], params }) => [shearWindows(x!, shiftedWindows(params))],
  view({ index, inputs: [x], params }) {
    const { axes, dims } = params;
    const k: Idx[] = index.slice(windowStart(params), windowStart(params) + axes.length);
    return windowView(
      dims,
      sizesAt(x!.shape, axes),
      axes.map((a) => index[a]!),
      k,
      (from) => ({ kind: "element", operand: 0, index: replaced(index, axes, from) }),
      { kind: "index", value: idxConst(0) },
    );
  },
  error: { ulp: 0 },
};

/**
 * Each slice of `x` at one offset of the window's axes, moved by the window map of that offset, with
 * zeros where nothing arrives. It is the linear part of windows' adjoint, which gathers instead of
 * scattering: `Σ over the window of shearWindows(ct)`. Its own adjoint is such a map again.
 */
export function shearWindows(x: Atom, { axes, dims }: WindowParams): Atom {
  return bind1(shearWindowsP, [x], { axes: [...axes], dims: dims.map((d) => ({ ...d })) });
}

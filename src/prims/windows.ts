/** windows: sliding windows as index arithmetic. */
import { aval, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { sub } from "./arithmetic.js";
import { broadcastInDim, constant, reduceSum, zerosOf } from "./broadcast.js";
import { gatherWindows } from "./phases.js";
import { reshape } from "./reshape.js";
import { elementAt, range, requireSameDtype } from "./rules.js";
import { select } from "./select.js";
import { slice } from "./slice.js";
import {
  checkWindows,
  placedShape,
  replaced,
  shiftedWindows,
  sizesOf,
  type WindowParams,
  windowStart,
  withoutWindow,
  withWindow,
} from "./window-axes.js";
import { elementOf, reachOf, windowView } from "./window-map.js";

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
    const home = gatherWindows(ct!, params, x!.shape);
    const total = (a: Atom) => reduceSum(a, range(a.aval.shape.length));
    return [
      inputs[0] === null ? home : null,
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
      sizesOf(x!.shape, axes),
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

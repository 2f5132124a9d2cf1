/** Maxima and minima over sliding windows, with the place that each came from. */
import { type Aval, aval, showAval, sizeOf } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { hostData, ndFromFunction } from "../core/ndarray.js";
import { bind, bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxConst, idxLoad, idxUnflatten } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { addLane, broadcastInDim, constant } from "./broadcast.js";
import { eq } from "./compare.js";
import { iota } from "./concatenate.js";
import { isNan } from "./convert.js";
import { and, or } from "./logic.js";
import { gatherWindows } from "./phases.js";
import { extremes, reduceMax, reduceMin } from "./reduce.js";
import { bestGap } from "./reduction.js";
import { reshape } from "./reshape.js";
import { elementAt, listsEqual, numeric, otherAxes, requireDtype } from "./rules.js";
import { clamp, select } from "./select.js";
import {
  checkWindows,
  placedShape,
  shiftedWindows,
  type WindowParams,
  windowAxes,
} from "./window-axes.js";
import { elementOf, positionsOf, windowOf, windowView } from "./window-map.js";
import { windows } from "./windows.js";

/** A flat offset within a window as one offset an axis. */
function unflattened(flat: number, window: readonly number[]): number[] {
  const out = new Array<number>(window.length);
  let rest = flat;
  for (let i = window.length - 1; i >= 0; i--) {
    out[i] = rest % window[i]!;
    rest = Math.floor(rest / window[i]!);
  }
  return out;
}

/** The position in `x` that the window at `at` has at a flat offset, or null for padding. */
function sourceAt(
  x: { readonly shape: readonly number[] },
  at: readonly number[],
  flat: number,
  { axes, dims }: WindowParams,
): number[] | null {
  const k = unflattened(flat, windowOf(dims));
  const from = dims.map((d, i) => elementOf(d, x.shape[axes[i]!]!, at[axes[i]!]!, k[i]!));
  if (from.includes(-1)) return null;
  return at.map((p, a) => (axes.includes(a) ? from[axes.indexOf(a)]! : p));
}

function requireElements(op: string, x: Aval, params: WindowParams): void {
  checkWindows(op, x, params);
  if (sizeOf(windowOf(params.dims)) > 0) return;
  throw new ShapeError(
    `${op}: a window of [${windowOf(params.dims).join(",")}] over ${showAval(x)} has nothing to choose`,
  );
}

const placed = (x: Aval, params: WindowParams): number[] =>
  placedShape(x.shape, params, positionsOf(params.dims));

/** A value for each window, spread over the window's own axes. */
function spreadWindow(out: Atom, shape: readonly number[], params: WindowParams): Atom {
  return broadcastInDim(out, shape, otherAxes(shape.length, windowAxes(params)));
}

/** The flat offset within the window of each element of windows of this shape. */
function offsetsWithin(shape: readonly number[], params: WindowParams): Atom {
  const window = windowOf(params.dims);
  const flat = reshape(iota("int32", [sizeOf(window)], 0), window);
  return broadcastInDim(flat, shape, windowAxes(params));
}

function windowExtremum(
  name: string,
  sign: 1 | -1,
  reduce: (x: Atom, axes: readonly number[]) => Atom,
  identity: (dtype: DType) => number,
): Primitive<WindowParams> {
  const prim: Primitive<WindowParams> = {
    name,
    kind: "opaque",
    aval([x], params) {
      requireDtype(name, x!, numeric);
      requireElements(name, x!, params);
      const shape = placed(x!, params);
      return [aval(shape, x!.dtype), aval(shape, "int32")];
    },
    ref([x], params, [best, where]) {
      const count = sizeOf(windowOf(params.dims));
      const values = hostData(x!.dtype, sizeOf(best!.shape));
      const offsets = ndFromFunction(where!.shape, "int32", (at, flat) => {
        let found = count - 1;
        let value = identity(x!.dtype);
        let any = false;
        for (let k = 0; k < count; k++) {
          const from = sourceAt(x!, at, k, params);
          if (!from) continue;
          const v = elementAt(x!, from);
          const better =
            !any || sign * v > sign * value || (Number.isNaN(v) && !Number.isNaN(value));
          if (better) {
            value = v;
            found = k;
          }
          any = true;
        }
        values[flat] = value;
        return found;
      });
      return [{ shape: best!.shape, dtype: x!.dtype, data: values }, offsets];
    },
    jvp: ({ tangents: [t], outputs, params }) => [takeWindow(t!, outputs[1]!, params), null],
    batch: ({ inputs: [x], params }) => bind(prim, [x!], shiftedWindows(params)),
    lower([x], params) {
      const { dtype, shape } = x!.aval;
      const elements = windows(x!, lit(identity(dtype), dtype), params);
      const best = reduce(elements, windowAxes(params));
      const wide = elements.aval.shape;
      const equal = eq(elements, spreadWindow(best, wide, params));
      // The extremum is NaN exactly where some element is. Padding is never chosen.
      const hit = isFloat(dtype) ? or(equal, isNan(elements)) : equal;
      const there = windows(constant(1, shape, "bool"), lit(0, "bool"), params);
      const last = constant(sizeOf(windowOf(params.dims)) - 1, wide, "int32");
      const first = select(and(hit, there), offsetsWithin(wide, params), last);
      return [best, reduceMin(first, windowAxes(params))];
    },
    kink([x], params) {
      if (!isFloat(x!.dtype)) return Number.POSITIVE_INFINITY;
      const count = sizeOf(windowOf(params.dims));
      let least = Number.POSITIVE_INFINITY;
      ndFromFunction(placed(x!, params), "float32", (at) => {
        const group: number[] = [];
        for (let k = 0; k < count; k++) {
          const from = sourceAt(x!, at, k, params);
          if (from) group.push(elementAt(x!, from));
        }
        least = Math.min(least, bestGap(group, sign));
        return 0;
      });
      return least;
    },
    error: { ulp: 0 },
  };
  return prim;
}

export const windowMaxP = windowExtremum("windowMax", 1, reduceMax, (d) => extremes[d][0]);
export const windowMinP = windowExtremum("windowMin", -1, reduceMin, (d) => extremes[d][1]);

/**
 * The greatest element of each window, and (int32) its flat offset within the window: the first of
 * equals in row-major order, the first NaN if any. Padding is never chosen; a window of nothing but
 * padding has the least value of the dtype. The gradient goes to the chosen element alone.
 */
export function windowMax(x: Atom, params: WindowParams): readonly [value: Atom, offset: Atom] {
  const [value, offset] = bind(windowMaxP, [x], { axes: [...params.axes], dims: [...params.dims] });
  return [value!, offset!];
}

/** As `windowMax`, of the least element. */
export function windowMin(x: Atom, params: WindowParams): readonly [value: Atom, offset: Atom] {
  const [value, offset] = bind(windowMinP, [x], { axes: [...params.axes], dims: [...params.dims] });
  return [value!, offset!];
}

export const takeWindowP: Primitive<WindowParams> = {
  name: "takeWindow",
  kind: "view",
  aval([x, offset], params) {
    requireDtype("takeWindow", x!, numeric);
    requireDtype("takeWindow", offset!, ["int32"]);
    requireElements("takeWindow", x!, params);
    const shape = placed(x!, params);
    if (!listsEqual(offset!.shape, shape)) {
      throw new ShapeError(
        `takeWindow: offsets ${showAval(offset!)} must have shape [${shape.join(",")}], one for each ` +
          `window of ${showAval(x!)}`,
      );
    }
    return [aval(shape, x!.dtype)];
  },
  ref([x, offset], params, [out]) {
    const last = sizeOf(windowOf(params.dims)) - 1;
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const k = Math.min(Math.max(elementAt(offset!, at), 0), last);
        const from = sourceAt(x!, at, k, params);
        return from ? elementAt(x!, from) : 0;
      }),
    ];
  },
  jvp: ({ primals: [, offset], tangents: [t], params }) => [takeWindow(t!, offset!, params)],
  transpose({ cotangents: [ct], inputs: [, offset], avals: [x], params }) {
    // Each element sums the cotangents of the windows that chose it.
    const window = windowOf(params.dims);
    const { shape } = ct!.aval;
    const at = params.axes[params.axes.length - 1]! + 1;
    const wide = [...shape.slice(0, at), ...window, ...shape.slice(at)];
    const last = constant(sizeOf(window) - 1, shape, "int32");
    const read = clamp(constant(0, shape, "int32"), offset!, last);
    const chosen = eq(spreadWindow(read, wide, params), offsetsWithin(wide, params));
    const sent = select(chosen, spreadWindow(ct!, wide, params), constant(0, wide, ct!.aval.dtype));
    return [gatherWindows(sent, params, x!.shape), null];
  },
  batch({ inputs: [x, offset], mapped: [mapX, mapOffset], size, params }) {
    return [
      takeWindow(
        mapX ? x! : addLane(x!, size),
        mapOffset ? offset! : addLane(offset!, size),
        shiftedWindows(params),
      ),
    ];
  },
  view({ index, inputs: [x], params }) {
    const { axes, dims } = params;
    const window = windowOf(dims);
    const k = idxUnflatten(idxLoad(1, index, sizeOf(window)), window);
    return windowView(
      dims,
      axes.map((a) => x!.shape[a]!),
      axes.map((a) => index[a]!),
      k,
      (from) => ({
        kind: "element",
        operand: 0,
        index: index.map((e, a) => (axes.includes(a) ? from[axes.indexOf(a)]! : e)),
      }),
      { kind: "index", value: idxConst(0) },
    );
  },
  error: { ulp: 0 },
};

/**
 * One element of each window: the one at the flat offset `offset` (int32, clamped), 0 where
 * that is padding. It is linear in `x`; its adjoint sums for each element over the windows that chose
 * it, without scattering.
 */
export function takeWindow(x: Atom, offset: Atom, params: WindowParams): Atom {
  return bind1(takeWindowP, [x, offset], { axes: [...params.axes], dims: [...params.dims] });
}

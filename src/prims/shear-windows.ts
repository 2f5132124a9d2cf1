/** shearWindows: the linear part of windows' adjoint, in gather form. */
import { aval, type Shape, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { type Idx, idxConst } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { elementAt, numeric, requireDtype } from "./rules.js";
import {
  checkWindows,
  placedShape,
  replaced,
  shiftedWindows,
  sizesOf,
  type WindowParams,
  windowStart,
} from "./window-axes.js";
import { elementOf, inverted, windowOf, windowView } from "./window-map.js";

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
      sizesOf(x!.shape, axes),
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

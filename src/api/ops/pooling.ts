/** Reductions over sliding windows. */
import { showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asFloat, asNumber, like } from "./atoms.js";
import { toAtom } from "./promote.js";
import { meanAtom } from "./reductions.js";
import {
  imageAxes,
  type Layout,
  type Padding,
  type PerDimension,
  paddingPairs,
  perDimension,
  samePadding,
  windowDim,
} from "./spatial.js";

export interface PoolOptions {
  /** Steps of the window. Default: the window, so that windows do not overlap. */
  readonly strides?: PerDimension;
  /** Default "VALID". */
  readonly padding?: Padding;
  /** Steps between the window's elements. Default 1. */
  readonly dilation?: PerDimension;
  /** Default "NHWC". */
  readonly layout?: Layout;
}

export interface AvgPoolOptions extends PoolOptions {
  /** Divide by the whole window (default) or by the elements in it that are not padding. */
  readonly countIncludePad?: boolean;
}

/** Window maps for the given axes. */
function windowsOver(
  op: string,
  x: Atom,
  axes: readonly number[],
  window: PerDimension,
  options: {
    readonly strides: PerDimension;
    readonly padding: Padding;
    readonly dilation?: PerDimension;
    readonly baseDilation?: PerDimension;
  },
): prims.WindowParams {
  const n = axes.length;
  const sizes = perDimension(op, "window", window, n);
  const steps = perDimension(op, "strides", options.strides, n);
  const gaps = perDimension(op, "dilation", options.dilation ?? 1, n);
  const bases = perDimension(op, "baseDilation", options.baseDilation ?? 1, n);
  const pairs = paddingPairs(op, options.padding, n, (i) => {
    const size = x.aval.shape[axes[i]!]!;
    const span = size === 0 ? 0 : (size - 1) * bases[i]! + 1;
    return samePadding(span, sizes[i]!, steps[i]!, gaps[i]!);
  });
  const dims = axes.map((axis, i) =>
    windowDim(op, x.aval, axis, {
      window: sizes[i]!,
      stride: steps[i]!,
      dilation: gaps[i]!,
      padding: pairs[i]!,
      base: bases[i]!,
    }),
  );
  return { axes, dims };
}

/** Sum over each window; padding counts as 0. */
function windowSum(x: Atom, params: prims.WindowParams): Atom {
  const seen = prims.windows(x, lit(0, x.aval.dtype), params);
  return prims.reduceSum(seen, prims.windowAxes(params));
}

const pool = (
  op: string,
  x: TensorLike,
  window: PerDimension,
  { strides = window, padding = "VALID", dilation = 1, layout = "NHWC" }: PoolOptions,
  prepare: (a: Atom) => Atom,
  f: (a: Atom, params: prims.WindowParams) => Atom,
): Tensor =>
  operation(op, (trace) => {
    const a = prepare(toAtom(x, trace));
    const { spatial } = imageAxes(op, a.aval, layout);
    return tracerOf(
      trace,
      f(a, windowsOver(op, a, spatial, window, { strides, padding, dilation })),
    );
  });

/**
 * Largest element of each window of the spatial dimensions. Padding is never chosen. Of equal elements
 * the first in row-major order is chosen, and it alone has the gradient (as XLA's select-and-scatter
 * and PyTorch); NaN if any element is.
 *
 * @param window Its size: a number for every spatial dimension, or one for each.
 * @throws ShapeError where a window does not fit.
 *
 * ```ts
 * const image = array([[1, 2, 5, 0], [3, 4, 1, 1]]).reshape([1, 2, 4, 1]);
 * await maxPool(image, 2).reshape([2]).toArray(); // [4, 5]
 * ```
 */
export const maxPool = (x: TensorLike, window: PerDimension, options: PoolOptions = {}): Tensor =>
  pool("maxPool", x, window, options, asNumber, (a, params) => prims.windowMax(a, params)[0]);

/**
 * Mean of each window of the spatial dimensions, float32.
 *
 * @throws ShapeError where a window does not fit.
 *
 * ```ts
 * const image = array([[1, 2, 5, 0], [3, 6, 1, 2]]).reshape([1, 2, 4, 1]);
 * await avgPool(image, 2).reshape([2]).toArray(); // [3, 2]
 * ```
 */
export const avgPool = (
  x: TensorLike,
  window: PerDimension,
  options: AvgPoolOptions = {},
): Tensor =>
  pool("avgPool", x, window, options, asFloat, (a, params) => {
    const total = windowSum(a, params);
    const padded = params.dims.some((d, i) => {
      const last = (d.positions - 1) * d.stride + (d.window - 1) * d.dilation - d.lo;
      return d.lo > 0 || last >= a.aval.shape[params.axes[i]!]!;
    });
    if ((options.countIncludePad ?? true) || !padded) {
      const whole = params.dims.reduce((n, d) => n * d.window, 1);
      return prims.div(total, like(total, whole));
    }
    // How many elements each window has: the same for every example and channel.
    const sizes = params.axes.map((axis) => a.aval.shape[axis]!);
    const ones = prims.broadcastInDim(lit(1, "float32"), sizes, []);
    const counts = windowSum(ones, { ...params, axes: params.axes.map((_, i) => i) });
    return prims.div(total, prims.broadcastInDim(counts, total.aval.shape, params.axes));
  });

/**
 * Mean over all spatial dimensions: [batch, ...spatial, channels] to [batch, channels] (or from
 * [batch, channels, ...spatial] in layout "NCHW").
 *
 * ```ts
 * globalAvgPool(ones([8, 7, 7, 32])).shape; // [8, 32]
 * ```
 */
export const globalAvgPool = (
  x: TensorLike,
  { layout = "NHWC" }: { readonly layout?: Layout } = {},
): Tensor =>
  operation("globalAvgPool", (trace) => {
    const a = asFloat(toAtom(x, trace));
    const { spatial } = imageAxes("globalAvgPool", a.aval, layout);
    if (spatial.some((axis) => a.aval.shape[axis] === 0)) {
      throw new ShapeError(`globalAvgPool: ${showAval(a.aval)} has no elements to average`);
    }
    return tracerOf(trace, meanAtom(a, spatial));
  });

export type WindowReduction = "sum" | "max" | "min" | "prod";

export interface ReduceWindowOptions {
  /** Steps of the window. Default 1. */
  readonly strides?: PerDimension;
  /** Default "VALID". Padding has the reduction's neutral value. */
  readonly padding?: Padding;
  /** Steps between the window's elements. Default 1. */
  readonly dilation?: PerDimension;
  /** Steps between the operand's elements. Default 1. */
  readonly baseDilation?: PerDimension;
}

/**
 * A reduction over each place of a window that has a size for every axis (lax.reduce_window).
 *
 * @throws ShapeError where a window does not fit.
 *
 * ```ts
 * await reduceWindow(array([1, 2, 3, 4]), "sum", [2]).toArray(); // [3, 5, 7]
 * await reduceWindow(array([1, 9, 3, 4]), "max", [3], { padding: "SAME" }).toArray(); // [9, 9, 9, 4]
 * ```
 */
export const reduceWindow = (
  x: TensorLike,
  reduction: WindowReduction,
  window: PerDimension,
  options: ReduceWindowOptions = {},
): Tensor =>
  operation("reduceWindow", (trace) => {
    const a = asNumber(toAtom(x, trace));
    const all = a.aval.shape.map((_, axis) => axis);
    const { strides = 1, padding = "VALID", ...rest } = options;
    const every = windowsOver("reduceWindow", a, all, window, { strides, padding, ...rest });
    // Axes whose windows are single elements in place stay as they are.
    const axes = all.filter((axis) => {
      const d = every.dims[axis]!;
      const alone = d.window === 1 && d.stride === 1 && d.base === 1 && d.lo === 0;
      return !(alone && d.positions === a.aval.shape[axis]);
    });
    if (axes.length === 0) return tracerOf(trace, a);
    const params = { axes, dims: axes.map((axis) => every.dims[axis]!) };
    switch (reduction) {
      case "sum":
        return tracerOf(trace, windowSum(a, params));
      case "prod": {
        const seen = prims.windows(a, lit(1, a.aval.dtype), params);
        return tracerOf(trace, prims.reduceProd(seen, prims.windowAxes(params)));
      }
      case "max":
        return tracerOf(trace, prims.windowMax(a, params)[0]);
      case "min":
        return tracerOf(trace, prims.windowMin(a, params)[0]);
      default:
        throw new ShapeError(
          `reduceWindow: reduction ${JSON.stringify(reduction)} is not one of "sum", "max", "min", "prod"`,
        );
    }
  });

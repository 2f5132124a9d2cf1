/** What convolutions and pools share: layouts, options per dimension, padding. */
import { type Aval, showAval } from "../../core/aval.js";
import { DawngradError, ShapeError } from "../../core/errors.js";
import type { WindowDim } from "../../prims/index.js";

/**
 * "NHWC": [batch, ...spatial, channels]; "NCHW": [batch, channels, ...spatial], whatever the number of
 * spatial dimensions.
 */
export type Layout = "NHWC" | "NCHW";

/** One number for all spatial dimensions, or one for each. */
export type PerDimension = number | readonly number[];

/**
 * "SAME": as many places as the input has elements, divided by the stride and rounded up, with the odd
 * element of padding at the end; "VALID": none; a number: on both sides of every dimension; or
 * [before, after] for each dimension.
 */
export type Padding = "SAME" | "VALID" | number | readonly (readonly [number, number])[];

/** What the letters of a layout stand for, for error messages. */
export const layoutText = (layout: Layout): string =>
  layout === "NHWC"
    ? '"NHWC" [batch, ...spatial, channels]'
    : '"NCHW" [batch, channels, ...spatial]';

/** Where an image's axes stand. */
export interface ImageAxes {
  readonly channels: number;
  readonly spatial: readonly number[];
}

export function imageAxes(op: string, x: Aval, layout: Layout): ImageAxes {
  if (layout !== "NHWC" && layout !== "NCHW") {
    throw new DawngradError(
      `${op}: layout ${JSON.stringify(layout)} is not one of "NHWC" (channels last) and "NCHW" ` +
        "(channels first); they hold for any number of spatial dimensions",
    );
  }
  const rank = x.shape.length;
  if (rank < 3) {
    throw new ShapeError(
      `${op}: x is ${showAval(x)}, but layout ${layoutText(layout)} needs at least 3 axes; add the ` +
        "missing ones with reshape or expandDims",
    );
  }
  const first = layout === "NHWC" ? 1 : 2;
  return {
    channels: layout === "NHWC" ? rank - 1 : 1,
    spatial: Array.from({ length: rank - 2 }, (_, i) => first + i),
  };
}

/** One number for each of `n` dimensions, at least `least`. */
export function perDimension(
  op: string,
  what: string,
  value: PerDimension,
  n: number,
  least = 1,
): number[] {
  const list = typeof value === "number" ? new Array<number>(n).fill(value) : [...value];
  if (list.length !== n || list.some((v) => !Number.isInteger(v) || v < least)) {
    throw new ShapeError(
      `${op}: ${what} ${JSON.stringify(value)} must be an integer of at least ${least}, or one for ` +
        `each of the ${n} dimensions`,
    );
  }
  return list;
}

/** Size of a window with its gaps. */
export const extent = (window: number, dilation: number): number => (window - 1) * dilation + 1;

/** [before, after] for each dimension; `same` and `valid` say what the names mean. */
export function paddingPairs(
  op: string,
  padding: Padding,
  n: number,
  same: (i: number) => readonly [number, number],
  valid: (i: number) => readonly [number, number] = () => [0, 0],
): (readonly [number, number])[] {
  const each = Array.from({ length: n }, (_, i) => i);
  if (padding === "SAME") return each.map(same);
  if (padding === "VALID") return each.map(valid);
  if (typeof padding === "number" && Number.isInteger(padding)) {
    return each.map(() => [padding, padding]);
  }
  const sound =
    Array.isArray(padding) &&
    padding.length === n &&
    padding.every((p) => Array.isArray(p) && p.length === 2 && p.every(Number.isInteger));
  if (!sound) {
    throw new ShapeError(
      `${op}: padding ${JSON.stringify(padding)} must be "SAME", "VALID", an integer, or an integer ` +
        `pair [before, after] for each of the ${n} dimensions`,
    );
  }
  return padding as readonly (readonly [number, number])[] as (readonly [number, number])[];
}

/** Padding that gives ceil(size / stride) places. */
export function samePadding(
  size: number,
  window: number,
  stride: number,
  dilation: number,
): [number, number] {
  const places = Math.ceil(size / stride);
  const total = Math.max(0, (places - 1) * stride + extent(window, dilation) - size);
  return [Math.floor(total / 2), total - Math.floor(total / 2)];
}

export interface Slide {
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: readonly [number, number];
  readonly base?: number;
}

/** The map of a window over an axis of `size`, or an error when it does not fit even once. */
export function windowDim(op: string, x: Aval, axis: number, s: Slide): WindowDim {
  const { window, stride, dilation, base = 1 } = s;
  const size = x.shape[axis]!;
  const [lo, hi] = s.padding;
  const span = size === 0 ? 0 : (size - 1) * base + 1;
  const room = lo + span + hi - extent(window, dilation);
  if (room < 0) {
    throw new ShapeError(
      `${op}: a window of ${window}${dilation > 1 ? ` with dilation ${dilation}` : ""} does not fit ` +
        `into axis ${axis} of ${showAval(x)} with padding [${lo},${hi}]; pad more or take a smaller window`,
    );
  }
  return { positions: Math.floor(room / stride) + 1, window, stride, dilation, base, lo };
}

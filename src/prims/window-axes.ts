/** The axes that windows slide over and those of their own. */
import { type Aval, type Shape, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { range, requireAxes } from "./rules.js";
import { requireDims, type WindowDim, windowOf } from "./window-map.js";

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
export const windowStart = ({ axes }: WindowParams): number => axes[axes.length - 1]! + 1;

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

export const withoutWindow = <T>(index: readonly T[], params: WindowParams): T[] => {
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

export const sizesOf = (shape: Shape, axes: readonly number[]): number[] =>
  axes.map((a) => shape[a]!);

/** `index` with the entries at `axes` replaced. */
export const replaced = <T>(index: readonly T[], axes: readonly number[], by: readonly T[]): T[] =>
  index.map((v, a) => (axes.includes(a) ? by[axes.indexOf(a)]! : v));

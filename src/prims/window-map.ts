/**
 * How windows slide over an axis: the one map that windows, convolutions and their derivatives share.
 * Position p and offset k of a window address element (p·stride + k·dilation − lo) / base of an axis:
 * where the division leaves a rest, or the element does not exist, there is padding.
 *
 * The family is closed under what derivatives need: solving for p gives such a map again (stride and
 * base change places, dilation and lo change signs), and so does exchanging p and k.
 */
import { ShapeError } from "../core/errors.js";
import {
  type Idx,
  idxAdd,
  idxDiv,
  idxMod,
  idxScale,
  type ViewExpr,
  viewWithin,
} from "../ir/index-expr.js";

/** One axis of a window map. Negative strides and dilations read backwards. */
export interface WindowDim {
  /** How many places the window takes. */
  readonly positions: number;
  /** How many elements it has. */
  readonly window: number;
  /** Steps between places. */
  readonly stride: number;
  /** Steps between the window's elements. */
  readonly dilation: number;
  /** Steps between elements of the axis (base − 1 padding values are between them). */
  readonly base: number;
  /** Padding before the axis. */
  readonly lo: number;
}

export const positionsOf = (dims: readonly WindowDim[]): number[] => dims.map((d) => d.positions);
export const windowOf = (dims: readonly WindowDim[]): number[] => dims.map((d) => d.window);

/** Steps of an axis of `n` elements, the padding between them included. */
export const spanOf = (n: number, base: number): number => (n === 0 ? 0 : (n - 1) * base + 1);

/** The map from elements of an axis of `size` back to positions. */
export function inverted(d: WindowDim, size: number): WindowDim {
  const sign = Math.sign(d.stride);
  return {
    positions: size,
    window: d.window,
    stride: sign * d.base,
    dilation: -sign * d.dilation,
    base: sign * d.stride,
    lo: 0 - sign * d.lo,
  };
}

/** The same elements with positions and offsets exchanged. */
export const exchanged = (d: WindowDim): WindowDim => ({
  ...d,
  positions: d.window,
  window: d.positions,
  stride: d.dilation,
  dilation: d.stride,
});

/** The steps that position 0 … and offset 0 … reach on the padded axis, relative to its start. */
export function reachOf(d: WindowDim): { readonly least: number; readonly most: number } {
  const p = (d.positions - 1) * d.stride;
  const k = (d.window - 1) * d.dilation;
  return {
    least: Math.min(0, p) + Math.min(0, k) - d.lo,
    most: Math.max(0, p) + Math.max(0, k) - d.lo,
  };
}

/** The element of an axis of `size` at position p and offset k; -1 for padding. */
export function elementOf(d: WindowDim, size: number, p: number, k: number): number {
  const at = p * d.stride + k * d.dilation - d.lo;
  if (at < 0 || at % d.base !== 0 || at / d.base >= size) return -1;
  return at / d.base;
}

/**
 * `inside` at the elements of each axis where they exist, else `outside`. `shape` gives the axes'
 * sizes, `p` and `k` positions and offsets as index expressions.
 */
export function windowView(
  dims: readonly WindowDim[],
  shape: readonly number[],
  p: readonly Idx[],
  k: readonly Idx[],
  inside: (index: readonly Idx[]) => ViewExpr,
  outside: ViewExpr,
): ViewExpr {
  const steps = dims.map((d, i) =>
    idxAdd(idxAdd(idxScale(p[i]!, d.stride), idxScale(k[i]!, d.dilation)), -d.lo),
  );
  let expr = inside(steps.map((e, i) => idxDiv(e, dims[i]!.base)));
  for (const [i, e] of steps.entries()) {
    const { base } = dims[i]!;
    // Within the range first: remainders are taken of what is not negative.
    if (base > 1) expr = viewWithin(idxMod(e, base), 0, 1, expr, outside);
    const span = spanOf(shape[i]!, base);
    if (e.lo < 0 || e.hi >= span) expr = viewWithin(e, 0, span, expr, outside);
  }
  return expr;
}

export function requireDims(op: string, dims: readonly WindowDim[]): void {
  for (const [i, d] of dims.entries()) {
    const whole = [d.positions, d.window, d.stride, d.dilation, d.base, d.lo];
    const sound =
      whole.every(Number.isInteger) &&
      d.positions >= 0 &&
      d.window >= 0 &&
      d.stride !== 0 &&
      d.dilation !== 0 &&
      d.base >= 1;
    if (!sound) {
      throw new ShapeError(
        `${op}: window ${i} has ${d.positions} positions, size ${d.window}, stride ${d.stride}, ` +
          `dilation ${d.dilation}, base dilation ${d.base}, padding ${d.lo}: all must be integers, ` +
          "positions and size >= 0, stride and dilation not 0, base dilation >= 1",
      );
    }
  }
}

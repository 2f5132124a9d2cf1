/** The roles of a convolution's axes. */
import type { Aval } from "../core/aval.js";
import { positionsOf, type WindowDim } from "./window-map.js";

export type Axes = readonly number[];

/** The roles of an operand's axes. */
export interface ConvAxes {
  readonly batch: Axes;
  readonly free: Axes;
  readonly contract: Axes;
  readonly spatial: Axes;
}

export interface ConvParams {
  readonly lhs: ConvAxes;
  readonly rhs: ConvAxes;
  /** Axis i of the result is axis `out[i]` of [batch, free of lhs, spatial, free of rhs]. */
  readonly out: Axes;
  /** One a spatial axis: its window is the right operand's size there. */
  readonly dims: readonly WindowDim[];
}

/** Sizes of some of an operand's axes. */
export const sizesAt = (x: Aval, axes: Axes): number[] => axes.map((a) => x.shape[a]!);

/** Where the groups of the result's axes begin in [batch, free of lhs, spatial, free of rhs]. */
export function sections({ lhs, rhs }: ConvParams) {
  const free = lhs.batch.length;
  const spatial = free + lhs.free.length;
  const other = spatial + lhs.spatial.length;
  return { free, spatial, other, rank: other + rhs.free.length };
}

/** Shape of [batch, free of lhs, spatial, free of rhs]. */
export const canonicalShape = (a: Aval, w: Aval, { lhs, rhs, dims }: ConvParams): number[] => [
  ...sizesAt(a, lhs.batch),
  ...sizesAt(a, lhs.free),
  ...positionsOf(dims),
  ...sizesAt(w, rhs.free),
];

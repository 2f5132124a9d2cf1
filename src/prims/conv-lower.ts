/** Convolutions by other primitives: a product with the windows of the left operand. */
import { type Aval, sizeOf } from "../core/aval.js";
import type { Atom } from "../ir/graph.js";
import { mul } from "./arithmetic.js";
import { broadcastInDim, reduceSum } from "./broadcast.js";
import { type Axes, type ConvParams, sections, sizesAt } from "./conv-axes.js";
import { dotGeneral } from "./dot.js";
import { inversePermutation, transpose } from "./reshape.js";
import { range } from "./rules.js";
import { shearWindows } from "./shear-windows.js";
import { windowAxes, withWindow } from "./window-axes.js";
import { positionsOf, type WindowDim, windowOf } from "./window-map.js";

/**
 * A product of the left operand's windows with the right operand. The windows are a view, zeros where
 * there is padding: nothing is laid out in memory, the matrix templates find their elements.
 */
export function asProduct(a: Atom, w: Atom, params: ConvParams): Atom {
  const { lhs, rhs, out, dims } = params;
  const n = dims.length;
  // Windows take the spatial axes in increasing order.
  const order = range(n).sort((i, j) => lhs.spatial[i]! - lhs.spatial[j]!);
  const spatial = order.map((i) => lhs.spatial[i]!);
  const seen = windowsOf(
    a,
    spatial,
    order.map((i) => dims[i]!),
  );
  const first = spatial[n - 1]! + 1;
  const moved = (axis: number) => (axis < first ? axis : axis + n);
  const taps = range(n).map((i) => first + order.indexOf(i));
  const places = lhs.spatial;
  const pairs = depthOrder(
    taps.map((left, i) => [left, rhs.spatial[i]!] as const),
    lhs.contract.map((left, i) => [moved(left), rhs.contract[i]!] as const),
    params,
  );
  const contract = [pairs.map((p) => p[0]), pairs.map((p) => p[1])] as const;
  const axes = { batch: lhs.batch.map(moved), free: [...lhs.free.map(moved), ...places] };
  if (isThin(seen.aval, w.aval, axes.free, rhs.free, contract[0])) {
    return summed(seen, w, axes, contract, params);
  }
  const product = dotGeneral(seen, w, { contract, batch: [axes.batch, rhs.batch] });
  // dotGeneral leaves free axes in their operands' order.
  const s = sections(params);
  const left = [
    ...lhs.free.map((axis, i) => [moved(axis), s.free + i] as const),
    ...places.map((axis, i) => [axis, s.spatial + i] as const),
  ].sort((p, q) => p[0] - q[0]);
  const right = rhs.free.map((axis, i) => [axis, s.other + i] as const);
  right.sort((p, q) => p[0] - q[0]);
  const have = [...range(s.free), ...left.map((p) => p[1]), ...right.map((p) => p[1])];
  return transpose(
    product,
    out.map((c) => have.indexOf(c)),
  );
}

/** Is the product too narrow for a matrix product (depthwise convolutions, a channel or two)? */
function isThin(seen: Aval, w: Aval, rows: Axes, columns: Axes, depth: Axes): boolean {
  const sizes = [sizesAt(seen, rows), sizesAt(w, columns), sizesAt(seen, depth)];
  return Math.min(...sizes.map(sizeOf)) < 4;
}

/** The same as a sum of products right in the result's order of axes: one reduction. */
function summed(
  seen: Atom,
  w: Atom,
  left: { readonly batch: Axes; readonly free: Axes },
  contract: readonly [left: Axes, right: Axes],
  params: ConvParams,
): Atom {
  const { rhs, out } = params;
  const { other, rank } = sections(params);
  const canonical = [
    ...sizesAt(seen.aval, [...left.batch, ...left.free]),
    ...sizesAt(w.aval, rhs.free),
  ];
  const shape = [...out.map((c) => canonical[c]!), ...sizesAt(seen.aval, contract[0])];
  const place = inversePermutation(out);
  const depth = range(contract[0].length, rank);
  // Each axis of an operand goes to its place in `shape`, in increasing order of places.
  const spread = (x: Atom, axes: Axes, places: Axes): Atom => {
    const order = range(axes.length).sort((i, j) => places[i]! - places[j]!);
    const arranged = transpose(
      x,
      order.map((i) => axes[i]!),
    );
    return broadcastInDim(
      arranged,
      shape,
      order.map((i) => places[i]!),
    );
  };
  const product = mul(
    spread(
      seen,
      [...left.batch, ...left.free, ...contract[0]],
      [...place.slice(0, other), ...depth],
    ),
    spread(
      w,
      [...rhs.batch, ...rhs.free, ...contract[1]],
      [...place.slice(0, rhs.batch.length), ...place.slice(other), ...depth],
    ),
  );
  return depth.length === 0 ? product : reduceSum(product, depth);
}

/** The elements that windows see, [..., positions, window, ...]: zero where there are none. */
function windowsOf(a: Atom, axes: Axes, dims: readonly WindowDim[]): Atom {
  const params = { axes, dims };
  const kept = range(a.aval.shape.length);
  const at = windowAxes(params);
  const full = withWindow(a.aval.shape, params);
  const repeated = broadcastInDim(
    a,
    full,
    kept.map((axis) => (axis < at[0]! ? axis : axis + at.length)),
  );
  return shearWindows(repeated, params);
}

/**
 * The order in which a product contracts. The taps of a small window come first and channels last, so
 * that what a tap decides (is there an element?) holds for all of its channels. A window as large as an
 * image (the gradient of weights) is taken in the right operand's own order.
 */
function depthOrder(
  taps: readonly (readonly [left: number, right: number])[],
  channels: readonly (readonly [left: number, right: number])[],
  { dims }: ConvParams,
): (readonly [left: number, right: number])[] {
  const byRight = (p: readonly [number, number], q: readonly [number, number]) => p[1] - q[1];
  if (sizeOf(windowOf(dims)) > sizeOf(positionsOf(dims)))
    return [...taps, ...channels].sort(byRight);
  return [...taps.toSorted(byRight), ...channels.toSorted(byRight)];
}

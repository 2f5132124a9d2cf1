/** Convolutions by other primitives: a product with the windows of the padded operand. */
import { type Aval, sizeOf } from "../core/aval.js";
import { lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { mul } from "./arithmetic.js";
import { broadcastInDim, reduceSum } from "./broadcast.js";
import { type Axes, type ConvParams, sections, sizesAt } from "./conv-axes.js";
import { dotGeneral } from "./dot.js";
import { inversePermutation, transpose } from "./reshape.js";
import { range } from "./rules.js";
import { pad } from "./slice.js";
import { exchanged, positionsOf, reachOf, spanOf, type WindowDim, windowOf } from "./window-map.js";
import { windows } from "./windows.js";

/**
 * A product of the left operand's windows with the right operand. The padding is a step of its own,
 * so that the windows over it are pure strides. Of the two ways to see the same elements (places with
 * a window, or the window's offsets with places) the one with the smaller window is taken, so that the
 * forward pass and the gradient of its weights look at the same windows.
 */
export function asProduct(a: Atom, w: Atom, params: ConvParams): Atom {
  const { lhs, rhs, out } = params;
  const swap = sizeOf(windowOf(params.dims)) > sizeOf(positionsOf(params.dims));
  const dims = swap ? params.dims.map(exchanged) : params.dims;
  // Windows take the spatial axes in increasing order.
  const order = range(dims.length).sort((i, j) => lhs.spatial[i]! - lhs.spatial[j]!);
  const spatial = order.map((i) => lhs.spatial[i]!);
  const padded = padFor(a, lhs.spatial, dims);
  const seen = windows(padded.atom, lit(0, a.aval.dtype), {
    axes: spatial,
    dims: order.map((i) => padded.dims[i]!),
  });
  const first = spatial[spatial.length - 1]! + 1;
  const moved = (axis: number) => (axis < first ? axis : axis + dims.length);
  const inner = range(dims.length).map((i) => first + order.indexOf(i));
  const [places, taps] = swap ? [inner, lhs.spatial] : [lhs.spatial, inner];
  // Contract in the right operand's own order of axes.
  const pairs = [
    ...taps.map((left, i) => [left, rhs.spatial[i]!] as const),
    ...lhs.contract.map((left, i) => [moved(left), rhs.contract[i]!] as const),
  ].sort((p, q) => p[1] - q[1]);
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

/** The array with its padding (and base dilation) written out, and the windows' map over it. */
function padFor(
  a: Atom,
  axes: Axes,
  dims: readonly WindowDim[],
): { atom: Atom; dims: readonly WindowDim[] } {
  const { shape, dtype } = a.aval;
  const lo = shape.map(() => 0);
  const hi = shape.map(() => 0);
  const interior = shape.map(() => 0);
  const pure = dims.map((d, i) => {
    const axis = axes[i]!;
    const span = spanOf(shape[axis]!, d.base);
    const { least, most } = reachOf(d);
    // Only what is missing is added; what no window reaches stays.
    lo[axis] = Math.max(0, -least);
    hi[axis] = Math.max(0, most - span + 1);
    interior[axis] = d.base - 1;
    return { ...d, base: 1, lo: d.lo - lo[axis]! };
  });
  const none = [...lo, ...hi, ...interior].every((v) => v === 0);
  return { atom: none ? a : pad(a, lit(0, dtype), lo, hi, interior), dims: pure };
}

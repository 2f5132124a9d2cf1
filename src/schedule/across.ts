/**
 * Lanes of a contraction that are computed together: where a consumer reads the same element of every lane
 * (w + ρv and w − ρv, of which an optimizer makes one step), one thread computes the products of all
 * lanes and then the consumer, which needs none of them in memory.
 */
import type { Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxConst, idxScale, idxUnflatten } from "../ir/index-expr.js";
import type { MatrixSizes } from "./contraction.js";

/** Lanes whose sums a thread can keep. */
const mostLanes = 4;

/** The slowest part of one axis of a product counts the lanes. */
export interface ProductLanes {
  readonly count: number;
  readonly axis: "batch" | "m" | "n";
}

/** What is computed at a point of all lanes at once. */
export interface Across extends ProductLanes {
  /** Variables of as many elements as a lane has, in the order of their definitions. */
  readonly vars: readonly Var[];
}

/** Indices into a product. */
export interface MatrixIndex {
  readonly batch: Idx;
  readonly m: Idx;
  readonly n: Idx;
}

/** The sizes of one lane's product. */
export const laneSizes = (whole: MatrixSizes, { count, axis }: ProductLanes): MatrixSizes => ({
  ...whole,
  [axis]: whole[axis] / count,
});

/** The element of the whole product that is element `at` of a lane. */
export const wholeIndex = (
  lane: MatrixSizes,
  { axis }: Pick<ProductLanes, "axis">,
  index: Idx | number,
  at: MatrixIndex,
): MatrixIndex => {
  const which = typeof index === "number" ? idxConst(index) : index;
  return { ...at, [axis]: idxAdd(idxScale(which, lane[axis]), at[axis]) };
};

export const flatIndex = ({ m, n }: MatrixSizes, at: MatrixIndex): Idx =>
  idxAdd(idxScale(idxAdd(idxScale(at.batch, m), at.m), n), at.n);

/** Where the element `at` of each lane lies in the whole product. */
export function lanePositions(lane: MatrixSizes, lanes: ProductLanes, at: MatrixIndex): Idx[] {
  const whole = { ...lane, [lanes.axis]: lane[lanes.axis] * lanes.count };
  return Array.from({ length: lanes.count }, (_, i) =>
    flatIndex(whole, wholeIndex(lane, lanes, i, at)),
  );
}

/** Is all that a consumer reads at its point, by flat positions `reads`, that point of each lane? */
function readsLanes(
  whole: MatrixSizes,
  lanes: ProductLanes,
  point: Idx,
  reads: readonly string[],
): boolean {
  const lane = laneSizes(whole, lanes);
  const [batch, m, n] = idxUnflatten(point, [lane.batch, lane.m, lane.n]) as [Idx, Idx, Idx];
  const own = new Set(lanePositions(lane, lanes, { batch, m, n }).map((e) => e.key));
  return reads.every((key) => own.has(key));
}

/** The lanes that a consumer of `size` points reads at once, if that is all that it reads of a product. */
export function lanesFor(
  whole: MatrixSizes,
  point: Idx,
  size: number,
  reads: readonly string[],
  /** Known for other consumers already. */
  known: ProductLanes | undefined,
): ProductLanes | undefined {
  const count = (whole.batch * whole.m * whole.n) / size;
  if (count < 2 || count > mostLanes || !Number.isInteger(count)) return undefined;
  const candidates = known
    ? [known]
    : (["batch", "n", "m"] as const).map((axis) => ({ count, axis }));
  return candidates.find(
    (lanes) =>
      lanes.count === count &&
      whole[lanes.axis] % count === 0 &&
      readsLanes(whole, lanes, point, reads),
  );
}

/**
 * Products of few rows and columns over a long depth (the gradients of weights) in two stages: products of
 * chunks of the depth, as lanes of one batch, and the sum of those. It gives every thread something to
 * do, and an error that grows with the chunk and not with the depth.
 */
import { sizeOf } from "../core/aval.js";
import { bind } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { reduceSum, reshape } from "../prims/index.js";
import { type ContractParams, contractionDims, matrixSizes } from "./contraction.js";
import type { Target } from "./target.js";

/** Results that one tile computes, about. */
const tileResults = (target: Target): number => (target.software ? 1024 : 4096);
/** Tiles that keep an adapter busy; for CPU drivers few, as a second stage costs them a dispatch. */
const wantedTiles = (target: Target): number => (target.software ? 32 : 64);
/** Fewer terms a chunk are not worth a second stage; more in one go are less accurate than they could be. */
const shortest = 256;
const longest = 16384;

/** Into how many chunks to split a contracted axis of `axis` elements: the divisor nearest to `wanted`. */
function chunksOf(axis: number, wanted: number): number {
  let best = 1;
  for (let c = 2; c <= Math.min(axis, 4 * wanted); c++) {
    if (axis % c === 0 && Math.abs(Math.log(c / wanted)) < Math.abs(Math.log(best / wanted)))
      best = c;
  }
  return best;
}

/** The product in two stages; undefined where one is as good. */
export function splitProduct(
  prim: Primitive,
  a: Atom,
  b: Atom,
  params: ContractParams,
  target: Target,
): Atom | undefined {
  const dims = contractionDims(a.aval.shape, b.aval.shape, params);
  const { batch, m, n, k } = matrixSizes(dims);
  const tiles = batch * Math.ceil((m * n) / tileResults(target));
  const forThreads = Math.min(Math.ceil(wantedTiles(target) / tiles), Math.floor(k / shortest));
  const wanted = Math.max(forThreads, Math.ceil(k / longest));
  if (wanted < 2) return undefined;
  // Chunks of the outermost contracted axis that is long enough.
  const at = dims.contracted.findIndex((size) => size >= wanted);
  if (at < 0) return undefined;
  const chunks = chunksOf(dims.contracted[at]!, wanted);
  if (chunks < 2 || k / chunks < shortest / 4) return undefined;
  const size = dims.contracted[at]! / chunks;
  const split = (x: Atom, side: 0 | 1): Atom => {
    const axis = params.contract[side][at]!;
    const { shape } = x.aval;
    return reshape(x, [...shape.slice(0, axis), chunks, size, ...shape.slice(axis + 1)]);
  };
  const axes = (side: 0 | 1) => {
    const axis = params.contract[side][at]!;
    const moved = (i: number) => (i >= axis ? i + 1 : i);
    return {
      batch: [axis, ...params.batch[side].map(moved)],
      contract: params.contract[side].map(moved),
    };
  };
  const [left, right] = [axes(0), axes(1)];
  const parts = bind(prim, [split(a, 0), split(b, 1)], {
    ...params,
    batch: [left.batch, right.batch],
    contract: [left.contract, right.contract],
  })[0]!;
  const out = reduceSum(parts, [0]);
  return sizeOf(out.aval.shape) === 0 ? undefined : out;
}

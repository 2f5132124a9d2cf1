/** How sort runs on the device: ranks by counting for short lines, a bitonic network for long ones. */
import { sizeOf } from "../core/aval.js";
import { lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { broadcastInDim, constant, reduceSum } from "./broadcast.js";
import { eq, ge, lt } from "./compare.js";
import { iota } from "./concatenate.js";
import { bitcast, convert, isNan } from "./convert.js";
import { and, not, or, xor } from "./logic.js";
import { reshape, reverse } from "./reshape.js";
import { select } from "./select.js";
import { pad, slice } from "./slice.js";

/** Lines up to this length are ranked by counting: two dispatches, but n² comparisons. */
const countingLength = 1024;
/** All comparisons that counting may make; beyond it the network's n·log²n wins in spite of its stages. */
const countingWork = 2 ** 24;

/** Words whose unsigned order is the order of the keys: equal keys give equal words, NaN the last. */
function orderedWords(x: Atom): Atom {
  const { shape, dtype } = x.aval;
  const all = (value: number) => constant(value, shape, "uint32");
  const sign = all(0x80000000);
  switch (dtype) {
    case "uint32":
      return x;
    case "bool":
      return convert(x, "uint32");
    case "int32":
      return xor(bitcast(x, "uint32"), sign);
    case "float32": {
      // One zero; negative numbers in reverse order below positive ones.
      const zero = constant(0, shape, dtype);
      const bits = bitcast(select(eq(x, zero), zero, x), "uint32");
      const ordered = select(ge(bits, sign), not(bits), or(bits, sign));
      return select(isNan(x), all(0xffffffff), ordered);
    }
  }
}

/** The permutation (int32) that sorts each line along the last axis, and its inverse. */
export function sortingPermutation(key: Atom): readonly [permutation: Atom, inverse: Atom] {
  const { shape } = key.aval;
  const n = shape[shape.length - 1]!;
  const rows = sizeOf(shape) / n;
  const counting = n <= countingLength && rows * n * n <= countingWork;
  const lines = reshape(key, [rows, n]);
  const [permutation, inverse] = counting ? sortByCounting(lines) : sortByNetwork(lines);
  return [reshape(permutation, shape), reshape(inverse, shape)];
}

/** For [rows, n]: an element's rank is the number of those before it; ties keep their order. */
export function sortByCounting(key: Atom): [permutation: Atom, inverse: Atom] {
  const words = orderedWords(key);
  const [rows, n] = words.aval.shape as [number, number];
  const cube = [rows, n, n];
  const mine = broadcastInDim(words, cube, [0, 1]);
  const other = broadcastInDim(words, cube, [0, 2]);
  const [i, j] = [iota("int32", cube, 1), iota("int32", cube, 2)];
  const before = or(lt(other, mine), and(eq(other, mine), lt(j, i)));
  const rank = reduceSum(convert(before, "int32"), [2]);
  return [inverted(rank), rank];
}

/** The inverse of permutations of lines: position k holds the j whose value is k. */
function inverted(permutation: Atom): Atom {
  const [rows, n] = permutation.aval.shape as [number, number];
  const cube = [rows, n, n];
  const hit = eq(broadcastInDim(permutation, cube, [0, 2]), iota("int32", cube, 1));
  const j = iota("int32", cube, 2);
  return reduceSum(select(hit, j, constant(0, cube, "int32")), [2]);
}

/**
 * A bitonic network on (word, index), which is a strict total order, so the sort is stable. Every
 * stage compares each element with one partner and is one elementwise expression over two views:
 * log₂n·(log₂n + 1)/2 stages. Padding carries the last word and the last indices.
 */
function network(words: Atom, payload: Atom): [words: Atom, payload: Atom] {
  const [rows, n] = words.aval.shape as [number, number];
  const total = 2 ** Math.ceil(Math.log2(n));
  let word = pad(words, lit(0xffffffff, "uint32"), [0, 0], [0, total - n]);
  let index = pad(payload, lit(0x7fffffff, "int32"), [0, 0], [0, total - n]);
  for (let sorted = 1; sorted < total; sorted *= 2) {
    // Merge sorted runs in pairs: first against the mirrored other run, then at half distances.
    for (let distance = sorted; distance >= 1; distance /= 2) {
      const shape = [(rows * total) / (2 * distance), 2, distance];
      const mirror = distance === sorted ? [1, 2] : [1];
      const [w, x] = [reshape(word, shape), reshape(index, shape)];
      const [w2, x2] = [reverse(w, mirror), reverse(x, mirror)];
      const later = or(lt(w2, w), and(eq(w2, w), lt(x2, x)));
      const upper = eq(iota("int32", shape, 1), constant(1, shape, "int32"));
      const swap = xor(later, upper);
      word = reshape(select(swap, w2, w), [rows, total]);
      index = reshape(select(swap, x2, x), [rows, total]);
    }
  }
  const cut = (x: Atom) => slice(x, [0, 0], [rows, n]);
  return [cut(word), cut(index)];
}

/** For [rows, n]: see `network`. */
export function sortByNetwork(key: Atom): [permutation: Atom, inverse: Atom] {
  const words = orderedWords(key);
  const { shape } = words.aval;
  const positions = iota("int32", shape, 1);
  const [, permutation] = network(words, positions);
  // Sorting the positions by the permutation inverts it.
  const [, inverse] = network(bitcast(permutation, "uint32"), positions);
  return [permutation, inverse];
}

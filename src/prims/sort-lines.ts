/** How sort runs on the device: ranks by counting for short lines, merged blocks for long ones. */
import { sizeOf } from "../core/aval.js";
import { lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { add, sub } from "./arithmetic.js";
import { broadcastInDim, constant, reduceSum } from "./broadcast.js";
import { eq, ge, le, lt } from "./compare.js";
import { iota } from "./concatenate.js";
import { bitcast, convert, isNan } from "./convert.js";
import { gather } from "./gather.js";
import { and, not, or, xor } from "./logic.js";
import { reshape } from "./reshape.js";
import { max, min } from "./rounding.js";
import { select } from "./select.js";
import { pad, slice } from "./slice.js";

/** Longest line that is always ranked by counting; longer lines are merged from blocks so long. */
const blockLength = 256;
/** Counting takes two dispatches but n² comparisons a line: worth it for a few lines up to here. */
const countingLength = 1024;
const countingWork = 2 ** 26;

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
  const counting = n <= blockLength || (n <= countingLength && rows * n * n <= countingWork);
  const lines = reshape(key, [rows, n]);
  const [permutation, inverse] = counting ? sortByCounting(lines) : sortByMerging(lines);
  return [reshape(permutation, shape), reshape(inverse, shape)];
}

/** An element's rank in its line is the number of those before it; ties keep their order. */
function ranks(words: Atom): Atom {
  const [rows, n] = words.aval.shape as [number, number];
  const cube = [rows, n, n];
  const mine = broadcastInDim(words, cube, [0, 1]);
  const other = broadcastInDim(words, cube, [0, 2]);
  const [i, j] = [iota("int32", cube, 1), iota("int32", cube, 2)];
  const before = or(lt(other, mine), and(eq(other, mine), lt(j, i)));
  return reduceSum(convert(before, "int32"), [2]);
}

/** Move the elements of each line to their ranks: sums in which one term is not zero. */
function placeAt(rank: Atom, x: Atom): Atom {
  const [rows, n] = rank.aval.shape as [number, number];
  const cube = [rows, n, n];
  const hit = eq(broadcastInDim(rank, cube, [0, 2]), iota("int32", cube, 1));
  const values = broadcastInDim(x, cube, [0, 2]);
  return reduceSum(select(hit, values, constant(0, cube, x.aval.dtype)), [2]);
}

/** For [rows, n]: n² comparisons a line, two reductions. */
export function sortByCounting(key: Atom): [permutation: Atom, inverse: Atom] {
  const rank = ranks(orderedWords(key));
  return [placeAt(rank, iota("int32", rank.aval.shape, 1)), rank];
}

/** Along lines of [rows, n]: the elements of `x` at `index` of the same shape. */
const lookUp = (x: Atom, index: Atom): Atom => gather(x, index, { axis: 1, batch: 1 });

/** The greatest number that a descent in powers of two adds to `from`, as long as `fits`. */
function descend(from: Atom, most: number, fits: (candidate: Atom) => Atom): Atom {
  let at = from;
  for (let step = 2 ** Math.floor(Math.log2(most)); step >= 1; step /= 2) {
    const candidate = add(at, constant(step, at.aval.shape, "int32"));
    at = select(fits(candidate), candidate, at);
  }
  return at;
}

/**
 * Merge the two sorted halves of each line. Of the first k results, `a` come from the first half:
 * the greatest a such that A[a-1] <= B[k-a], found by descent (the "merge path" of Odeh et al.),
 * so that every result is read from where it was and nothing is scattered. Stable.
 */
function mergeHalves(words: Atom, index: Atom): [words: Atom, index: Atom] {
  const { shape } = words.aval;
  const half = shape[1]! / 2;
  const all = (value: number) => constant(value, shape, "int32");
  const k = iota("int32", shape, 1);
  const end = min(k, all(half));
  // last = a - 1, the last place in A that is taken; its rival in B is k - a.
  const start = sub(max(k, all(half)), all(half + 1));
  const rivals = add(k, all(half - 1));
  const last = descend(start, half, (candidate) =>
    and(lt(candidate, end), le(lookUp(words, candidate), lookUp(words, sub(rivals, candidate)))),
  );
  const a = add(last, all(1));
  const b = sub(add(k, all(half)), a);
  const [wordA, wordB] = [lookUp(words, a), lookUp(words, b)];
  const onlyA = ge(b, all(2 * half));
  const fromA = and(lt(a, all(half)), or(onlyA, le(wordA, wordB)));
  return [select(fromA, wordA, wordB), select(fromA, lookUp(index, a), lookUp(index, b))];
}

/**
 * For [rows, n]: blocks sorted by counting, then merged in pairs, one kernel or two a level. The
 * work is n·(block + log² n) a line. `block` is a power of two.
 */
export function sortByMerging(key: Atom, block = blockLength): [permutation: Atom, inverse: Atom] {
  const [rows, n] = key.aval.shape as [number, number];
  const keys = orderedWords(key);
  const total = block * 2 ** Math.max(0, Math.ceil(Math.log2(n / block)));
  // Padding has the last word and comes after the elements: a stable sort leaves it at the end.
  const padded = pad(keys, lit(0xffffffff, "uint32"), [0, 0], [0, total - n]);
  const blocks = [(rows * total) / block, block];
  const lines = reshape(padded, blocks);
  const rank = ranks(lines);
  let words = placeAt(rank, lines);
  let index = placeAt(rank, reshape(iota("int32", [rows, total], 1), blocks));
  for (let run = block; run < total; run *= 2) {
    const pairs = [(rows * total) / (2 * run), 2 * run];
    [words, index] = mergeHalves(reshape(words, pairs), reshape(index, pairs));
  }
  const cut = (x: Atom) => slice(reshape(x, [rows, total]), [0, 0], [rows, n]);
  const permutation = cut(index);
  return [permutation, placesOf(keys, cut(words), permutation)];
}

/** Where each element went: the number of sorted (word, index) before its own. */
function placesOf(keys: Atom, sorted: Atom, permutation: Atom): Atom {
  const { shape } = keys.aval;
  const n = shape[1]!;
  const own = iota("int32", shape, 1);
  const all = (value: number) => constant(value, shape, "int32");
  const last = descend(all(-1), n, (candidate) => {
    const word = lookUp(sorted, candidate);
    const earlier = lt(lookUp(permutation, candidate), own);
    const before = or(lt(word, keys), and(eq(word, keys), earlier));
    return and(lt(candidate, all(n)), before);
  });
  return add(last, all(1));
}

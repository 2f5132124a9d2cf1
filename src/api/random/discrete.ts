/** Samples of discrete distributions, with the very algorithms of jax.random. */
import {
  broadcastShapes,
  normalizeAxis,
  type Shape,
  shapesEqual,
  showAval,
  showShape,
} from "../../core/aval.js";
import { type DType, integerRange, isInteger } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { currentOp, type Trace, tracerOf } from "../../trace/tracer.js";
import { part } from "../ops/arrange.js";
import { asBool, asFloat, like } from "../ops/atoms.js";
import { broadcastAtom, toAtom } from "../ops/promote.js";
import { sortAtom } from "../ops/sorting.js";
import { gumbelAtom, parameter, sampleShape, unitAtom } from "./continuous.js";
import { bitsAtom, keyWords, splitWords } from "./key.js";

/**
 * True with probability p (jax.random.bernoulli).
 *
 * ```ts
 * await random.bernoulli(random.key(0), 1, [2]).toArray(); // [true, true]
 * ```
 */
export const bernoulli = (k: Tensor, p: TensorLike = 0.5, shape?: Shape): Tensor =>
  operation("random.bernoulli", (trace) => {
    const out = sampleShape(shape, p);
    return tracerOf(trace, prims.lt(unitAtom(keyWords(k, trace), out), parameter(p, out, trace)));
  });

/**
 * -1 or 1, each with probability ½ (jax.random.rademacher); int32 unless `dtype` says otherwise.
 *
 * ```ts
 * const x = await random.rademacher(random.key(0), [8]).data();
 * x.every((v) => v === 1 || v === -1); // true
 * ```
 */
export const rademacher = (
  k: Tensor,
  shape: Shape = [],
  options: { readonly dtype?: "int32" | "float32" } = {},
): Tensor =>
  operation("random.rademacher", (trace) => {
    const dtype = options.dtype ?? "int32";
    const u = unitAtom(keyWords(k, trace), shape);
    const one = prims.broadcastInDim(lit(1, dtype), shape, []);
    return tracerOf(trace, prims.select(prims.lt(u, like(u, 0.5)), one, prims.neg(one)));
  });

export interface RandintOptions {
  /** int32 (default) or uint32. */
  readonly dtype?: "int32" | "uint32";
}

interface Bound {
  readonly value: Atom;
  /** Whether the bound was above the dtype's largest value. */
  readonly above: Atom;
}

/** A bound of the range as an integer of the dtype, clipped to its range. */
function bound(x: TensorLike, dtype: DType, shape: Shape, trace: Trace): Bound {
  const [lo, hi] = integerRange(dtype);
  if (!isTensor(x)) {
    const v = Number(x);
    if (!Number.isInteger(v)) {
      throw new DtypeError(`${currentOp()}: the bound ${v} must be a whole number`);
    }
    const flag = prims.broadcastInDim(lit(v > hi ? 1 : 0, "bool"), shape, []);
    const clipped = lit(Math.min(Math.max(v, lo), hi), dtype);
    return { value: prims.broadcastInDim(clipped, shape, []), above: flag };
  }
  if (!isInteger(x.dtype)) {
    throw new DtypeError(
      `${currentOp()}: bounds must be integers, not ${showAval(x.aval)}; convert with astype("int32")`,
    );
  }
  const a = broadcastAtom(toAtom(x, trace), shape);
  const never = asBool(like(a, 0));
  if (a.aval.dtype === dtype) return { value: a, above: never };
  if (dtype === "uint32") {
    return { value: prims.convert(prims.max(a, like(a, 0)), dtype), above: never };
  }
  const top = like(a, hi);
  return { value: prims.convert(prims.min(a, top), dtype), above: prims.gt(a, top) };
}

/** Integers in [minval, maxval): 64 random bits modulo the span. */
function randintAtom(
  words: readonly [Atom, Atom],
  shape: Shape,
  minval: Bound,
  maxval: Bound,
  dtype: DType,
): Atom {
  const [first, second] = splitWords(words, 2) as [[Atom, Atom], [Atom, Atom]];
  const [higher, lower] = [bitsAtom(first, shape), bitsAtom(second, shape)];
  const one = like(higher, 1);
  const empty = prims.le(maxval.value, minval.value);
  const width = prims.convert(prims.sub(maxval.value, minval.value), "uint32");
  const full = prims.and(maxval.above, prims.not(empty));
  const wide = prims.select(full, prims.add(width, one), width);
  const span = prims.select(empty, one, wide);
  // 2^32 mod span, from 2^16 mod span, in 32 bits.
  const root = prims.rem(like(span, 2 ** 16), span);
  const multiplier = prims.rem(prims.mul(root, root), span);
  const sum = prims.add(prims.mul(prims.rem(higher, span), multiplier), prims.rem(lower, span));
  return prims.add(minval.value, prims.convert(prims.rem(sum, span), dtype));
}

/**
 * Integers in [minval, maxval) (jax.random.randint); minval where the range is empty.
 *
 * ```ts
 * const x = await random.randint(random.key(0), [8], 0, 10).data();
 * x.every((v) => v >= 0 && v < 10); // true
 * ```
 */
export const randint = (
  k: Tensor,
  shape: Shape,
  minval: TensorLike,
  maxval: TensorLike,
  options: RandintOptions = {},
): Tensor =>
  operation("random.randint", (trace) => {
    const dtype = options.dtype ?? "int32";
    const out = sampleShape(shape, minval, maxval);
    const [lo, hi] = [bound(minval, dtype, out, trace), bound(maxval, dtype, out, trace)];
    return tracerOf(trace, randintAtom(keyWords(k, trace), out, lo, hi, dtype));
  });

export interface CategoricalOptions {
  /** The axis of the categories. Default -1. */
  readonly axis?: number;
  /** Shape of the samples; what it has beyond the logits' other axes leads. */
  readonly shape?: Shape;
}

/**
 * Positions drawn with probabilities softmax(logits) (jax.random.categorical), int32, by the Gumbel
 * trick.
 *
 * ```ts
 * await random.categorical(random.key(0), array([-1e9, 0, -1e9])).item(); // 1
 * ```
 */
export const categorical = (k: Tensor, logits: Tensor, options: CategoricalOptions = {}): Tensor =>
  operation("random.categorical", (trace) => {
    const a = asFloat(toAtom(logits, trace));
    const dims = a.aval.shape;
    const axis = normalizeAxis("random.categorical", options.axis ?? -1, dims.length);
    const batch = dims.filter((_, d) => d !== axis);
    const shape = options.shape ?? batch;
    const tail = shape.slice(Math.max(0, shape.length - batch.length));
    if (
      shape.length < batch.length ||
      !shapesEqual(broadcastShapes(currentOp(), tail, batch), tail)
    ) {
      throw new ShapeError(
        `random.categorical: samples of shape ${showShape(shape)} do not end in ${showShape(batch)}, ` +
          `the axes of ${showAval(a.aval)} beside axis ${axis}`,
      );
    }
    const lead = shape.slice(0, shape.length - batch.length);
    const full = [...lead, ...tail.slice(0, axis), dims[axis]!, ...tail.slice(axis)];
    const noise = gumbelAtom(keyWords(k, trace), full);
    return tracerOf(
      trace,
      prims.argmax(prims.add(noise, broadcastAtom(a, full)), lead.length + axis),
    );
  });

/** Sorted by fresh random words, several times, until collisions of words cannot matter. */
function shuffled(words: readonly [Atom, Atom], x: Atom, axis: number): Atom {
  const size = x.aval.shape.reduce((n, s) => n * s, 1);
  const rounds = Math.ceil((3 * Math.log(Math.max(1, size))) / Math.log(2 ** 32 - 1));
  let state = words;
  let out = x;
  for (let r = 0; r < rounds; r++) {
    const [next, sub] = splitWords(state, 2) as [[Atom, Atom], [Atom, Atom]];
    out = prims.sort([bitsAtom(sub, x.aval.shape), out], axis)[1]!;
    state = next;
  }
  return out;
}

export interface PermutationOptions {
  /** The axis to permute. Default 0. */
  readonly axis?: number;
  /** Permute each line along the axis for itself. */
  readonly independent?: boolean;
}

function permuted(
  words: readonly [Atom, Atom],
  x: number | Atom,
  axis: number,
  independent: boolean,
): Atom {
  if (typeof x === "number") return shuffled(words, prims.iota("int32", [x], 0), 0);
  if (independent || x.aval.shape.length === 1) return shuffled(words, x, axis);
  const order = shuffled(words, prims.iota("int32", [x.aval.shape[axis]!], 0), 0);
  return prims.gather(x, order, { axis, batch: 0 });
}

/** A population: a count, or a tensor with at least one axis. */
function population(x: number | Tensor, trace: Trace): number | Atom {
  if (isTensor(x)) {
    if (x.ndim > 0) return toAtom(x, trace);
    throw new ShapeError(
      `${currentOp()}: ${showAval(x.aval)} has no axis; give a number or an array`,
    );
  }
  if (!Number.isInteger(x) || x < 0) {
    throw new ShapeError(`${currentOp()}: ${x} must be a non-negative whole number`);
  }
  return x;
}

/**
 * A random order of 0 … n-1, or of a tensor's entries along an axis (jax.random.permutation).
 *
 * ```ts
 * const order = await random.permutation(random.key(0), 8).data();
 * [...order].sort(); // [0, 1, 2, 3, 4, 5, 6, 7]
 * ```
 */
export const permutation = (
  k: Tensor,
  x: number | Tensor,
  options: PermutationOptions = {},
): Tensor =>
  operation("random.permutation", (trace) => {
    const from = population(x, trace);
    const rank = typeof from === "number" ? 1 : from.aval.shape.length;
    const axis = normalizeAxis("random.permutation", options.axis ?? 0, rank);
    return tracerOf(trace, permuted(keyWords(k, trace), from, axis, options.independent ?? false));
  });

export interface ChoiceOptions {
  /** Whether an element may be drawn again. Default true. */
  readonly replace?: boolean;
  /** Probabilities, one for each element; uniform by default. */
  readonly p?: Tensor;
  /** The axis whose entries are drawn. Default 0. */
  readonly axis?: number;
}

/**
 * A random sample of 0 … n-1, or of a tensor's entries along an axis (jax.random.choice).
 *
 * ```ts
 * const x = await random.choice(random.key(0), 5, [3], { replace: false }).data();
 * new Set(x).size; // 3
 * ```
 */
export const choice = (
  k: Tensor,
  a: number | Tensor,
  shape: Shape = [],
  options: ChoiceOptions = {},
): Tensor =>
  operation("random.choice", (trace) => {
    const { replace = true, p } = options;
    const from = population(a, trace);
    const rank = typeof from === "number" ? 1 : from.aval.shape.length;
    const axis = normalizeAxis("random.choice", options.axis ?? 0, rank);
    const n = typeof from === "number" ? from : from.aval.shape[axis]!;
    const draws = shape.reduce((m, s) => m * s, 1);
    if (draws > 0 && n === 0) {
      throw new ShapeError("random.choice: there is nothing to draw from");
    }
    if (!replace && draws > n) {
      throw new ShapeError(
        `random.choice: cannot draw ${draws} of ${n} without replacement; draw fewer, or replace`,
      );
    }
    const words = keyWords(k, trace);
    const pick = (order: Atom): Atom =>
      typeof from === "number" ? order : prims.gather(from, order, { axis, batch: 0 });
    if (!p && !replace) {
      // As JAX: the first entries of a permutation of the whole.
      const whole = permuted(words, from, axis, false);
      const first = part(whole, axis, 0, draws);
      const dims = first.aval.shape;
      const out = [...dims.slice(0, axis), ...shape, ...dims.slice(axis + 1)];
      return tracerOf(trace, prims.reshape(first, out));
    }
    if (!p) {
      const limit = (v: number): Bound => ({
        value: prims.broadcastInDim(lit(v, "int32"), shape, []),
        above: prims.broadcastInDim(lit(0, "bool"), shape, []),
      });
      return tracerOf(trace, pick(randintAtom(words, shape, limit(0), limit(n), "int32")));
    }
    const weights = asFloat(toAtom(p, trace));
    if (!shapesEqual(weights.aval.shape, [n])) {
      throw new ShapeError(
        `random.choice: p ${showAval(weights.aval)} must have one probability for each of the ${n} elements`,
      );
    }
    if (replace) return tracerOf(trace, pick(weighted(words, weights, shape)));
    const scores = prims.add(gumbelAtom(words, [n]), prims.log(weights));
    const order = part(sortAtom(scores, 0, true).order, 0, 0, draws);
    return tracerOf(trace, pick(prims.reshape(order, shape)));
  });

/** Positions in the running total of the weights where uniform numbers fall. */
function weighted(words: readonly [Atom, Atom], weights: Atom, shape: Shape): Atom {
  const total = prims.cumsum(weights, 0);
  const n = weights.aval.shape[0]!;
  const end = prims.reshape(part(total, 0, n - 1, n), []);
  const u = unitAtom(words, shape);
  const r = prims.mul(prims.broadcastInDim(end, shape, []), prims.sub(like(u, 1), u));
  const wide = [...shape, n];
  const below = prims.lt(
    prims.broadcastInDim(total, wide, [shape.length]),
    prims.broadcastInDim(r, wide, [...shape.keys()]),
  );
  return prims.reduceSum(prims.convert(below, "int32"), [shape.length]);
}

/** Keys of the counter-based generator, and the random bits that they give. */
import { aval, checkShape, type Shape, shapesEqual, showAval, sizeOf } from "../../core/aval.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { currentOp, type Trace, tracerOf } from "../../trace/tracer.js";
import { hostTensor } from "../concrete.js";
import { part } from "../ops/arrange.js";
import { toAtom } from "../ops/promote.js";

/**
 * A key from an integer seed (jax.random.key, as raw data: uint32[2]). The seed counts modulo 2^32, as
 * in JAX without 64-bit types; negative seeds are fine. An integer tensor is a seed, too.
 *
 * Use a key once: derive others with `split` or `foldIn`.
 *
 * @throws DtypeError for NaN, fractions and numbers beyond 2^53.
 *
 * ```ts
 * await random.key(42).toArray(); // [0, 42]
 * await random.uniform(random.key(0)).item(); // 0.947667
 * ```
 */
export function key(seed: number | Tensor): Tensor {
  if (typeof seed === "number") {
    if (!Number.isSafeInteger(seed)) {
      throw new DtypeError(
        `random.key: the seed ${seed} must be an integer that a number holds exactly; give a whole number`,
      );
    }
    // The low word of the two's complement.
    const low = Number(BigInt.asUintN(32, BigInt(seed)));
    return hostTensor(aval([2], "uint32"), Uint32Array.of(0, low));
  }
  return operation("random.key", (trace) => {
    const low = integerScalar(seed, trace, "seed");
    const words = [lit(0, "uint32"), low].map((w) => prims.reshape(w, [1]));
    return tracerOf(trace, prims.concatenate(words, 0));
  });
}

/** An integer scalar as one uint32 word. */
function integerScalar(x: TensorLike, trace: Trace, what: string): Atom {
  if (!isTensor(x)) {
    if (!Number.isSafeInteger(x)) {
      throw new DtypeError(`${currentOp()}: the ${what} ${String(x)} must be an integer`);
    }
    return lit(Number(BigInt.asUintN(32, BigInt(x as number))), "uint32");
  }
  if (x.dtype !== "int32" && x.dtype !== "uint32") {
    const hint = x.weak
      ? 'a number that is traced is a float: pass array(n, { dtype: "uint32" }), or make it static'
      : 'convert it with astype("uint32")';
    throw new DtypeError(
      `${currentOp()}: the ${what} must be an integer, not ${showAval(x.aval)}; ${hint}`,
    );
  }
  if (x.ndim > 0) {
    throw new ShapeError(
      `${currentOp()}: the ${what} must be a scalar, not ${showAval(x.aval)}; use vmap for several`,
    );
  }
  return toAtom(x, trace, "uint32");
}

/** The two words of a key as scalars, or an error that says what a key is. */
export function keyWords(k: Tensor, trace: Trace): [Atom, Atom] {
  if (!isTensor(k) || k.dtype !== "uint32" || !shapesEqual(k.shape, [2])) {
    const shown = isTensor(k) ? showAval(k.aval) : String(k);
    const several =
      isTensor(k) && k.dtype === "uint32" && k.shape.at(-1) === 2
        ? "these are several keys: take one, or use vmap"
        : "make one with random.key(seed)";
    throw new DtypeError(`${currentOp()}: a key is a uint32[2], not ${shown}; ${several}`);
  }
  const a = toAtom(k, trace);
  const word = (i: number) => prims.reshape(part(a, 0, i, i + 1), []);
  return [word(0), word(1)];
}

/** Threefry of the counters 0, 1, 2, … in row-major order of a shape. */
function countedWords(words: readonly [Atom, Atom], shape: Shape): readonly [Atom, Atom] {
  const size = sizeOf(shape);
  if (size >= 2 ** 32) {
    throw new ShapeError(`${currentOp()}: ${size} elements are more than one counter word gives`);
  }
  const wide = (a: Atom): Atom => prims.broadcastInDim(a, shape, []);
  const count =
    shape.length === 0 ? lit(0, "uint32") : prims.reshape(prims.iota("uint32", [size], 0), shape);
  return prims.threefry2x32(wide(words[0]), wide(words[1]), wide(lit(0, "uint32")), count);
}

/** Random bits, 32 for each element. */
export function bitsAtom(words: readonly [Atom, Atom], shape: Shape): Atom {
  checkShape(currentOp(), shape);
  const [a, b] = countedWords(words, shape);
  return prims.xor(a, b);
}

/** `n` keys as pairs of words. */
export function splitWords(words: readonly [Atom, Atom], n: number): [Atom, Atom][] {
  const [a, b] = countedWords(words, [n]);
  const at = (v: Atom, i: number) => prims.reshape(part(v, 0, i, i + 1), []);
  return Array.from({ length: n }, (_, i) => [at(a, i), at(b, i)]);
}

/**
 * Independent new keys (jax.random.split): `num` of them, or a shape of them; the result is
 * uint32[num, 2] and can be taken apart like a list.
 *
 * ```ts
 * const [next, subkey] = random.split(random.key(0));
 * await random.uniform(subkey!).item(); // 0.00729382
 * ```
 */
export const split = (k: Tensor, num: number | Shape = 2): Tensor =>
  operation("random.split", (trace) => {
    const shape = typeof num === "number" ? [num] : num;
    checkShape("random.split", shape);
    const [a, b] = countedWords(keyWords(k, trace), shape);
    const pair = [a, b].map((v) => prims.reshape(v, [...shape, 1]));
    return tracerOf(trace, prims.concatenate(pair, shape.length));
  });

/**
 * A new key from a key and an integer, such as a step number (jax.random.fold_in).
 *
 * ```ts
 * await random.foldIn(random.key(0), 1).toArray(); // [928981903, 3453687069]
 * ```
 */
export const foldIn = (k: Tensor, data: TensorLike): Tensor =>
  operation("random.foldIn", (trace) => {
    const [k0, k1] = keyWords(k, trace);
    const low = integerScalar(data, trace, "data");
    const out = prims.threefry2x32(k0, k1, lit(0, "uint32"), low);
    return tracerOf(
      trace,
      prims.concatenate(
        out.map((w) => prims.reshape(w, [1])),
        0,
      ),
    );
  });

/**
 * Uniform random bits, uint32 (jax.random.bits).
 *
 * ```ts
 * (await random.bits(random.key(0), [2]).data()).length; // 2
 * ```
 */
export const bits = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.bits", (trace) => tracerOf(trace, bitsAtom(keyWords(k, trace), shape)));

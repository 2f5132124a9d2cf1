/**
 * Random numbers on the host for loading data: the same counter-based generator as `random` on the
 * device (threefry2x32, partitionable), so that orders agree bit for bit with
 * `random.permutation`, need no device, and give worker threads what they need: a key is two words.
 * (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; jax.random.)
 */
import { DataError } from "../src/index.js";

/** Two 32-bit words. */
export type HostKey = readonly [number, number];

/** A seed, a host key, or a key of `random` (a uint32[2] tensor, which is read back once). */
export type KeyLike = number | HostKey | Uint32Array | { data(): Promise<ArrayLike<number>> };

/** The two words of the last block: tens of thousands of blocks make an order, without garbage. */
const block = new Uint32Array(2);

/** One block of threefry2x32 with 20 rounds, left in `block`. */
function cipher(key: HostKey, x0: number, x1: number): void {
  const k0 = key[0] | 0;
  const k1 = key[1] | 0;
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  let a = (x0 + k0) | 0;
  let b = (x1 + k1) | 0;
  // Five groups of four rounds; the key words that are injected after each turn by one.
  let [now, next, last] = [k1, k2, k0];
  for (let group = 1; group <= 5; group++) {
    const odd = (group & 1) === 1;
    a = (a + b) | 0;
    b = rotate(b, odd ? 13 : 17) ^ a;
    a = (a + b) | 0;
    b = rotate(b, odd ? 15 : 29) ^ a;
    a = (a + b) | 0;
    b = rotate(b, odd ? 26 : 16) ^ a;
    a = (a + b) | 0;
    b = rotate(b, odd ? 6 : 24) ^ a;
    a = (a + now) | 0;
    b = (b + next + group) | 0;
    const first = now;
    now = next;
    next = last;
    last = first;
  }
  block[0] = a;
  block[1] = b;
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** One block of threefry2x32 with 20 rounds: two words in, two words out. */
export function threefry2x32(key: HostKey, x0: number, x1: number): [number, number] {
  cipher(key, x0, x1);
  return [block[0]!, block[1]!];
}

/** The key of a seed in [0, 2^32), as `random.key(seed)`. */
export function hostKey(seed: number): HostKey {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new DataError(`key: expected a seed that is an integer in [0, 2^32), found ${seed}`);
  }
  return [0, seed];
}

/** A new key from a key and a number, as `random.foldIn(key, data)`. */
export const hostFoldIn = (key: HostKey, data: number): HostKey => threefry2x32(key, 0, data);

/** `count` independent keys, as `random.split(key, count)`. */
export const hostSplit = (key: HostKey, count = 2): HostKey[] =>
  Array.from({ length: count }, (_, i) => threefry2x32(key, 0, i));

/** `count` words of random bits, as `random.bits(key, [count])`; count < 2^32. */
export function hostBits(key: HostKey, count: number): Uint32Array {
  const out = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    cipher(key, 0, i);
    out[i] = block[0]! ^ block[1]!;
  }
  return out;
}

/** `count` numbers in [0, 1) with 23 random bits each, as `random.uniform(key, [count])`. */
export const hostUniform = (key: HostKey, count: number): Float32Array =>
  Float32Array.from(hostBits(key, count), (bits) => (bits >>> 9) / 2 ** 23);

/**
 * A permutation of 0 … n-1, as `random.permutation(key, n)`: rounds of a stable sort by random
 * words, as many as make ties harmless (jax.random.permutation).
 */
export function hostPermutation(key: HostKey, n: number): Int32Array {
  let order = new Int32Array(n).map((_, i) => i);
  const rounds = Math.ceil((3 * Math.log(Math.max(1, n))) / Math.log(0xffffffff));
  let next = key;
  for (let round = 0; round < rounds; round++) {
    const [carry, now] = hostSplit(next) as [HostKey, HostKey];
    next = carry;
    const old = order;
    order = stableArgsort(hostBits(now, n)).map((i) => old[i]!);
  }
  return order;
}

/** Positions in the order of their words, equal words in the order of their positions. */
function stableArgsort(words: Uint32Array): Int32Array {
  const order = new Int32Array(words.length);
  // Word and position in one double, which is exact below 2^53, and sorts without a callback.
  const span = 2 ** 21;
  if (words.length <= span) {
    const packed = new Float64Array(words.length);
    for (let i = 0; i < packed.length; i++) packed[i] = words[i]! * span + i;
    packed.sort();
    for (let i = 0; i < order.length; i++) order[i] = packed[i]! % span;
    return order;
  }
  return order.map((_, i) => i).sort((i, j) => words[i]! - words[j]! || i - j);
}

/**
 * The two words of any kind of key. What cannot be a key throws at once; a tensor is read back.
 * `name` is that of the option or argument, for the error.
 */
export function readKey(key: KeyLike, name = "key"): Promise<HostKey> {
  if (typeof key === "number") return Promise.resolve(hostKey(key));
  if (typeof key !== "object" || key === null) {
    throw new DataError(
      `${name}: expected a seed or a key (random.key(seed)), found ${String(key)} (a ${typeof key})`,
    );
  }
  return wordsOf(key, name);
}

async function wordsOf(key: Exclude<KeyLike, number>, name: string): Promise<HostKey> {
  const words = "data" in key ? await key.data() : key;
  const [a, b] = Array.from(words);
  if (words.length !== 2 || a === undefined || b === undefined) {
    throw new DataError(
      `${name}: expected a key of two uint32 words (random.key(seed)), found ${words.length} values`,
    );
  }
  return [a >>> 0, b >>> 0];
}

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

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** One block of threefry2x32 with 20 rounds: two words in, two words out. */
export function threefry2x32(key: HostKey, x0: number, x1: number): [number, number] {
  const schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bda] as const;
  let a = (x0 + schedule[0]) | 0;
  let b = (x1 + schedule[1]) | 0;
  for (let group = 0; group < 5; group++) {
    for (const r of rotations[group % 2 === 0 ? 0 : 1]) {
      a = (a + b) | 0;
      b = ((b << r) | (b >>> (32 - r))) ^ a;
    }
    a = (a + schedule[(group + 1) % 3]!) | 0;
    b = (b + schedule[(group + 2) % 3]! + group + 1) | 0;
  }
  return [a >>> 0, b >>> 0];
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
    const [a, b] = threefry2x32(key, 0, i);
    out[i] = a ^ b;
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
  let order = Int32Array.from({ length: n }, (_, i) => i);
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
  // Word and position in one double, which is exact below 2^53, and sorts without a callback.
  const span = 2 ** 21;
  if (words.length <= span) {
    const packed = Float64Array.from(words, (word, i) => word * span + i).sort();
    return Int32Array.from(packed, (x) => x % span);
  }
  return Int32Array.from({ length: words.length }, (_, i) => i).sort(
    (i, j) => words[i]! - words[j]! || i - j,
  );
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

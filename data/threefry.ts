/**
 * The counter-based generator of `random` on the host: threefry2x32, partitionable. Imports nothing:
 * worker threads load it. (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.)
 */

/** Two 32-bit words. */
export type HostKey = readonly [number, number];

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

/**
 * Random numbers on the host for loading data: the same counter-based generator as `random` on the
 * device (threefry2x32, partitionable), so that orders agree bit for bit with
 * `random.permutation`, need no device, and give worker threads what they need: a key is two words.
 * (jax.random.)
 */
import { DataError } from "../src/index.js";
import type { HostKey } from "./threefry.js";

export {
  type HostKey,
  hostBits,
  hostFoldIn,
  hostPermutation,
  hostSplit,
  hostUniform,
  threefry2x32,
} from "./threefry.js";

/** A seed, a host key, or a key of `random` (a uint32[2] tensor, which is read back once). */
export type KeyLike = number | HostKey | Uint32Array | { data(): Promise<ArrayLike<number>> };

/** The key of a seed in [0, 2^32), as `random.key(seed)`. */
export function hostKey(seed: number): HostKey {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new DataError(`key: expected a seed that is an integer in [0, 2^32), found ${seed}`);
  }
  return [0, seed];
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

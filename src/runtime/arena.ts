/**
 * The buffers that all programs share for their intermediates. The queue runs in order, so one
 * program may overwrite what the one before left there without waiting for it.
 */
import type { Gpu } from "../device/index.js";

export class Arena {
  readonly #gpu: Gpu;
  readonly #chunks: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** A buffer of at least `bytes` for chunk number `index`. A larger need replaces it. */
  chunk(index: number, bytes: number, label: string): GPUBuffer {
    const have = this.#chunks[index];
    if (have && have.size >= bytes) return have;
    // Commands that use the old one are submitted already: it may go back to the pool.
    const buffer = this.#gpu.pool.acquire(bytes, `${label}: intermediates`);
    if (have) this.#gpu.pool.release(have);
    this.#chunks[index] = buffer;
    return buffer;
  }

  get bytes(): number {
    return this.#chunks.reduce((sum, b) => sum + b.size, 0);
  }
}

const arenas = new WeakMap<Gpu, Arena>();

export function arenaOf(gpu: Gpu): Arena {
  let arena = arenas.get(gpu);
  if (!arena) {
    arena = new Arena(gpu);
    arenas.set(gpu, arena);
  }
  return arena;
}

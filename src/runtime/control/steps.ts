/** The indices of loops' rounds: a uniform buffer whose entry i holds i, addressed by a dynamic offset. */
import type { Gpu } from "../../device/index.js";

/** Entries of the buffer that all programs share: loops of up to so many rounds find theirs there. */
const shared = 65536;
/** Entries of the buffer of a longer loop, which is written again whenever it has been gone through. */
const window = 4096;

export interface StepBuffer {
  readonly buffer: GPUBuffer;
  /** Bytes from one entry to the next. */
  readonly stride: number;
  readonly entries: number;
}

/** How many rounds follow each other before the buffer is written again, where loops are that long. */
export const windowOf = (rounds: number): number | undefined =>
  rounds > shared ? window : undefined;

const strideOf = (gpu: Gpu): number =>
  Math.max(16, gpu.limits.minUniformBufferOffsetAlignment || 256);

/** The words of entries that hold `from`, `from` + 1, … */
export function stepWords({ stride, entries }: StepBuffer, from: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array((entries * stride) / 4);
  for (let i = 0; i < entries; i++) words[(i * stride) / 4] = from + i;
  return words;
}

const buffers = new WeakMap<Gpu, StepBuffer>();

function sharedSteps(gpu: Gpu, rounds: number): StepBuffer {
  const have = buffers.get(gpu);
  if (have && have.entries >= rounds) return have;
  const stride = strideOf(gpu);
  let entries = 256;
  while (entries < rounds) entries *= 2;
  const buffer = gpu.pool.acquire(entries * stride, "steps of loops");
  const made = { buffer, stride, entries };
  gpu.write(buffer, 0, stepWords(made, 0));
  // Commands that use the old one are submitted already.
  if (have) gpu.pool.release(have.buffer);
  buffers.set(gpu, made);
  return made;
}

/**
 * The buffers for loops at each depth, of which `rounds` are the longest. `borrow` gives memory for the
 * time of a run.
 */
export function stepsOf(
  gpu: Gpu,
  rounds: readonly number[],
  borrow: (bytes: number, what: string) => GPUBuffer,
): readonly StepBuffer[] {
  if (rounds.length === 0) return [];
  const common = sharedSteps(gpu, Math.max(0, ...rounds.filter((n) => n <= shared)));
  return rounds.map((n): StepBuffer => {
    if (n <= shared) return common;
    const stride = strideOf(gpu);
    return { buffer: borrow(window * stride, "steps of a loop"), stride, entries: window };
  });
}

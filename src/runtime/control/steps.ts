/** The indices of loops' rounds: one uniform buffer, entry i holds i, addressed by a dynamic offset. */
import { DeviceError } from "../../core/errors.js";
import type { Gpu } from "../../device/index.js";

/** Rounds of one loop: more would take a buffer of their own size for nothing but counting. */
export const mostRounds = 65536;

export interface StepBuffer {
  readonly buffer: GPUBuffer;
  /** Bytes from one entry to the next. */
  readonly stride: number;
}

const buffers = new WeakMap<Gpu, StepBuffer & { readonly entries: number }>();

export function stepsOf(gpu: Gpu, rounds: number, label: string): StepBuffer {
  if (rounds > mostRounds) {
    throw new DeviceError(
      `${label}: a loop of ${rounds} steps; the longest is ${mostRounds}. Make it a loop within a loop.`,
    );
  }
  const have = buffers.get(gpu);
  if (have && have.entries >= rounds) return have;
  const stride = Math.max(16, gpu.limits.minUniformBufferOffsetAlignment || 256);
  let entries = 256;
  while (entries < rounds) entries *= 2;
  const buffer = gpu.pool.acquire(entries * stride, "steps of loops");
  const data = new Uint32Array((entries * stride) / 4);
  for (let i = 0; i < entries; i++) data[(i * stride) / 4] = i;
  gpu.write(buffer, 0, data);
  // Commands that use the old one are submitted already.
  if (have) gpu.pool.release(have.buffer);
  const made = { buffer, stride, entries };
  buffers.set(gpu, made);
  return made;
}

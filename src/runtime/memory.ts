/** Counts of what lives on the device. */
import { currentGpu, type Gpu } from "../device/index.js";

export interface MemoryStats {
  /** Arrays that were neither disposed of nor donated (nor collected). */
  readonly liveTensors: number;
  /** Bytes of the buffers that hold them, arena included. */
  readonly liveBytes: number;
  /** Bytes kept for reuse. */
  readonly pooledBytes: number;
  /** The most that both have taken together. */
  readonly peakBytes: number;
}

const live = new WeakMap<Gpu, { count: number }>();

export function liveCount(gpu: Gpu): { count: number } {
  let counter = live.get(gpu);
  if (!counter) {
    counter = { count: 0 };
    live.set(gpu, counter);
  }
  return counter;
}

export function memoryStats(): MemoryStats {
  const gpu = currentGpu("memoryStats");
  const { liveBytes, pooledBytes, peakBytes } = gpu.pool.stats();
  return { liveTensors: liveCount(gpu).count, liveBytes, pooledBytes, peakBytes };
}

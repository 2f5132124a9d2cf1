/** Alternating blocks in one process, so that a ratio holds when the machine's speed drifts. */
import type { Runner } from "./peers.js";

export interface Timing {
  readonly name: string;
  /** Milliseconds a step: median, fastest and slowest block. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export const median = (xs: readonly number[]): number => {
  const sorted = [...xs].sort((a, b) => a - b);
  const mid = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[mid]! : (sorted[mid - 1]! + sorted[mid]!) / 2;
};

/** Time runners in turn: A B A B …; also the paired ratio of each to the first. */
export async function alternate(
  runners: readonly Runner[],
  { rounds = 7, steps = 10 } = {},
): Promise<{ timings: Timing[]; ratios: number[] }> {
  for (const r of runners) await r.run(3);
  const samples = runners.map(() => [] as number[]);
  for (let i = 0; i < rounds; i++) {
    for (const [k, r] of runners.entries()) {
      const from = performance.now();
      await r.run(steps);
      samples[k]!.push((performance.now() - from) / steps);
    }
  }
  return {
    timings: runners.map((r, k) => ({
      name: r.name,
      median: median(samples[k]!),
      min: Math.min(...samples[k]!),
      max: Math.max(...samples[k]!),
    })),
    ratios: samples.map((s) => median(s.map((t, i) => t / samples[0]![i]!))),
  };
}

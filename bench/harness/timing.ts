/** Contestants in turn, so that a ratio holds when the machine's speed drifts. */
import type { Contestant } from "./contestant.js";

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface Timing {
  readonly name: string;
  /** Milliseconds for one: median, fastest and slowest block. */
  readonly ms: Spread;
  /** The first contestant's time over this one's, block by block: median and middle half. */
  readonly ratio: Spread;
  readonly rounds: number;
  /** Milliseconds by round; a round that was left out is undefined. */
  readonly samples: readonly (number | undefined)[];
}

export interface TimingOptions {
  readonly rounds: number;
  /** A block repeats the work until it takes about this long. */
  readonly blockMs: number;
  /** A contestant that has taken this long makes no further rounds (after three). */
  readonly budgetMs: number;
}

export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (high - low) * (at - Math.floor(at));
}

export function spread(xs: readonly number[], tail: number): Spread {
  const sorted = xs.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, tail),
    high: quantile(sorted, 1 - tail),
  };
}

export const median = (xs: readonly number[]): number => spread(xs, 0).median;

/**
 * Time contestants in turn, A B C, C B A, A B C, …: what one leaves behind (warm caches, a clock
 * that fell) meets each of the others alike. `first` is compared with every one of them.
 */
export async function alternate(
  contestants: readonly Contestant[],
  { rounds, blockMs, budgetMs }: TimingOptions,
): Promise<Timing[]> {
  const entries: {
    c: Contestant;
    times: number;
    spent: number;
    samples: (number | undefined)[];
  }[] = [];
  for (const c of contestants) {
    await c.time(1);
    const once = Math.min(await c.time(1), await c.time(2));
    const times = Math.max(1, Math.min(50, Math.round(blockMs / once)));
    const samples = Array.from({ length: rounds }, () => undefined);
    entries.push({ c, times, spent: 0, samples });
  }
  for (let round = 0; round < rounds; round++) {
    for (const e of round % 2 === 0 ? entries : entries.toReversed()) {
      if (round >= 3 && e.spent > budgetMs) continue;
      const ms = await e.c.time(e.times);
      e.samples[round] = ms;
      e.spent += ms * e.times;
    }
  }
  const first = entries[0]!.samples;
  return entries.map(({ c, samples }) => {
    const made = samples.filter((ms) => ms !== undefined);
    return {
      name: c.name,
      ms: spread(made, 0),
      ratio: pairedRatio(first, samples),
      rounds: made.length,
      samples,
    };
  });
}

type Samples = Timing["samples"];

/** a over b, round by round: the median and the middle half. */
export function pairedRatio(a: Samples, b: Samples): Spread {
  const pairs = a.flatMap((ms, i) => (ms === undefined || b[i] === undefined ? [] : [ms / b[i]!]));
  return spread(pairs, 0.25);
}

/** Results of an evaluation as a table; of ImageNet-C by corruption, and their mean. */
import { percent } from "./progress.js";
import type { Score } from "./score.js";

export interface Measured extends Score {
  readonly name: string;
  readonly corruption?: string;
  readonly severity?: number | undefined;
}

export interface Mean {
  readonly top1: number;
  readonly top5: number;
}

export interface Averages {
  /** Over the severities of each corruption. */
  readonly corruptions?: Readonly<Record<string, Mean>>;
  /** Over the corruptions. */
  readonly mean?: Mean;
}

const meanOf = (list: readonly Mean[]): Mean => ({
  top1: list.reduce((sum, m) => sum + m.top1, 0) / list.length,
  top5: list.reduce((sum, m) => sum + m.top5, 0) / list.length,
});

export function averages(found: readonly Measured[]): Averages {
  const groups = new Map<string, Measured[]>();
  for (const m of found) {
    if (m.corruption === undefined) return {};
    groups.set(m.corruption, [...(groups.get(m.corruption) ?? []), m]);
  }
  const corruptions = Object.fromEntries([...groups].map(([name, list]) => [name, meanOf(list)]));
  return { corruptions, mean: meanOf(Object.values(corruptions)) };
}

export function table(found: readonly Measured[]): string {
  const { corruptions, mean } = averages(found);
  const line = (name: string, m: Mean, rest = "") =>
    `${name.padEnd(24)} top-1 ${percent(m.top1).padStart(7)}  top-5 ${percent(m.top5).padStart(7)}${rest}\n`;
  if (corruptions === undefined || mean === undefined) {
    return found
      .map((m) => line(m.name, m, `  loss ${m.loss.toFixed(4)}  ${m.count} images`))
      .join("");
  }
  const rows = Object.entries(corruptions).map(([name, m]) => line(name, m));
  return `${rows.join("")}${line("mean", mean)}`;
}

/** Numbers as a report shows them. */
import type { Spread } from "./timing.js";

/** Three significant digits, without an exponent. */
export function figure(x: number): string {
  if (!Number.isFinite(x)) return "—";
  if (x === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(x))));
  return x.toFixed(Math.min(digits, 6));
}

export const withRange = (s: Spread): string =>
  `${figure(s.median)} (${figure(s.low)}–${figure(s.high)})`;

/** What `ms` comes to for this much work. */
export function rate(ms: number, flops?: number, bytes?: number): string {
  const rates: string[] = [];
  if (flops !== undefined) rates.push(`${figure(flops / ms / 1e6)} GF/s`);
  if (bytes !== undefined) rates.push(`${figure(bytes / ms / 1e6)} GB/s`);
  return rates.join(", ");
}

export const megabytes = (bytes: number): string => `${figure(bytes / 2 ** 20)} MiB`;

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  `| ${head.join(" | ")} |`,
  `|${head.map(() => "---").join("|")}|`,
  ...rows.map((r) => `| ${r.join(" | ")} |`),
];

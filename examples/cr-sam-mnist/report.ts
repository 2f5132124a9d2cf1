/** The table, and what may be said about it. */
import Table from "cli-table3";
import { methodsOf, type Results, type Run, runsOf } from "./results.js";
import { compare, mean, pooledError, std } from "./statistics.js";

/** `81.22 ± 0.70`: three significant digits of the spread decide the decimals, within reason. */
export function plusMinus(value: number, spread: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return Number.isFinite(spread) ? `${text} ± ${spread.toFixed(decimals)}` : text;
}

/** Decimals that leave about `digits` significant digits. */
export function decimalsFor(value: number, digits = 3): number {
  if (value === 0 || !Number.isFinite(value)) return 2;
  return Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
}

function overSeeds(runs: readonly Run[], of: (run: Run) => number, decimals?: number): string {
  const values = runs.map(of);
  const m = mean(values);
  return plusMinus(m, std(values), decimals ?? decimalsFor(m));
}

function trace(runs: readonly Run[]): string {
  const value = mean(runs.map((r) => r.curvature.trace));
  const error = pooledError(runs.map((r) => r.curvature.traceStandardError));
  return plusMinus(value, error, decimalsFor(value));
}

/** One column a method, one row a quantity: fits a terminal of 100 columns. */
export function table(results: Results): string {
  const methods = methodsOf(results);
  const row = (
    name: string,
    cell: (runs: readonly Run[], method: (typeof methods)[number]) => string,
  ) => [name, ...methods.map((m) => cell(runsOf(results, m), m))];
  const out = new Table({
    head: ["", ...methods.map((m) => results.labels[m] ?? m)],
    style: { head: [], border: [] },
    colAligns: ["left", ...methods.map(() => "right" as const)],
  });
  const cost = (m: (typeof methods)[number]) => results.costs[m];
  out.push(
    row("test accuracy, %", (runs) => overSeeds(runs, (r) => 100 * r.testAccuracy, 2)),
    row("test loss", (runs) => overSeeds(runs, (r) => r.testLoss)),
    row("gradient norm", (runs) => overSeeds(runs, (r) => r.curvature.gradientNorm)),
    row("Hessian trace*", trace),
    row("C(w) = trace / norm", (runs) => overSeeds(runs, (r) => r.curvature.normalizedTrace)),
    row("ms per step", (runs) => overSeeds(runs, (r) => r.msPerStep, 1)),
    row("dispatches per step", (_, m) => String(cost(m)?.counted.dispatches ?? "")),
    row("submissions per step", (_, m) => String(cost(m)?.counted.submits ?? "")),
  );
  return out.toString();
}

/** What the ± mean, and what was measured where. */
export function footnotes(results: Results): string[] {
  const { options } = results;
  const n =
    results.runs.length === 0
      ? 0
      : Math.max(...methodsOf(results).map((m) => runsOf(results, m).length));
  const spread =
    n > 1 ? `± is the standard deviation over ${n} seeds; ` : "One seed, so no spread is known; ";
  return [
    `${spread}* ± is the standard error of the trace estimate`,
    `(Hutchinson, ${options.probes} probes a seed). Gradient norm, trace and C(w) are of the loss on`,
    `${Math.min(options.curvatureSize, 10_000).toLocaleString("en")} test images at the end of training. Dispatches and submissions were counted in a warm step.`,
  ];
}

const signed = (x: number, decimals: number): string =>
  `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(decimals)}`;

/** Whether CR-SAM differs from its control, seed by seed: a sentence for each quantity. */
export function verdict(results: Results): string[] {
  const ours = runsOf(results, "cr-sam");
  const control = runsOf(results, "sam-control");
  const seeds = Math.min(ours.length, control.length);
  if (seeds === 0) return [];
  const quantities: readonly [
    name: string,
    unit: string,
    of: (r: Run) => number,
    decimals: number,
  ][] = [
    ["test accuracy", " points", (r) => 100 * r.testAccuracy, 2],
    ["test loss", "", (r) => r.testLoss, 4],
    ["C(w)", "", (r) => r.curvature.normalizedTrace, 1],
  ];
  const lines = quantities.map(([name, unit, of, decimals]) => {
    const c = compare(ours.map(of), control.map(of));
    const value = `${name} ${signed(c.difference, decimals)}${unit}`;
    if (c.beyond === undefined) return `  ${value}`;
    return `  ${value}, spread ${c.spread.toFixed(decimals)}: ${
      c.beyond ? "more than the spread." : "within the spread, so no difference is shown."
    }`;
  });
  const caution =
    seeds === 1
      ? ["  One seed says nothing about the spread: --seeds gives more."]
      : seeds < 10
        ? [`  ${seeds} seeds are few: read this as a first look.`]
        : [];
  const over = seeds === 1 ? "one seed" : `${seeds} seeds`;
  return [
    `CR-SAM minus its control (${results.labels["sam-control"]}), paired over ${over}:`,
    ...lines,
    ...caution,
  ];
}

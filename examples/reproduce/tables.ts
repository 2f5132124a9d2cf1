/** Tables 1, 2 and 3 as Markdown, from raw results. */
import type { Run } from "./experiment.js";
import { controlOf, labelOf, settingsOf } from "./methods.js";
import type { Outcome } from "./parts.js";
import type { MethodName } from "./scales.js";
import { fewestPairs, holm, mean, pairedP, std } from "./statistics.js";

export const plusMinus = (xs: readonly number[], decimals: number): string => {
  const s = std(xs);
  return Number.isNaN(s)
    ? mean(xs).toFixed(decimals)
    : `${mean(xs).toFixed(decimals)} ± ${s.toFixed(decimals)}`;
};

/** Decimals that leave about three significant digits. */
const decimalsFor = (x: number): number =>
  x === 0 || !Number.isFinite(x)
    ? 2
    : Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(x)))));

export const significant = (xs: readonly number[]): string => plusMinus(xs, decimalsFor(mean(xs)));

export function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...body.map(line)].join(
    "\n",
  );
}

const showP = (p: number): string =>
  Number.isNaN(p) ? "too few" : p < 0.001 ? "< 0.001" : p.toFixed(3);

export interface Comparison {
  readonly method: MethodName;
  readonly control: MethodName;
  readonly difference: readonly number[];
  /** After Holm's correction over the comparisons of one experiment. */
  readonly p: number;
}

/** Every method against its control, pair by pair of seeds. */
export function comparisons({ runs }: Outcome, of: (run: Run) => number): Comparison[] {
  if (!runs) return [];
  const pairs = [...runs.keys()].flatMap((method) => {
    const control = controlOf[method];
    const other = control && runs.get(control);
    if (!control || !other) return [];
    // Pairs of the same seed; an interrupted run may lack some.
    const [ours, theirs] = [runs.get(method)!, other].map(
      (r) => new Map(r.map((x) => [x.seed, x])),
    );
    const seeds = [...ours!.keys()].filter((seed) => theirs!.has(seed));
    if (seeds.length === 0) return [];
    const [a, b] = [ours!, theirs!].map((r) => seeds.map((seed) => of(r.get(seed)!))) as [
      number[],
      number[],
    ];
    return [{ method, control, difference: a.map((x, i) => x - b[i]!), raw: pairedP(a, b) }];
  });
  const adjusted = holm(pairs.map((p) => p.raw));
  return pairs.map(({ raw: _, ...rest }, i) => ({ ...rest, p: adjusted[i]! }));
}

const percent = (r: Run): number => 100 * r.test.accuracy;

/** Whether a difference is shown, in words. */
export function verdict({ difference, p }: Comparison): string {
  if (Number.isNaN(p))
    return `not decided: ${difference.length} seeds (a test needs ${fewestPairs})`;
  if (p >= 0.05) return "no difference shown";
  return mean(difference) > 0 ? "better" : "worse";
}

export function accuracyTable(o: Outcome): string {
  const { experiment: e, runs, hyper } = o;
  const rows = [...runs!].map(([method, r]) => [
    labelOf(method, e),
    plusMinus(r.map(percent), 2),
    significant(r.map((x) => x.test.loss)),
    significant(r.map((x) => x.trainLoss.at(-1)!)),
    settingsOf(method, hyper!),
  ]);
  const versus = comparisons(o, percent).map((c) => [
    `${labelOf(c.method, e)} − ${labelOf(c.control, e)}`,
    plusMinus(c.difference, 2),
    showP(c.p),
    verdict(c),
  ]);
  return [
    table(["", "test accuracy, %", "test loss", "training loss", "settings"], rows),
    "",
    `Paired by seed (${e.seeds} seeds), two-sided Wilcoxon signed-rank test, p after Holm's correction:`,
    "",
    table(["difference of accuracy", "points", "p", "so"], versus),
  ].join("\n");
}

export function curvatureTable({ experiment: e, runs }: Outcome): string {
  const rows = [...runs!].flatMap(([method, all]) => {
    const r = all.flatMap((x) => (x.curvature ? [x.curvature] : []));
    if (r.length === 0) return [];
    return [
      [
        labelOf(method, e),
        significant(r.map((c) => c.gradientNorm)),
        significant(r.map((c) => c.meanBatchNorm)),
        significant(r.map((c) => c.trace)),
        significant(r.map((c) => c.topEigenvalue)),
        significant(r.map((c) => c.normalizedTrace)),
      ],
    ];
  });
  return table(
    [
      "",
      "‖∇L‖ of all images",
      "mean ‖∇L‖ of batches",
      "Hessian trace",
      "largest eigenvalue",
      "C(w)",
    ],
    rows,
  );
}

/** Accuracy on corrupted images: the mean over severities of each corruption, and over all. */
export function corruptionTable({ experiment: e, runs }: Outcome): string {
  const methods = [...runs!.keys()];
  const names = Object.keys(runs!.get(methods[0]!)![0]!.others ?? {});
  const kinds = [...new Set(names.map((n) => n.replace(/ \d+$/, "")))];
  const over = (method: MethodName, some: readonly string[]) =>
    runs!.get(method)!.map((r) => 100 * mean(some.map((n) => r.others![n]!.accuracy)));
  const row = (label: string, some: readonly string[]) => [
    label,
    ...methods.map((m) => plusMinus(over(m, some), 2)),
  ];
  return table(
    ["test accuracy, %", ...methods.map((m) => labelOf(m, e))],
    [
      ["clean images", ...methods.map((m) => plusMinus(runs!.get(m)!.map(percent), 2))],
      ...kinds.map((k) =>
        row(
          k,
          names.filter((n) => n.startsWith(`${k} `)),
        ),
      ),
      row("**mean of corruptions**", names),
    ],
  );
}

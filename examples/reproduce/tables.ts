/** Tables 1, 2 and 3 as Markdown, from raw results. */
import type { Run } from "./experiment.js";
import { comparedWith, labelOf, settingsOf } from "./methods.js";
import type { Outcome } from "./parts.js";
import type { MethodName } from "./settings.js";
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

/** Numbers stand at the right, texts at the left. */
export function table(
  head: readonly string[],
  body: readonly (readonly string[])[],
  cells: "numbers" | "text" = "numbers",
): string {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const rule = head.map((_, i) => (i === 0 || cells === "text" ? "---" : "---:"));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

const showP = (p: number): string =>
  Number.isNaN(p) ? "too few" : p < 0.001 ? "< 0.001" : p.toFixed(3);

export interface Comparison {
  readonly method: MethodName;
  readonly control: MethodName;
  /** Whether that is what the method would be on a quadratic. */
  readonly isControl: boolean;
  readonly difference: readonly number[];
  /** After Holm's correction over the comparisons of one experiment. */
  readonly p: number;
}

/** Every method against what it is compared with, pair by pair of seeds. */
export function comparisons({ runs }: Outcome, of: (run: Run) => number): Comparison[] {
  if (!runs) return [];
  const bySeed = (method: MethodName) => new Map(runs.get(method)?.map((r) => [r.seed, of(r)]));
  const pairs = [...runs.keys()].flatMap((method) =>
    (comparedWith[method] ?? []).flatMap((control) => {
      // An interrupted run may lack some seeds.
      const [ours, theirs] = [bySeed(method), bySeed(control)];
      const seeds = [...ours.keys()].filter((seed) => theirs.has(seed));
      if (seeds.length === 0) return [];
      const [a, b] = [seeds.map((s) => ours.get(s)!), seeds.map((s) => theirs.get(s)!)];
      const difference = a.map((x, i) => x - b[i]!);
      const isControl = control.endsWith("-control");
      return [{ method, control, isControl, difference, raw: pairedP(a, b) }];
    }),
  );
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
  const missing = e.methods.filter((m) => !runs!.has(m)).map((m) => labelOf(m, e));
  return [
    table(["", "test accuracy, %", "test loss", "training loss", "settings"], rows),
    "",
    ...(missing.length > 0 ? [`Not run: ${missing.join(", ")}.`, ""] : []),
    comparisonTable(o, percent, "difference of accuracy"),
  ].join("\n");
}

function comparisonTable(o: Outcome, of: (r: Run) => number, what: string): string {
  const found = comparisons(o, of);
  if (found.length === 0) return "";
  const label = (m: MethodName) => labelOf(m, o.experiment);
  const rows = found.map((c) => [
    `${label(c.method)} − ${label(c.control)}`,
    plusMinus(c.difference, 2),
    showP(c.p),
    verdict(c),
  ]);
  return [
    `Paired by seed (${found[0]!.difference.length} seeds), two-sided Wilcoxon signed-rank test, p after Holm's correction over the table:`,
    "",
    table([what, "points", "p", "so"], rows),
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

/** Names of corruptions end with their severity; other test sets' do not. */
const isCorruption = (name: string): boolean => / \d+$/.test(name);

/** The mean accuracy over corruptions and severities. */
export const meanCorrupted = ({ others = {} }: Run): number =>
  mean(Object.keys(others).flatMap((n) => (isCorruption(n) ? [others[n]!.accuracy] : [])));

/** Accuracy on corrupted images: the mean over severities of each corruption, and over all. */
export function corruptionTable(o: Outcome): string {
  const { experiment: e, runs } = o;
  const methods = [...runs!.keys()];
  const names = Object.keys(runs!.get(methods[0]!)![0]!.others ?? {});
  if (names.length === 0) return "There were no other test sets than the clean images.";
  const corruptions = names.filter(isCorruption);
  const kinds = [...new Set(corruptions.map((n) => n.replace(/ \d+$/, "")))];
  const over = (method: MethodName, some: readonly string[]) =>
    runs!.get(method)!.map((r) => 100 * mean(some.map((n) => r.others![n]!.accuracy)));
  const row = (label: string, some: readonly string[]) => [
    label,
    ...methods.map((m) => plusMinus(over(m, some), 2)),
  ];
  const accuracies = table(
    ["test accuracy, %", ...methods.map((m) => labelOf(m, e))],
    [
      ["clean images", ...methods.map((m) => plusMinus(runs!.get(m)!.map(percent), 2))],
      ...kinds.map((k) =>
        row(
          k,
          corruptions.filter((n) => n.startsWith(`${k} `)),
        ),
      ),
      ...(corruptions.length > 0 ? [row("**mean of corruptions**", corruptions)] : []),
      ...names.filter((n) => !isCorruption(n)).map((n) => row(n, [n])),
    ],
  );
  return [
    accuracies,
    "",
    corruptions.length === 0
      ? ""
      : comparisonTable(
          o,
          (r) => 100 * meanCorrupted(r),
          "difference of accuracy on corrupted images",
        ),
  ].join("\n");
}

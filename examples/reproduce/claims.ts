/** What the paper claims, and whether it shows in the raw results: each claim beside what was seen. */
import { disagreements } from "./figures.js";
import { flatness } from "./landscapes.js";
import { labelOf } from "./methods.js";
import type { Look, Outcome, Tracked } from "./parts.js";
import type { MethodName } from "./settings.js";
import { fewestPairs, holm, mean, pairedP } from "./statistics.js";
import {
  type Comparison,
  comparisons,
  meanCorrupted,
  plusMinus,
  significant,
  table,
} from "./tables.js";
import type { Material } from "./work.js";

interface Claim {
  readonly claim: string;
  readonly here: string;
  readonly verdict: string;
}

const showP = (p: number): string => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);

/** `direction` is the sign of a difference that the claim speaks of. */
function decided(c: Pick<Comparison, "difference" | "p">, direction: 1 | -1): string {
  if (Number.isNaN(c.p))
    return `not decided: ${c.difference.length} seed${c.difference.length === 1 ? "" : "s"}, a test needs ${fewestPairs}`;
  const n = c.difference.length;
  if (c.p >= 0.05 && Math.abs(c.difference.reduce((k, d) => k + Math.sign(d), 0)) === n) {
    const way = mean(c.difference) * direction > 0 ? "so" : "the other way";
    return `not decided: ${way} for all ${n} seeds, which are too few (${showP(c.p)})`;
  }
  if (c.p >= 0.05) return `does not show (${showP(c.p)})`;
  return mean(c.difference) * direction > 0
    ? `shows (${showP(c.p)})`
    : `contradicted (${showP(c.p)})`;
}

/** Does a method have what the paper says, over SAM and over its control? */
function versus(
  o: Outcome,
  of: Parameters<typeof comparisons>[1],
  words: { readonly what: string; readonly unit: string; readonly direction: 1 | -1 },
  show: (xs: readonly number[]) => string,
): Claim[] {
  const wanted: readonly MethodName[] = ["sam", "cr-sam", "cr-sam-paper"];
  return comparisons(o, of)
    .filter((c) => wanted.includes(c.method))
    .map((c) => ({
      claim: `${labelOf(c.method, o.experiment)} has ${words.what} than ${labelOf(c.control, o.experiment)}${c.isControl ? " (its control)" : ""}`,
      here: `${o.experiment.name}: ${show(c.difference)}${words.unit}`,
      verdict: decided(c, words.direction),
    }));
}

const has = (o: Outcome): boolean => o.runs !== undefined && o.runs.size > 0;

const accuracyClaims = ({ table1 = [], table2 = [] }: Material): Claim[] => [
  ...table1.filter(has).flatMap((o) =>
    versus(
      o,
      (r) => 100 * r.test.accuracy,
      { what: "a higher test accuracy", unit: " points", direction: 1 },
      (d) => plusMinus(d, 2),
    ),
  ),
  ...table2.filter(has).flatMap((o) =>
    versus(
      o,
      (r) => 100 * meanCorrupted(r),
      { what: "a higher accuracy on corrupted images", unit: " points", direction: 1 },
      (d) => plusMinus(d, 2),
    ),
  ),
];

const curvatureClaims = ({ table1 = [] }: Material): Claim[] =>
  table1
    .filter((o) => has(o) && [...o.runs!.values()].every((r) => r.every((x) => x.curvature)))
    .flatMap((o) =>
      (
        [
          ["a smaller gradient", (c) => c.gradientNorm],
          ["a smaller Hessian trace", (c) => c.trace],
          ["a smaller C(w)", (c) => c.normalizedTrace],
        ] as const satisfies readonly (readonly [string, (c: Look["train"]) => number])[]
      ).flatMap(([what, of]) =>
        versus(o, (r) => of(r.curvature!), { what, unit: "", direction: -1 }, significant),
      ),
    );

/** From the first look after the start to the last, seed by seed. */
const changes = (seeds: readonly Tracked[], of: (l: Look) => number): number[] =>
  seeds.map((s) => of(s.looks.at(-1)!) - of(s.looks.find((l) => l.epoch > 0)!));

/** The first two claims of figure 1 and that of figure 2, tested together. */
function courseClaims(seeds: readonly Tracked[]): Claim[] {
  const all = [
    ["the approximation ratio falls while SAM trains", (l: Look) => l.ratio.ratio, -1],
    ["C(w) of training images rises while SAM trains", (l: Look) => l.train.normalizedTrace, 1],
    ["C(w) of test images rises while SAM trains", (l: Look) => l.test.normalizedTrace, 1],
  ] as const;
  const differences = all.map(([, of]) => changes(seeds, of));
  const ps = holm(
    differences.map((d) =>
      pairedP(
        d,
        d.map(() => 0),
      ),
    ),
  );
  return all.map(([claim, of, direction], i) => {
    const at = (which: "first" | "last") =>
      significant(
        seeds.map((s) =>
          of(which === "first" ? s.looks.find((l) => l.epoch > 0)! : s.looks.at(-1)!),
        ),
      );
    const ups = differences[i]!.filter((d) => d > 0).length;
    return {
      claim,
      here: `${at("first")} after the first epoch looked at, ${at("last")} at the end; up for ${ups} of ${seeds.length} seeds`,
      verdict: decided({ difference: differences[i]!, p: ps[i]! }, direction),
    };
  });
}

/** Trace and largest eigenvalue rise, then fall: the largest value is neither at the first nor the last look. */
function humpClaims(seeds: readonly Tracked[]): Claim[] {
  return (
    [
      ["Hessian trace", (l: Look) => l.train.trace],
      ["largest eigenvalue", (l: Look) => l.train.topEigenvalue],
    ] as const
  ).map(([what, of]) => {
    const humps = seeds.filter(({ looks }) => {
      const values = looks.map(of);
      const top = values.indexOf(Math.max(...values));
      return top > 0 && top < values.length - 1;
    }).length;
    return {
      claim: `the ${what} of training images rises, then falls while SAM trains`,
      here: `its largest value is within training for ${humps} of ${seeds.length} seeds`,
      verdict:
        humps === seeds.length ? "shows" : humps === 0 ? "does not show" : "shows for some seeds",
    };
  });
}

const times = (x: number): string => (Number.isFinite(x) ? `${x.toFixed(2)}×` : "opposite signs");

/** C agrees between training and test images better than trace and eigenvalue do. */
function agreementClaims(seeds: readonly Tracked[]): Claim[] {
  const c = disagreements(seeds, (x) => x.normalizedTrace);
  const others = [
    ["Hessian trace", disagreements(seeds, (x) => x.trace)],
    ["largest eigenvalue", disagreements(seeds, (x) => x.topEigenvalue)],
  ] as const;
  const ps = holm(others.map(([, o]) => pairedP(c.bySeed, o.bySeed)));
  return others.map(([what, other], i) => ({
    claim: `C(w) agrees between training and test images better than the ${what} does`,
    here:
      `apart by a factor of ${times(c.typical)} for C, ${times(other.typical)} for the ${what} ` +
      `(geometric means over epochs and seeds); at most ${times(c.largest)} and ${times(other.largest)}`,
    verdict: decided({ difference: c.bySeed.map((x, k) => x - other.bySeed[k]!), p: ps[i]! }, -1),
  }));
}

/** Figure 4: by how much the loss rises on the way to the edge of the plane. */
const landscapeClaims = ({ table1 = [] }: Material): Claim[] =>
  table1.filter(has).flatMap((o) => {
    const rise = (m: MethodName): number | undefined => {
      const landscape = o.runs!.get(m)?.find((r) => r.landscape)?.landscape;
      return landscape && flatness(landscape);
    };
    const [base, sam, cr] = [rise("base"), rise("sam"), rise("cr-sam")];
    if (base === undefined || sam === undefined || cr === undefined) return [];
    const show = (x: number) => x.toFixed(3);
    const inOrder = cr < sam && sam < base;
    return [
      {
        claim: `the loss around ${labelOf("cr-sam", o.experiment)} is flatter than around SAM, and that flatter than around ${labelOf("base", o.experiment)}`,
        here: `${o.experiment.name}: mean rise of the loss over the plane ${show(base)}, SAM ${show(sam)}, CR-SAM ${show(cr)}`,
        verdict: `${inOrder ? "shows" : "does not show"} (one seed, no test)`,
      },
    ];
  });

/** A table of all claims that there are results for; the empty string where there are none. */
export function claimsTable(material: Material): string {
  const seeds = material.tracked?.seeds;
  const claims = [
    ...accuracyClaims(material),
    ...curvatureClaims(material),
    ...(seeds ? [...courseClaims(seeds), ...humpClaims(seeds), ...agreementClaims(seeds)] : []),
    ...landscapeClaims(material),
  ];
  return claims.length === 0
    ? ""
    : table(
        ["claim", "here", "so"],
        claims.map((c) => [c.claim, c.here, c.verdict]),
        "text",
      );
}

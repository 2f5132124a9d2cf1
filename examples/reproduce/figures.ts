/** Figures 1 and 2: curvature and approximation ratio while SAM trains. */
import type { TopLevelSpec } from "vega-lite";
import type { Look, Tracked } from "./parts.js";
import { config, type Picture, palette } from "./pictures.js";
import { mean, std } from "./statistics.js";

interface Row {
  readonly epoch: number;
  readonly series: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Mean over seeds and one standard deviation to both sides, at each epoch. */
export function rows(seeds: readonly Tracked[], series: string, of: (look: Look) => number): Row[] {
  return seeds[0]!.looks.map(({ epoch }, i) => {
    const values = seeds.map((s) => of(s.looks[i]!));
    const [value, spread] = [mean(values), std(values)];
    const around = Number.isNaN(spread) ? 0 : spread;
    return { epoch, series, value, low: value - around, high: value + around };
  });
}

function panel(title: string, y: string, data: readonly Row[], log = false): object {
  const domain = [...new Set(data.map((r) => r.series))];
  const scale = log ? { type: "log", nice: true } : { zero: false, nice: true };
  const positive = log ? data.filter((r) => r.value > 0) : data;
  const values = positive.map((r) => (log ? { ...r, low: Math.max(r.low, r.value / 10) } : r));
  const x = {
    field: "epoch",
    type: "quantitative",
    title: "epoch",
    axis: { grid: false, tickMinStep: 1 },
  };
  const colors = domain.map((_, i) => palette[i === 0 ? 1 : 3]);
  const legend =
    domain.length > 1 ? { orient: "bottom", symbolType: "stroke", symbolOpacity: 1 } : null;
  const by = (range: readonly unknown[]) => ({
    field: "series",
    type: "nominal",
    title: null,
    scale: { domain, range },
    legend,
  });
  return {
    width: 215,
    height: 190,
    data: { values },
    layer: [
      {
        // A title proper would stand higher where an axis label sticks out at the top.
        data: { values: [{}] },
        mark: { type: "text", align: "left", baseline: "bottom", fontSize: 12, fontWeight: "bold" },
        encoding: { x: { value: 0 }, y: { value: -8 }, text: { value: title } },
      },
      {
        mark: { type: "area", opacity: 0.18 },
        encoding: {
          x,
          y: { field: "low", type: "quantitative", title: y, scale },
          y2: { field: "high" },
          fill: by(colors),
        },
      },
      {
        mark: { type: "line", strokeWidth: 2 },
        encoding: {
          x,
          y: { field: "value", type: "quantitative", title: y, scale },
          stroke: by(colors),
          strokeDash: by([
            [1, 0],
            [6, 4],
          ]),
        },
      },
      {
        mark: { type: "point", filled: true, size: 30, opacity: 1 },
        encoding: {
          x,
          y: { field: "value", type: "quantitative", title: y, scale },
          fill: by(colors),
        },
      },
    ],
  };
}

const both = (seeds: readonly Tracked[], of: (c: Look["train"]) => number): Row[] => [
  ...rows(seeds, "training images", (l) => of(l.train)),
  ...rows(seeds, "test images", (l) => of(l.test)),
];

const spec = (
  title: string,
  subtitle: readonly string[],
  panels: readonly object[],
): TopLevelSpec =>
  ({
    config,
    title: { text: title, subtitle },
    spacing: 20,
    hconcat: panels,
  }) as unknown as TopLevelSpec;

const note = (seeds: readonly Tracked[], title: string): string[] => [
  title,
  `${seeds.length} seed${seeds.length === 1 ? "" : "s"}: mean ± standard deviation`,
];

/** From first to last value of a series, in words. */
export function course(data: readonly Row[], digits = 3): string {
  const short = (x: number) => String(Number(x.toPrecision(digits)));
  const top = data.reduce((a, b) => (b.value > a.value ? b : a));
  return `${short(data[0]!.value)} at epoch ${data[0]!.epoch}, ${short(data.at(-1)!.value)} at epoch ${data.at(-1)!.epoch} (largest ${short(top.value)} at epoch ${top.epoch})`;
}

export function figure1(seeds: readonly Tracked[], title: string): Picture {
  const ratio = rows(seeds, "training images", (l) => l.ratio.ratio);
  const trace = rows(seeds, "training images", (l) => l.train.trace);
  const top = rows(seeds, "training images", (l) => l.train.topEigenvalue);
  return {
    name: "figure1",
    spec: spec("Figure 1: while SAM trains", note(seeds, title), [
      panel("Approximation ratio", "ratio", ratio),
      panel("Hessian trace", "trace", trace),
      panel("Largest eigenvalue", "λ", top),
    ]),
    alternative: `Three curves over the epochs of SAM training, mean of ${seeds.length} seeds. Approximation ratio: ${course(ratio)}. Hessian trace: ${course(trace)}. Largest eigenvalue: ${course(top)}.`,
  };
}

export function figure2(seeds: readonly Tracked[], title: string): Picture {
  const c = both(seeds, (x) => x.normalizedTrace);
  return {
    name: "figure2",
    spec: spec("Figure 2: training and test images while SAM trains", note(seeds, title), [
      panel("Normalised trace C(w)", "C(w)", c),
      panel(
        "Hessian trace",
        "trace",
        both(seeds, (x) => x.trace),
      ),
      panel(
        "Largest eigenvalue",
        "λ",
        both(seeds, (x) => x.topEigenvalue),
      ),
    ]),
    alternative: `C(w), Hessian trace and largest eigenvalue over the epochs of SAM training, on training and on test images. C on training images: ${course(c.filter((r) => r.series === "training images"))}. C on test images: ${course(c.filter((r) => r.series === "test images"))}.`,
  };
}

/** How far apart training and test images are, as factors: the larger over the smaller. */
export interface Disagreement {
  /** Mean logarithm of the factor over the looks after the start, for each seed. */
  readonly bySeed: readonly number[];
  /** Geometric mean over looks and seeds. */
  readonly typical: number;
  /** Infinite where the two are of opposite sign somewhere. */
  readonly largest: number;
}

export function disagreements(
  seeds: readonly Tracked[],
  of: (c: Look["train"]) => number,
): Disagreement {
  const factors = seeds.map((s) =>
    s.looks.filter((l) => l.epoch > 0).map((l) => of(l.test) / of(l.train)),
  );
  const logs = (ratios: readonly number[]) =>
    ratios.filter((r) => r > 0).map((r) => Math.abs(Math.log(r)));
  const opposite = factors.flat().some((r) => !(r > 0));
  return {
    bySeed: factors.map((f) => mean(logs(f))),
    typical: Math.exp(mean(logs(factors.flat()))),
    largest: opposite ? Number.POSITIVE_INFINITY : Math.exp(Math.max(...logs(factors.flat()))),
  };
}

/** Two figures as SVG: training curves, and the loss along the gradient direction. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { MethodName } from "./options.js";
import { methodsOf, type Results, runsOf } from "./results.js";
import { mean } from "./statistics.js";

/** Colours that colour-blind readers can tell apart (Okabe and Ito); the control is dashed too. */
const colours: Readonly<Record<MethodName, string>> = {
  sgd: "#555555",
  sam: "#0072B2",
  "sam-control": "#009E73",
  "cr-sam": "#D55E00",
};
const dashes: Readonly<Record<MethodName, readonly number[]>> = {
  sgd: [1, 0],
  sam: [1, 0],
  "sam-control": [6, 4],
  "cr-sam": [1, 0],
};

/** One point of a curve; `seed` is "mean" for the mean over seeds. */
export interface Point {
  readonly method: string;
  readonly seed: string;
  readonly x: number;
  readonly y: number;
}

/** Each seed's curve and their mean, for every method that has runs. */
export function curves(
  results: Results,
  of: (run: Results["runs"][number]) => {
    readonly x: readonly number[];
    readonly y: readonly number[];
  },
): Point[] {
  return methodsOf(results).flatMap((name) => {
    const method = results.labels[name] ?? name;
    const all = runsOf(results, name).map((run) => ({ seed: String(run.seed), ...of(run) }));
    const length = Math.min(...all.map((c) => c.x.length));
    const x = all[0]!.x.slice(0, length);
    const average = { seed: "mean", x, y: x.map((_, i) => mean(all.map((c) => c.y[i]!))) };
    return [...all, average].flatMap((c) =>
      c.x.map((at, i) => ({ method, seed: c.seed, x: at, y: c.y[i]! })),
    );
  });
}

interface Axes {
  readonly x: string;
  readonly y: string;
  readonly integerX?: boolean;
}

/** Thin lines for the seeds, and over them a thick one for their mean. */
function lines(results: Results, points: readonly Point[], axes: Axes): object {
  const methods = methodsOf(results);
  const domain = methods.map((m) => results.labels[m] ?? m);
  const isMean = (p: Point) => p.seed === "mean";
  const forMean = (value: number, otherwise: number) => ({
    condition: { test: "datum.seed === 'mean'", value },
    value: otherwise,
  });
  const legend = { orient: "bottom", symbolStrokeWidth: 3, symbolSize: 400, labelLimit: 300 };
  return {
    data: { values: [...points.filter((p) => !isMean(p)), ...points.filter(isMean)] },
    mark: { type: "line" },
    encoding: {
      x: {
        field: "x",
        type: "quantitative",
        title: axes.x,
        axis: { grid: false, ...(axes.integerX ? { tickMinStep: 1, format: "d" } : {}) },
        scale: { zero: false, nice: false },
      },
      y: { field: "y", type: "quantitative", title: axes.y, scale: { zero: false } },
      color: {
        field: "method",
        type: "nominal",
        title: null,
        scale: { domain, range: methods.map((m) => colours[m]) },
        legend,
      },
      strokeDash: {
        field: "method",
        type: "nominal",
        title: null,
        scale: { domain, range: methods.map((m) => dashes[m]) },
        legend,
      },
      detail: { field: "seed", type: "nominal" },
      opacity: forMean(1, 0.35),
      strokeWidth: forMean(2.5, 1),
    },
  };
}

/** Dotted vertical lines. */
const rules = (xs: readonly number[]): object => ({
  data: { values: xs.map((x) => ({ x })) },
  mark: { type: "rule", stroke: "#888", strokeDash: [2, 3] },
  encoding: { x: { field: "x", type: "quantitative" } },
});

const config = {
  background: "white",
  font: "sans-serif",
  title: {
    fontSize: 14,
    anchor: "start" as const,
    subtitleFontSize: 12,
    subtitleColor: "#444",
    subtitlePadding: 6,
    offset: 12,
  },
  axis: { labelFontSize: 11, titleFontSize: 12, titlePadding: 8 },
  legend: { labelFontSize: 12 },
  view: { stroke: "#ccc" },
};

const seedsNote = (results: Results): string => {
  const seeds = new Set(results.runs.map((r) => r.seed)).size;
  return seeds > 1 ? `thick: mean of ${seeds} seeds; thin: each seed` : "one seed";
};

/** Training loss and test accuracy by epoch. */
export function trainingCurves(results: Results): TopLevelSpec {
  const epochs = (run: Results["runs"][number]) => run.epochs.map((_, i) => i + 1);
  const size = { width: 380, height: 280 };
  const loss = curves(results, (run) => ({
    x: epochs(run),
    y: run.epochs.map((e) => e.trainLoss),
  }));
  const accuracy = curves(results, (run) => ({
    x: epochs(run),
    y: run.epochs.map((e) => 100 * e.monitorAccuracy),
  }));
  return {
    config,
    title: { text: `Training on ${results.data.train}`, subtitle: seedsNote(results) },
    bounds: "flush",
    spacing: 70,
    hconcat: [
      {
        title: "Training loss",
        ...size,
        ...lines(results, loss, { x: "epoch", y: "mean mini-batch loss", integerX: true }),
      },
      {
        title: "Test accuracy",
        ...size,
        ...lines(results, accuracy, {
          x: "epoch",
          y: `% of ${results.monitored.toLocaleString("en")} test images`,
          integerX: true,
        }),
      },
    ],
  } as TopLevelSpec;
}

/** Loss at w + t·v for the trained weights w of each method and v its unit gradient there. */
export function lossAlongGradient(results: Results): TopLevelSpec {
  const points = curves(results, (run) => ({ x: run.landscape.distance, y: run.landscape.loss }));
  return {
    config,
    title: {
      text: "Loss along the gradient direction",
      subtitle: ["training images with their labels; dotted: t = ±ρ", seedsNote(results)],
    },
    width: 560,
    height: 360,
    layer: [
      rules([-results.options.rho, results.options.rho]),
      lines(results, points, {
        x: "distance t from the trained weights, along v = gradient / norm",
        y: "loss at w + t·v",
      }),
    ],
  } as TopLevelSpec;
}

export async function toSvg(spec: TopLevelSpec): Promise<string> {
  const view = new vega.View(vega.parse(compile(spec).spec), {
    renderer: "none",
    logLevel: vega.Error,
  });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** Write both figures; returns their files. */
export async function writeFigures(folder: string, results: Results): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files = [
    ["training-curves.svg", trainingCurves(results)],
    ["loss-along-gradient.svg", lossAlongGradient(results)],
  ] as const;
  return Promise.all(
    files.map(async ([name, spec]) => {
      const file = join(folder, name);
      await writeFile(file, await toSvg(spec));
      return file;
    }),
  );
}

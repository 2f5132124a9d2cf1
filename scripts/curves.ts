/**
 * Curves of training runs, and their last epochs as a table:
 *
 *     npx tsx scripts/curves.ts FOLDER NAME RUN...
 *
 * RUN is a folder of `npm run train`, or its log; FOLDER/figures gets NAME.svg and NAME.png.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { config, draw, palette } from "../examples/reproduce/pictures.js";

const [folder, name, ...runs] = process.argv.slice(2);
if (folder === undefined || name === undefined || runs.length === 0) {
  throw new Error("usage: curves.ts FOLDER NAME RUN...");
}

interface Row {
  readonly run: string;
  readonly epoch: number;
  readonly images: "training" | "test";
  readonly loss: number;
  readonly accuracy: number;
}

interface Entry {
  readonly event: string;
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  readonly test: { readonly loss: number; readonly top1: number; readonly top5: number };
}

async function read(run: string): Promise<{ title: string; epochs: readonly Entry[] }> {
  const path = (await stat(run)).isDirectory() ? join(run, "log.jsonl") : run;
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as Entry);
  const title = basename(run, ".jsonl");
  return { title, epochs: entries.filter(({ event }) => event === "epoch") };
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const found = await Promise.all(runs.map(read));
const rows: Row[] = found.flatMap(({ title, epochs }) =>
  epochs.flatMap(({ epoch, loss, accuracy, test }): Row[] => [
    { run: title, epoch: epoch + 1, images: "training", loss, accuracy },
    { run: title, epoch: epoch + 1, images: "test", loss: test.loss, accuracy: test.top1 },
  ]),
);

const panel = (field: "loss" | "accuracy", title: string, format: string) => ({
  width: 300,
  height: 240,
  mark: { type: "line" as const, point: { size: 24 } },
  encoding: {
    x: { field: "epoch", type: "quantitative" as const, title: "epoch", axis: { tickMinStep: 1 } },
    y: { field, type: "quantitative" as const, title, axis: { format }, scale: { zero: false } },
    color: {
      field: "run",
      type: "nominal" as const,
      sort: null,
      title: null,
      scale: { range: [0, 1, 3, 4, 5].map((i) => palette[i]!) },
      legend: { symbolType: "stroke" as const },
    },
    strokeDash: {
      field: "images",
      type: "nominal" as const,
      title: null,
      sort: ["test", "training"],
      legend: {
        symbolType: "stroke" as const,
        encode: { symbols: { update: { stroke: { value: "#444" }, strokeWidth: { value: 2 } } } },
      },
    },
  },
});

const spec: TopLevelSpec = {
  config,
  data: { values: rows as never },
  hconcat: [panel("loss", "loss", ".1f"), panel("accuracy", "accuracy", ".0%")],
};
const alternative = found
  .map(({ title, epochs }) => `${title}: ${percent(epochs.at(-1)!.test.top1)}`)
  .join(", ");
console.log(
  await draw(folder, { name, spec, alternative: `Test accuracy at the end: ${alternative}` }),
);
console.log(
  "\n| run | epochs | training loss | training accuracy | test loss | top-1 | top-5 | time |",
);
console.log("|---|---|---|---|---|---|---|---|");
for (const { title, epochs } of found) {
  const { loss, accuracy, test } = epochs.at(-1)!;
  const minutes = epochs.reduce((sum, e) => sum + e.seconds, 0) / 60;
  const cells = [title, epochs.length, loss.toFixed(4), percent(accuracy), test.loss.toFixed(4)];
  const rest = [percent(test.top1), percent(test.top5), `${minutes.toFixed(0)} min`];
  console.log(`| ${[...cells, ...rest].join(" | ")} |`);
}

/** The report: Markdown and figures, made from raw results alone. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "./context.js";
import { disagreement, figure1, figure2, type rows } from "./figures.js";
import { figure4, type Named } from "./landscapes.js";
import { labelOf } from "./methods.js";
import type { Outcome, PartName, Tracked } from "./parts.js";
import { draw } from "./pictures.js";
import { mean } from "./statistics.js";
import { accuracyTable, comparisons, corruptionTable, curvatureTable } from "./tables.js";
import type { Material } from "./work.js";

const title = (o: Outcome): string => `### ${o.experiment.title}\n`;
const skipped = (o: Outcome): string => `${title(o)}\nSkipped: ${o.skipped}.\n`;

const each = (outcomes: readonly Outcome[], body: (o: Outcome) => string): string =>
  outcomes.map((o) => (o.runs ? `${title(o)}\n${body(o)}\n` : skipped(o))).join("\n");

/** What the paper claims of Table 1, and whether it shows here. */
function claims(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap((o) => {
    if (!o.runs) return [];
    const of = comparisons(o, (r) => r.test.accuracy);
    return (["cr-sam", "cr-sam-paper"] as const).flatMap((method) => {
      const c = of.find((x) => x.method === method);
      if (!c) return [];
      const name = `${labelOf(method, o.experiment)} against ${labelOf(c.control, o.experiment)}`;
      const points = (100 * mean(c.difference)).toFixed(2);
      const verdict = Number.isNaN(c.p)
        ? `${points} points; too few seeds for a test`
        : c.p < 0.05
          ? `${points} points (p = ${c.p.toFixed(3)}): the claim ${mean(c.difference) > 0 ? "shows" : "is contradicted"}`
          : `${points} points (p = ${c.p.toFixed(3)}): the claim does not show at this scale`;
      return [`- ${o.experiment.title}: ${name}: ${verdict}.`];
    });
  });
  return lines.join("\n");
}

/** The directions that figures 1 and 2 of the paper show, and what is seen here. */
function directions(seeds: readonly Tracked[]): string {
  const change = (of: Parameters<typeof rows>[2]) => {
    const per = seeds.map((s) => of(s.looks.at(-1)!) - of(s.looks.find((l) => l.epoch > 0)!));
    const ups = per.filter((d) => d > 0).length;
    return `${ups === per.length ? "rises" : ups === 0 ? "falls" : "goes both ways"} from the first look after the start to the last (up for ${ups} of ${per.length} seeds)`;
  };
  const ratio = (x: number) => (Number.isFinite(x) ? `${x.toFixed(1)}×` : "of opposite sign");
  return [
    `- The paper: the approximation ratio falls. Here it ${change((l) => l.ratio.ratio)}.`,
    `- The paper: C(w) rises. Here, on training images, it ${change((l) => l.train.normalizedTrace)}.`,
    "- The paper: C agrees between training and test images where trace and eigenvalue differ up to 50 times. " +
      `Here the largest disagreement after the start is ${ratio(disagreement(seeds, (c) => c.normalizedTrace))} for C, ` +
      `${ratio(disagreement(seeds, (c) => c.trace))} for the trace, ${ratio(disagreement(seeds, (c) => c.topEigenvalue))} for the largest eigenvalue.`,
  ].join("\n");
}

async function landscapes(folder: string, outcomes: readonly Outcome[]): Promise<string> {
  const out: string[] = [];
  for (const o of outcomes) {
    const all: Named[] = [...(o.runs ?? [])].flatMap(([method, runs]) => {
      const landscape = runs.find((r) => r.landscape)?.landscape;
      const wanted = method === "base" || method === "sam" || method === "cr-sam";
      return landscape && wanted ? [{ label: labelOf(method, o.experiment), landscape }] : [];
    });
    if (all.length > 0)
      out.push(
        title(o),
        await draw(folder, {
          ...figure4(all, o.experiment.title),
          name: `figure4-${o.experiment.name}`,
        }),
      );
  }
  return out.join("\n");
}

export async function writeReport(
  parts: readonly PartName[],
  material: Material,
  { scaleName, store, folders }: Context,
): Promise<string> {
  const wants = (p: PartName) => parts.includes(p);
  const { table1, table2, tracked } = material;
  const sections: string[] = [];
  const command = [
    "npm run reproduce --",
    parts.length === 6 ? "all" : parts.join(" "),
    "--scale",
    scaleName,
    ...(Object.keys(folders).length ? ["(and folders of data)"] : []),
  ].join(" ");
  sections.push(
    `# Reproduction of CR-SAM, scale "${scaleName}"\n`,
    `Made by \`${command}\` from the files in [raw](raw): this page has no numbers of its own. ± is one standard deviation over seeds. Hyperparameters come from a held-out part of the training images where there is a grid, never from test images. The paper's own numbers are of networks and data sets far larger; what shows there need not show here, and the other way round.\n`,
  );
  if (table1 && wants("table1")) {
    sections.push(
      "## Table 1: accuracy\n",
      "Every variant of CR-SAM stands beside its control, what it would be if the loss were quadratic: a SAM with a larger radius. Only a difference from that is an effect of curvature.\n",
      each(table1, accuracyTable),
      "What the paper claims:\n",
      `${claims(table1)}\n`,
    );
  }
  if (table2 && wants("table2")) {
    sections.push(
      "## Table 2: an adaptive optimizer, and corrupted test images\n",
      table2.length === 0
        ? "The paper's Table 2 is of ImageNet-1k, -C and -R with ResNet-50, ResNet-101 and ViTs, which are not part of this program.\n"
        : "The paper's networks here are vision transformers on ImageNet-1k, -C and -R; at this scale an MLP trained by AdamW stands for them, tested on corruptions after ImageNet-C.\n",
      each(table2, (o) => `${accuracyTable(o)}\n\n${corruptionTable(o)}`),
    );
  }
  if (table1 && wants("table3")) {
    sections.push(
      "## Table 3: curvature at the end of training, on test images\n",
      "Trace by Hutchinson, eigenvalue by Lanczos, C(w) = trace / ‖∇L‖; batch norm by its running statistics.\n",
      each(table1, curvatureTable),
    );
  }
  if (tracked?.seeds && (wants("figure1") || wants("figure2"))) {
    const { title: name } = tracked.experiment;
    sections.push("## Figures 1 and 2: while SAM trains\n");
    if (wants("figure1")) sections.push(await draw(store.folder, figure1(tracked.seeds, name)));
    if (wants("figure2")) sections.push(await draw(store.folder, figure2(tracked.seeds, name)));
    sections.push(`${directions(tracked.seeds)}\n`);
  } else if (tracked?.skipped)
    sections.push(`## Figures 1 and 2\n\nSkipped: ${tracked.skipped}.\n`);
  if (table1 && wants("figure4")) {
    sections.push("## Figure 4: loss landscapes\n", await landscapes(store.folder, table1));
  }
  await mkdir(store.folder, { recursive: true });
  const file = join(store.folder, "README.md");
  await writeFile(file, `${sections.join("\n").trimEnd()}\n`);
  return file;
}

/** The report: Markdown and figures, made from raw results alone. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { claimsTable } from "./claims.js";
import type { Context } from "./context.js";
import { figure1, figure2 } from "./figures.js";
import { optionOf } from "./images.js";
import { figure4, type Named } from "./landscapes.js";
import { labelOf } from "./methods.js";
import { type Outcome, type PartName, partNames } from "./parts.js";
import { draw } from "./pictures.js";
import { accuracyTable, corruptionTable, curvatureTable } from "./tables.js";
import type { Material } from "./work.js";

const title = (o: Outcome): string => `### ${o.experiment.title}\n`;

/** A section for each experiment; one without results says why. */
const each = (
  outcomes: readonly Outcome[],
  command: string,
  body: (o: Outcome) => string,
): string =>
  outcomes
    .map((o) => {
      if (o.runs && o.runs.size > 0) return `${title(o)}\n${body(o)}\n`;
      const why =
        o.skipped === undefined
          ? `Not run so far: \`${command}\` goes on from here.`
          : `Skipped: ${o.skipped}.`;
      return `${title(o)}\n${why}\n`;
    })
    .join("\n");

async function landscapes(folder: string, outcomes: readonly Outcome[]): Promise<string> {
  const out: string[] = [];
  for (const o of outcomes) {
    const all: Named[] = [...(o.runs ?? [])].flatMap(([method, runs]) => {
      const landscape = runs.find((r) => r.landscape)?.landscape;
      const wanted = method === "base" || method === "sam" || method === "cr-sam";
      return landscape && wanted ? [{ label: labelOf(method, o.experiment), landscape }] : [];
    });
    if (all.length === 0) continue;
    const picture = figure4(all, o.experiment.title);
    out.push(title(o), await draw(folder, { ...picture, name: `figure4-${o.experiment.name}` }));
  }
  return out.length > 0 ? out.join("\n") : "Not run so far.\n";
}

const minutes = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

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
    parts.length === partNames.length ? "all" : parts.join(" "),
    `--scale ${scaleName}`,
    ...Object.keys(folders).map((name) => `${optionOf(name as keyof typeof folders)} FOLDER`),
  ].join(" ");
  const made = [...material.seconds].map(([device, s]) => `${minutes(s)} on ${device}`);
  sections.push(
    `# Reproduction of CR-SAM, scale "${scaleName}"\n`,
    `Made by \`${command}\` from the files in [raw](raw)${made.length > 0 ? ` (${made.join(", ")})` : ""}: this page has no numbers of its own. ± is one standard deviation over seeds. Hyperparameters come from a held-out part of the training images where there is a grid, else they are the paper's; never are they chosen on test images. The paper's own numbers are of networks and data sets far larger: what shows there need not show here, and the other way round.\n`,
  );
  const claims = claimsTable(material);
  if (claims) {
    sections.push(
      "## What the paper claims, and what shows here\n",
      "Differences are paired by seed, first minus second; p is of a two-sided Wilcoxon signed-rank test after Holm's correction. A variant's control is what it would be if the loss were quadratic, a SAM with a larger radius: only a difference from that is an effect of curvature. The paper compares with SAM alone.\n",
      `${claims}\n`,
    );
  }
  if (table1 && wants("table1")) {
    sections.push(
      "## Table 1: accuracy\n",
      "Every variant of CR-SAM stands beside its control.\n",
      each(table1, command, accuracyTable),
    );
  }
  if (table2 && wants("table2")) {
    sections.push(
      "## Table 2: an adaptive optimizer, and corrupted test images\n",
      "Corruptions are those of ImageNet-C that need no other data, on the test images of the experiment.\n",
      each(table2, command, (o) => `${accuracyTable(o)}\n\n${corruptionTable(o)}`),
    );
  }
  if (table1 && wants("table3")) {
    const measured = table1.filter((o) => o.experiment.measure?.includes("curvature") ?? true);
    sections.push(
      "## Table 3: curvature at the end of training, on test images\n",
      "Trace by Hutchinson, eigenvalue by Lanczos, C(w) = trace / ‖∇L‖; batch norm by its running statistics.\n",
      each(measured, command, curvatureTable),
    );
    if (measured.length < table1.length) {
      sections.push("Networks that are not here are measured at the larger scales only.\n");
    }
  }
  if (wants("figure1") || wants("figure2")) {
    sections.push("## Figures 1 and 2: while SAM trains\n");
    if (tracked?.seeds) {
      const { title: name, seeds } = tracked.experiment;
      if (tracked.seeds.length < seeds) {
        sections.push(
          `${tracked.seeds.length} of ${seeds} seeds so far: \`${command}\` goes on from here.\n`,
        );
      }
      if (wants("figure1")) sections.push(await draw(store.folder, figure1(tracked.seeds, name)));
      if (wants("figure2")) sections.push(await draw(store.folder, figure2(tracked.seeds, name)));
    } else {
      sections.push(
        tracked?.skipped === undefined
          ? `Not run so far: \`${command}\` goes on from here.\n`
          : `Skipped: ${tracked.skipped}.\n`,
      );
    }
  }
  if (table1 && wants("figure4")) {
    sections.push("## Figure 4: loss landscapes\n", await landscapes(store.folder, table1));
  }
  await mkdir(store.folder, { recursive: true });
  const file = join(store.folder, "README.md");
  await writeFile(file, `${sections.join("\n").trimEnd()}\n`);
  return file;
}

/**
 * What was measured, kept in bench/results by workload, so that a long report can be made in several
 * runs: each replaces what it measured again and leaves the rest.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Comparison, Figures, Section, Table } from "./results.js";

const folder = fileURLToPath(new URL("../results/", import.meta.url));

interface Stored {
  readonly section: Section;
  readonly figures: Readonly<Record<string, number>>;
  /** The machine, the adapter and the versions, as the last run found them. */
  readonly machine: readonly string[];
  readonly rounds: number;
}

const pathOf = (workload: string): string => `${folder}${workload}.json`;
const read = (workload: string): Stored | undefined =>
  existsSync(pathOf(workload))
    ? (JSON.parse(readFileSync(pathOf(workload), "utf8")) as Stored)
    : undefined;

/** Put a run's parts of a section in the place of earlier ones of the same titles. */
export function keep(workload: string, run: Stored, when: string): void {
  const before = read(workload);
  const fresh = run.section.parts.map((p): Comparison | Table => ({ ...p, measured: when }));
  const old = before?.section.parts ?? [];
  const parts = [
    ...old.map((p) => fresh.find((q) => q.title === p.title) ?? p),
    ...fresh.filter((p) => old.every((q) => q.title !== p.title)),
  ];
  const figures = { ...before?.figures, ...run.figures };
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    pathOf(workload),
    JSON.stringify({ ...run, section: { ...run.section, parts }, figures }),
  );
}

export interface Kept {
  readonly sections: readonly Section[];
  readonly figures: Figures;
  readonly machine: readonly string[];
  readonly rounds: number;
}

/** Everything that is kept, in the order of the workloads. */
export function keptResults(workloads: readonly string[]): Kept | undefined {
  const found = workloads.map(read).filter((x) => x !== undefined);
  const last = found.toSorted((a, b) => b.machine.length - a.machine.length)[0];
  if (!last) return undefined;
  const figures: Figures = new Map(found.flatMap((x) => Object.entries(x.figures)));
  return {
    sections: found.map((x) => x.section),
    figures,
    machine: last.machine,
    rounds: Math.max(...found.map((x) => x.rounds)),
  };
}

/** The file for something that belongs to the results. */
export function resultFile(name: string): string {
  mkdirSync(folder, { recursive: true });
  return `${folder}${name}`;
}

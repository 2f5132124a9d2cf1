/**
 * What was measured, kept in docs/results/bench by workload, so that a long report can be made in several
 * runs: each replaces what it measured again and leaves the rest. Figures of another machine or adapter are
 * never mixed in: the next run there starts a report of its own.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Comparison, Figures, Section, Table } from "./results.js";

const folder = fileURLToPath(new URL("../../docs/results/bench/", import.meta.url));

interface Stored {
  readonly section: Section;
  readonly figures: Readonly<Record<string, number>>;
  /** The machine, the adapter and the versions, as the last run found them. */
  readonly machine: readonly string[];
  readonly rounds: number;
  /** When the last run ended, as ISO 8601 has it. */
  readonly at: string;
}

/** Machine and adapter: the lines that must be equal for figures to stand in one report. */
const place = (x: Stored): string => x.machine.slice(0, 2).join("\n");

const pathOf = (workload: string): string => `${folder}${workload}.json`;
const read = (workload: string): Stored | undefined =>
  existsSync(pathOf(workload))
    ? (JSON.parse(readFileSync(pathOf(workload), "utf8")) as Stored)
    : undefined;

/** Put a run's parts of a section in the place of earlier ones of the same titles. */
export function keep(workload: string, measured: Omit<Stored, "at">, when: string): void {
  const run = { ...measured, at: new Date().toISOString() };
  const there = read(workload);
  const before = there && place(there) === place(run) ? there : undefined;
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
    `${JSON.stringify({ ...run, section: { ...run.section, parts }, figures }, null, 1)}\n`,
  );
}

export interface Kept {
  readonly sections: readonly Section[];
  readonly figures: Figures;
  readonly machine: readonly string[];
  readonly rounds: number;
}

/** Everything that is kept of the machine that measured last, in the order of the workloads. */
export function keptResults(workloads: readonly string[]): Kept | undefined {
  const all = workloads.map(read).filter((x) => x !== undefined);
  const newest = all.toSorted((a, b) => b.at.localeCompare(a.at))[0];
  const found = all.filter((x) => place(x) === place(newest!));
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

/** The report, in Markdown. */
import { table, withRange } from "./format.js";
import type { Comparison, Section, Table } from "./results.js";

const measured = (part: Comparison | Table): string[] =>
  part.measured === undefined ? [] : [`- Measured ${part.measured}.`];

function comparison(c: Comparison): string[] {
  const rated = c.rows.some((r) => r.rate);
  const rows = c.rows.map((r) => [
    r.name,
    withRange(r.ms),
    ...(rated ? [r.rate ?? ""] : []),
    r === c.rows[0] && r.name === "dawngrad"
      ? "1"
      : c.rows[0]?.name === "dawngrad"
        ? withRange(r.ratio)
        : "—",
    String(r.rounds),
  ]);
  const head = ["", "ms", ...(rated ? ["rate"] : []), "dawngrad / this", "rounds"];
  return [
    `### ${c.title}`,
    "",
    ...table(head, rows),
    "",
    ...c.absent.map((a) => `- ${a.name}: no figure (${a.reason})`),
    `- Checked: ${c.checked}.`,
    ...measured(c),
    "",
  ];
}

const plain = (t: Table): string[] => [
  `### ${t.title}`,
  "",
  ...table(t.head, t.rows),
  "",
  ...t.notes.map((n) => `- ${n}`),
  ...measured(t),
  "",
];

export function sectionText(s: Section): string[] {
  return [
    `## ${s.title}`,
    "",
    ...(s.text ? [s.text, ""] : []),
    ...s.parts.flatMap((p) => (p.kind === "comparison" ? comparison(p) : plain(p))),
  ];
}

export interface Aim {
  readonly work: string;
  readonly wanted: string;
  readonly measured: string;
  readonly met: boolean | undefined;
}

export const aimsText = (aims: readonly Aim[]): string[] => [
  "## Aims and where they stand",
  "",
  "Ratios of one run. What was not measured in it has a dash.",
  "",
  ...table(
    ["work", "aim", "measured", "reached"],
    aims.map((a) => [
      a.work,
      a.wanted,
      a.measured,
      a.met === undefined ? "—" : a.met ? "yes" : "no",
    ]),
  ),
  "",
];

export const introduction = (machine: readonly string[], rounds: number): string[] => [
  "# Benchmarks",
  "",
  "Written by `npm run bench -- --write`, in one run or in several that each measure a part",
  "(`--only`); every part says when. Contestants take turns in one process (PyTorch in one that",
  `waits in between), ${rounds} rounds of blocks of about equal length: a time is the median of its blocks with the`,
  "fastest and the slowest; a ratio is the median of the blocks' own ratios with the middle half.",
  "Compare ratios within a run, not times between runs. No figure is printed for a kernel whose result",
  "was not checked in the same run.",
  "",
  ...machine.map((m) => `- ${m}`),
  "",
];

/**
 * Segments of a dispatch that differ in numbers only (sizes, offsets, counts of loops: the leaves of a
 * tree, say) as one function with a row of numbers for each. So a shader's length, and the time to
 * compile it, depend on the different things it does and not on the number of arrays.
 */
import type { ModuleBuilder } from "./module.js";

/** A function `fn NAME(group, local) { BODY }` to be, for some workgroups. */
export interface Segment {
  /** Statements of `group` and `local`, the workgroup and thread within the segment. */
  readonly body: string;
  readonly workgroups: number;
}

// Divisors stay as they are: dividing by a constant is cheap, by anything else it is not.
const number = /(?<![/%] )\b(\d+)u\b/g;

interface Family {
  /** The text between the numbers. */
  readonly parts: readonly string[];
  readonly members: { readonly numbers: readonly string[]; readonly workgroups: number }[];
}

function families(segments: readonly Segment[]): Family[] {
  const found = new Map<string, Family>();
  for (const { body, workgroups } of segments) {
    const numbers = [...body.matchAll(number)].map((m) => m[1]!);
    const skeleton = body.replace(number, "#");
    let family = found.get(skeleton);
    if (!family) {
      family = { parts: skeleton.split("#"), members: [] };
      found.set(skeleton, family);
    }
    family.members.push({ numbers, workgroups });
  }
  return [...found.values()];
}

/** Which row of a table a workgroup belongs to: the last that begins at or before it. */
const findRow = (
  word: string,
): string => `fn row_of(group: u32, table: u32, rows: u32, width: u32) -> u32 {
var low = 0u;
var high = rows;
while (high - low > 1u) {
let middle = (low + high) / 2u;
if (${word}(table + middle * width) <= group) { low = middle; } else { high = middle; }
}
return table + low * width;
}`;

export interface Segments {
  readonly functions: readonly string[];
  /** Statements that send each workgroup, numbered by `group`, to its segment. */
  readonly calls: readonly string[];
  readonly workgroups: number;
}

/** The functions of all segments, and which workgroups call which. */
export function joinSegments(segments: readonly Segment[], module: ModuleBuilder): Segments {
  const functions: string[] = [];
  const calls: string[] = [];
  let total = 0;
  const all = families(segments);
  all.forEach(({ parts, members }, i) => {
    const from = total;
    const first = members[0]!.numbers;
    const varying = first.map((n, k) => members.some((m) => m.numbers[k] !== n));
    // Numbers that vary alike are one column.
    const columns = new Map<string, number>();
    const texts = first.map((n, k) => {
      if (!varying[k]) return `${n}u`;
      const values = members.map((m) => m.numbers[k]!).join(" ");
      const column = columns.get(values) ?? columns.size;
      columns.set(values, column);
      return `n${column}`;
    });
    const body = parts.map((part, k) => part + (texts[k] ?? "")).join("");
    const name = `segment${i}`;
    let call: string;
    if (members.length === 1) {
      functions.push(`fn ${name}(group: u32, local: u32) {\n${body}\n}`);
      call = `${name}(${from === 0 ? "group" : `group - ${from}u`}, local);`;
    } else {
      const lists = [...columns.keys()].map((values) => values.split(" ").map(Number));
      const width = 1 + lists.length;
      const rows: number[] = [];
      let start = from;
      members.forEach((m, row) => {
        rows.push(start, ...lists.map((values) => values[row]!));
        start += m.workgroups;
      });
      const table = module.table(rows);
      const lets = lists.map((_, c) => `let n${c} = ${module.wordAt(`row + ${c + 1}u`)};`);
      functions.push(
        [
          `fn ${name}(first: u32, local: u32, row: u32) {`,
          `let group = first - ${module.wordAt("row")};`,
          ...lets,
          body,
          "}",
        ].join("\n"),
      );
      call = `${name}(group, local, row_of(group, ${table}u, ${members.length}u, ${width}u));`;
    }
    total += members.reduce((n, m) => n + m.workgroups, 0);
    calls.push(i === all.length - 1 ? call : `if (group < ${total}u) { ${call} return; }`);
  });
  if (all.some((f) => f.members.length > 1)) functions.unshift(findRow("word"));
  return { functions, calls, workgroups: total };
}

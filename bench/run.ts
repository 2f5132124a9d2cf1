/**
 * `npm run bench`: dawngrad beside everything else that can do the same work here, in one run.
 *
 *     npm run bench -- --quick                     small shapes, few rounds
 *     npm run bench -- --only "matmul" --only mlp  what a name contains
 *     npm run bench -- --write                     the report into docs/benchmarks.md
 *     npm run bench -- --report --write            that of what earlier runs kept in docs/results/bench
 *     npm run bench -- --profile                   time by kernel of a step of each model
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hideDawnWarnings, init } from "dawngrad";
import { aimsOf } from "./harness/aims.js";
import type { Context } from "./harness/context.js";
import { limitsText } from "./harness/limits.js";
import { describeMachine, whenMeasured } from "./harness/machine.js";
import { aimsText, introduction, sectionText } from "./harness/report.js";
import type { Figures, Section } from "./harness/results.js";
import { keep, keptResults } from "./harness/store.js";
import { ExternalTexts } from "./kernels/external.js";
import { librariesOf, openPeers } from "./libraries/peers.js";
import { profileModels } from "./profile.js";
import { workloads } from "./workloads/index.js";

const help = `npm run bench -- [options]
  --only TEXT     measure only what has TEXT in its name or title (may be given again)
  --rounds N      rounds that contestants alternate (9; 3 with --quick)
  --quick         small shapes and few rounds: does it work?
  --peers TEXT    compare only with libraries that have TEXT in their names; none for no other
  --kernels DIR   also run the WGSL texts found there
  --write         write the report to docs/benchmarks.md: what this run measured, and the rest as
                  earlier runs left it in docs/results/bench
  --json FILE     write what this run measured to FILE, and leave docs/results/bench alone
  --report        measure nothing: the report of what docs/results/bench holds
  --profile       a step of each model, kernel by kernel, with a trace for chrome://tracing
  --list          what there is to measure`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    peers: { type: "string", multiple: true, default: [] },
    kernels: { type: "string" },
    write: { type: "boolean", default: false },
    json: { type: "string" },
    report: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const { quick } = flags;
const rounds = Number(flags.rounds ?? (quick ? 3 : 9));
if (flags.help || !Number.isInteger(rounds) || rounds < 1) {
  console.log(help);
  process.exit(flags.help ? 0 : 1);
}
if (flags.list) {
  for (const w of workloads) console.log([w.name, ...w.titles({ quick })].join("\n  "));
  process.exit(0);
}

const contains = (text: string, parts: readonly string[]): boolean =>
  parts.some((p) => text.toLowerCase().includes(p.toLowerCase()));

/** The report of all that is kept, printed, and written where that is asked for. */
function report(): void {
  const kept = keptResults(workloads.map((w) => w.name));
  if (!kept) throw new Error("docs/results/bench is empty: measure something first");
  const aims = aimsOf(kept.sections, kept.figures);
  const lines = [
    ...introduction(kept.machine, kept.rounds),
    ...aimsText(aims),
    ...limitsText(aims),
    ...kept.sections.flatMap(sectionText),
  ];
  const text = `${lines.join("\n").trimEnd()}\n`;
  console.log(text);
  if (!flags.write) return;
  writeFileSync(fileURLToPath(new URL("../docs/benchmarks.md", import.meta.url)), text);
}

if (flags.report) {
  report();
  process.exit(0);
}

hideDawnWarnings();
await init();
if (flags.profile) {
  await profileModels(quick, flags.only);
  process.exit(0);
}
const peers = await openPeers((name) => flags.peers.length === 0 || contains(name, flags.peers));
for (const { name, reason } of peers.absent) console.error(`without ${name}: ${reason}`);
const texts = new ExternalTexts(flags.kernels);
for (const name of texts.unknown()) console.error(`${name}.wgsl: its shape is not known here`);

const measured: Section[] = [];
for (const workload of workloads) {
  const named = flags.only.length === 0 || contains(workload.name, flags.only);
  const wants = (title: string): boolean => named || contains(title, flags.only);
  if (!named && !workload.titles({ quick }).some(wants)) continue;
  const figures: Figures = new Map();
  const load = loadavg()[0]!;
  const context: Context = {
    quick,
    timing: { rounds, blockMs: quick ? 30 : 120, budgetMs: quick ? 2_000 : 15_000 },
    peers,
    figures,
    texts,
    wants,
    log: (line) => console.error(line),
  };
  const section = await workload.run(context);
  measured.push(section);
  // Small shapes are for trying out: they are not what the report is about.
  if (quick || flags.json !== undefined) continue;
  const machine = describeMachine(librariesOf(peers));
  const run = { section, figures: Object.fromEntries(figures), machine, rounds };
  keep(workload.name, run, whenMeasured(load));
}
if (flags.json !== undefined) {
  writeFileSync(flags.json, JSON.stringify({ sections: measured }));
  console.log("{}");
} else if (quick) console.log(measured.flatMap(sectionText).join("\n"));
else report();
peers.torch1?.close();
peers.torch2?.close();
process.exit(0);

/**
 * `npm run fuzz -- --runs N [--seed S] [--device] [--control] [--law TEXT]`: the laws over random
 * programs (with --control: loops and branches among them) from a fresh seed. On failure prints the
 * shrunk program and how to run it again, and exits with 1.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { program } from "../src/testing/arbitraries.js";
import { deviceLaws } from "../test/laws/device-laws.js";
import { Discard, type Law, laws } from "../test/laws/laws.js";

const options = {
  runs: { type: "string", default: "1000" },
  seed: { type: "string" },
  law: { type: "string" },
  device: { type: "boolean", default: false },
  control: { type: "boolean", default: false },
  steps: { type: "string", default: "12" },
  help: { type: "boolean", short: "h", default: false },
} as const;

const usage =
  "usage: npm run fuzz -- [--runs N] [--seed S] [--law TEXT] [--device] [--control] [--steps N]";

function stop(text: string): never {
  console.error(text);
  process.exit(2);
}

function flags() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return stop(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}

const values = flags();
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const runs = Number(values.runs);
const steps = Number(values.steps);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
if (![runs, steps].every((n) => Number.isInteger(n) && n >= 1) || !Number.isInteger(seed)) {
  stop(usage);
}

const all: readonly Law[] = values.device ? await deviceLaws() : laws;
const chosen = all.filter((law) => law.name.includes(values.law ?? ""));
if (chosen.length === 0) {
  const names = all.map((law) => `  ${law.name}`).join("\n");
  const more = values.device ? "" : "\n(those of the device: with --device)";
  stop(`no law has "${values.law}" in its name; there are\n${names}${more}`);
}
// Each law sees its share, so that N is the number of programs in all.
const each = Math.max(1, Math.ceil(runs / Math.max(1, chosen.length)));
console.log(`${chosen.length} laws, ${each} programs each, seed ${seed}`);
let failed = 0;
for (const law of chosen) {
  let discarded = 0;
  const started = performance.now();
  const result = await fc.check(
    fc.asyncProperty(program({ maxSteps: steps, control: values.control }), async (p) => {
      try {
        await law.check(p);
      } catch (error) {
        if (!(error instanceof Discard)) throw error;
        discarded++;
      }
    }),
    { numRuns: each, seed },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (!result.failed) {
    console.log(
      `ok    ${law.name} (${each - discarded} tested, ${discarded} discarded, ${seconds} s)`,
    );
    continue;
  }
  failed++;
  const shrunk = result.counterexample![0];
  console.log(
    `FAIL  ${law.name} (program ${result.numRuns}, shrunk ${result.numShrinks} times, ${seconds} s)`,
  );
  console.log(`${shrunk}\n`);
  console.log(String(result.errorInstance));
  const same = [values.device && " --device", values.control && " --control"]
    .filter(Boolean)
    .join("");
  console.log(
    `again: npm run fuzz -- --runs ${runs} --seed ${seed} --steps ${steps}${same} --law "${law.name}"\n`,
  );
}
console.log(failed === 0 ? "no law failed" : `${failed} law(s) failed`);
process.exit(failed === 0 ? 0 : 1);

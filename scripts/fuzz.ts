/**
 * `npm run fuzz -- --runs N [--seed S] [--device] [--control] [--law TEXT]`: the laws over random
 * programs (with --control: loops and branches among them) from a fresh seed. On failure prints the shrunk program and how to run it again, and exits with 1.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { program } from "../src/testing/arbitraries.js";
import { deviceLaws } from "../test/laws/device-laws.js";
import { Discard, type Law, laws } from "../test/laws/laws.js";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string" },
    law: { type: "string" },
    device: { type: "boolean", default: false },
    control: { type: "boolean", default: false },
    steps: { type: "string", default: "12" },
  },
});
const runs = Number(values.runs);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
if (!Number.isInteger(runs) || runs < 1 || !Number.isInteger(seed)) {
  console.error(
    "usage: npm run fuzz -- [--runs N] [--seed S] [--law TEXT] [--device] [--control] [--steps N]",
  );
  process.exit(2);
}

const chosen: readonly Law[] = (values.device ? await deviceLaws() : laws).filter(
  (law) => values.law === undefined || law.name.includes(values.law),
);
// Each law sees its share, so that N is the number of programs in all.
const each = Math.max(1, Math.ceil(runs / Math.max(1, chosen.length)));
console.log(`${chosen.length} laws, ${each} programs each, seed ${seed}`);
let failed = 0;
for (const law of chosen) {
  let discarded = 0;
  const started = performance.now();
  const result = await fc.check(
    fc.asyncProperty(
      program({ maxSteps: Number(values.steps), control: values.control }),
      async (p) => {
        try {
          await law.check(p);
        } catch (error) {
          if (!(error instanceof Discard)) throw error;
          discarded++;
        }
      },
    ),
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
  console.log(
    `again: npm run fuzz -- --runs ${runs} --seed ${seed}${values.device ? " --device" : ""}${values.control ? " --control" : ""} --law "${law.name}"\n`,
  );
}
console.log(failed === 0 ? "no law failed" : `${failed} law(s) failed`);
process.exit(failed === 0 ? 0 : 1);

/**
 * Models at their published size: what a step costs, and steps that are run. Results are kept in
 * docs/results/models.json, of which docs/models.md is made.
 *
 *     npm run models                              # every model, traced and scheduled
 *     npm run models -- resnet101                 # one
 *     npm run models -- resnet50 --run            # CR-SAM steps on the device, checked against PyTorch
 */
import { readFile, writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { hideDawnWarnings, init } from "dawngrad";
import { entryOf, type ModelName, modelNames } from "./models/catalogue.js";
import { planOf } from "./models/plan.js";
import { type Recorded, report } from "./models/report.js";
import { runModel } from "./models/run.js";

const results = new URL("../docs/results/models.json", import.meta.url);
const page = new URL("../docs/models.md", import.meta.url);

interface Options {
  readonly run: boolean;
  readonly batch: number;
  readonly steps: number;
  readonly python: string | false;
  readonly adapter: "auto" | "hardware" | "software";
  readonly write: boolean;
  readonly page: boolean;
}

const count = (text: string): number => {
  const n = Number(text);
  if (Number.isInteger(n) && n > 0) return n;
  throw new Error(`expected a positive integer, got ${text}`);
};

const command = new Command("npm run models --")
  .description("What training steps of the models cost at their published size.")
  .argument("[models...]", `of ${modelNames.join(", ")} (default: all)`)
  .option("--run", "run CR-SAM steps on the device", false)
  .option("--batch <n>", "images in a step", count, 2)
  .option("--steps <n>", "steps to run", count, 3)
  .option("--python <program>", "Python with torch and torchvision", "python3")
  .option("--no-python", "do not compare with PyTorch")
  .option("--no-write", "print only")
  .option("--page", "measure nothing: make the page again from what was recorded", false)
  .addOption(
    new Option("--adapter <kind>").choices(["auto", "hardware", "software"]).default("auto"),
  )
  .parse();
const options = command.opts<Options>();
const wanted = command.args.length > 0 ? command.args : modelNames;
for (const name of wanted) {
  if (!modelNames.includes(name as ModelName)) {
    command.error(`error: there is no model "${name}"; there are ${modelNames.join(", ")}.`);
  }
}

const read = async (): Promise<Recorded> => {
  const text = await readFile(results, "utf8").catch(() => "{}");
  return JSON.parse(text) as Recorded;
};

if (options.page) {
  await writeFile(page, report(await read()));
  process.exit(0);
}
hideDawnWarnings();
await init({ adapter: options.adapter });
for (const name of wanted as readonly ModelName[]) {
  const found = options.run
    ? {
        run: await runModel(
          name,
          options.batch,
          options.steps,
          options.python === false ? undefined : options.python,
          console.log,
        ),
      }
    : { plan: planOf(entryOf(name), options.batch) };
  if (found.plan) {
    const { traceMs, scheduleMs, textMs, dispatches } = found.plan.methods["cr-sam"];
    console.log(
      `${name}: ${found.plan.parameters.toLocaleString("en")} parameters; a CR-SAM step is ${dispatches} ` +
        `dispatches, traced in ${(traceMs / 1000).toFixed(2)} s and scheduled in ` +
        `${(scheduleMs / 1000).toFixed(2)} s (shaders' text: ${(textMs / 1000).toFixed(2)} s)`,
    );
  }
  if (!options.write) continue;
  // Read again: others may have written meanwhile.
  const before = await read();
  const merged = { ...before, [name]: { ...before[name], ...found } };
  await writeFile(results, `${JSON.stringify(merged, null, 2)}\n`);
  await writeFile(page, report(merged));
}
process.exit(0);

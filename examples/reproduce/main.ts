/**
 * The paper's tables and figures: `npm run reproduce -- all --scale small`. What is done is kept as raw
 * results, so that an interrupted run goes on where it was.
 */
import { resolve } from "node:path";
import { Argument, Command, Option } from "commander";
import { DawngradError, hideDawnWarnings, init } from "dawngrad";
import { writableFolder } from "../cr-sam-mnist/out-folder.js";
import type { Context } from "./context.js";
import type { Folders } from "./images.js";
import { type PartName, partNames } from "./parts.js";
import { progressOn } from "./progress.js";
import { writeReport } from "./report.js";
import { scales } from "./scales.js";
import { type ScaleName, scaleNames } from "./settings.js";
import { storeIn } from "./store.js";
import { material, work } from "./work.js";

interface Options {
  readonly scale: ScaleName;
  readonly out?: string;
  readonly fashion?: string;
  readonly cifar?: string;
  readonly cifar100?: string;
  readonly imagenet?: string;
  readonly imagenetC?: string;
  readonly imagenetR?: string;
  readonly adapter: "auto" | "hardware" | "software";
  /** Train nothing: the report of what is there. */
  readonly report?: boolean;
  readonly quiet: boolean;
}

const program = (): Command =>
  new Command("npm run reproduce --")
    .description("Makes the paper's tables and figures, and a report of them.")
    .addArgument(new Argument("<parts...>", "what to make").choices([...partNames, "all"]))
    .addOption(
      new Option("--scale <name>", "how much to train").choices(scaleNames).default("small"),
    )
    .option("--fashion <folder>", "Fashion-MNIST's IDX files")
    .option("--cifar <folder>", "CIFAR-10, binary version")
    .option("--cifar100 <folder>", "CIFAR-100, binary version")
    .option("--imagenet <folder>", "ImageNet-1k: train and val, a folder a class in each")
    .option("--imagenet-c <folder>", "ImageNet-C: corruption, severity and class as folders")
    .option("--imagenet-r <folder>", "ImageNet-R: a folder a class")
    .option("--out <folder>", 'results and report (default: "docs/results/SCALE")')
    .addOption(
      new Option("--adapter <kind>", "device")
        .choices(["auto", "hardware", "software"])
        .default("auto"),
    )
    .option("--report", "train nothing: write the report of the raw results that are there", false)
    .option("--quiet", "print nothing but the report's place", false);

const given = <T extends object>(x: T): T =>
  Object.fromEntries(Object.entries(x).filter(([, v]) => v !== undefined)) as T;

/** Makes the parts; returns the report's file. */
export async function reproduce(
  asked: readonly (PartName | "all")[],
  options: Options,
  signal: AbortSignal,
  stream: NodeJS.WritableStream = process.stdout,
): Promise<string> {
  const parts = asked.includes("all") ? partNames : partNames.filter((p) => asked.includes(p));
  const out = resolve(options.out ?? `docs/results/${options.scale}`);
  await writableFolder(out);
  const progress = progressOn(stream, options.quiet);
  let name = "none";
  if (!options.report) {
    const device = await init({ adapter: options.adapter });
    name = device.description || device.vendor;
    progress.log(`device ${name}`);
  }
  const folders = given({
    "fashion-mnist": options.fashion,
    "cifar-10": options.cifar,
    "cifar-100": options.cifar100,
    imagenet: options.imagenet,
    "imagenet-c": options.imagenetC,
    "imagenet-r": options.imagenetR,
  }) as Folders;
  const context: Context = {
    scaleName: options.scale,
    scale: scales[options.scale],
    folders,
    store: storeIn(out, name),
    progress,
    signal,
  };
  const report = async () => writeReport(parts, await material(parts, context), context);
  try {
    if (!options.report) await work(parts, context, report);
  } catch (error) {
    if (signal.aborted) await report();
    throw error;
  }
  return report();
}

async function main(): Promise<number> {
  const command = program();
  command.parse();
  hideDawnWarnings();
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(new Error("interrupted")));
  try {
    const asked = command.processedArgs[0] as (PartName | "all")[];
    const file = await reproduce(asked, command.opts<Options>(), controller.signal);
    process.stdout.write(`${file}\n`);
    return 0;
  } catch (error) {
    if (controller.signal.aborted) {
      process.stderr.write(
        "Interrupted: the report has what was done, and the same command goes on from here.\n",
      );
      return 130;
    }
    if (!(error instanceof DawngradError)) throw error;
    process.stderr.write(`${error.name}: ${error.message}\n`);
    return 1;
  }
}

if (process.argv[1]?.endsWith("reproduce/main.ts")) process.exitCode = await main();

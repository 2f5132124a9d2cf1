/** The command line of `npm run evaluate`. */
import { Command, CommanderError, Option } from "commander";
import { Exit, type Output } from "../cr-sam-mnist/options.js";
import { type DataSetName, dataSetNames, entryOf } from "./data-sets.js";
import { type ModelName, modelNames } from "./models.js";
import { adapters } from "./options.js";
import { count, natural, sizes } from "./values.js";

/** Beside those that can be trained on. */
export const testSetNames = [...dataSetNames, "imagenet-c", "imagenet-r"] as const;
export type TestSetName = DataSetName | "imagenet-c" | "imagenet-r";

export interface EvaluateOptions {
  readonly checkpoint?: string;
  readonly weights?: string;
  readonly ema: boolean;
  readonly model?: ModelName;
  readonly width?: number;
  readonly hidden: readonly number[];
  readonly patch: number;
  readonly data?: TestSetName;
  readonly dir?: string;
  readonly classes?: string;
  readonly testSize?: number;
  readonly imageSize?: number;
  readonly corrupt: "error" | "skip";
  readonly batch: number;
  readonly workers: number;
  readonly adapter: (typeof adapters)[number];
  readonly json: boolean;
  readonly quiet: boolean;
}

function program(): Command {
  return new Command("npm run evaluate --")
    .description("Top-1 and top-5 accuracy of a checkpoint, or of weights that PyTorch trained.")
    .optionsGroup("Weights, one of:")
    .option("--checkpoint <path>", "a checkpoint of npm run train, or its run's folder")
    .option(
      "--weights <file>",
      "a state dict of torchvision or timm as safetensors; needs --model and --data",
    )
    .optionsGroup("Model (a checkpoint has its own):")
    .addOption(new Option("--model <name>", "model").choices(modelNames))
    .option("--width <n>", "channels of the first blocks", count)
    .addOption(
      new Option("--hidden <sizes>", "mlp: hidden layers").argParser(sizes).default([128, 64]),
    )
    .option("--patch <n>", "vit: side of a patch", count, 32)
    .option("--ema", "evaluate the checkpoint's averaged weights", false)
    .optionsGroup("Data:")
    .addOption(
      new Option("--data <name>", "data set (default: the checkpoint's)").choices(testSetNames),
    )
    .option("--dir <folder>", "folder of its files (mnist, fashion-mnist: not needed)")
    .option(
      "--classes <path>",
      "imagenet-c, imagenet-r with --weights: a folder with one folder a class, or a file with one " +
        "class a line, in the order of the outputs",
    )
    .option(
      "--test-size <n>",
      "so many images: drawn at random; of imagenet-c and -r evenly spread",
      count,
    )
    .option("--image-size <n>", "side that image files are brought to", count)
    .addOption(
      new Option("--corrupt <what>", "image files that cannot be read")
        .choices(["error", "skip"])
        .default("error"),
    )
    .optionsGroup("Run:")
    .option("--batch <n>", "images at a time", count, 128)
    .option("--workers <n>", "threads that load images", natural, 1)
    .addOption(new Option("--adapter <kind>", "device").choices(adapters).default("auto"))
    .option("--json", "print the result as JSON", false)
    .option("--quiet", "no progress", false)
    .helpOption("-h, --help", "show this help");
}

/** Of the checkpoint's data set this is known once it is read. */
export function dirComplaint(data: TestSetName, dir: string | undefined): string | undefined {
  const optional = data !== "imagenet-c" && data !== "imagenet-r" && entryOf(data).dirOptional;
  return dir === undefined && !optional
    ? `--data ${data} needs --dir, the folder of its files.`
    : undefined;
}

/** @throws Exit after --help, or with a one-line message for a mistake. */
export function parseEvaluate(args: readonly string[], output: Output): EvaluateOptions {
  const command = program()
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .allowExcessArguments(false);
  try {
    command.parse(args, { from: "user" });
    const o = command.opts<EvaluateOptions>();
    const given = [o.checkpoint, o.weights].filter((x) => x !== undefined).length;
    if (given !== 1) command.error("error: give --checkpoint or --weights, one of them.");
    if (o.weights !== undefined && (o.model === undefined || o.data === undefined)) {
      command.error("error: --weights needs --model and --data.");
    }
    if (o.weights !== undefined && o.ema) command.error("error: --ema is of checkpoints.");
    if (o.data !== undefined) {
      const complaint = dirComplaint(o.data, o.dir);
      if (complaint !== undefined) command.error(`error: ${complaint}`);
    }
    const needs = o.data === "imagenet-c" || o.data === "imagenet-r";
    if (o.weights !== undefined && needs && o.classes === undefined) {
      command.error(`error: --data ${o.data} with --weights needs --classes.`);
    }
    return o;
  } catch (error) {
    if (error instanceof CommanderError) throw new Exit(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

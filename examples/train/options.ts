/** The command line of `npm run train`: what can be chosen, and what the choices are by default. */
import { Command, Option } from "commander";
import { type AugmentationName, augmentationNames } from "./augment.js";
import { type DataSetName, dataSetNames } from "./data-sets.js";
import { type ModelName, modelNames } from "./models.js";
import { type BaseName, baseNames, type OptimizerName, optimizerNames } from "./optimizers.js";
import { type ScheduleName, scheduleNames } from "./schedules.js";
import { count, floors, listOf, natural, number, positive, rate, share, sizes } from "./values.js";

export const adapters = ["auto", "hardware", "software"] as const;
export const variants = ["code", "paper"] as const;
const negatives = ["linear", "zero", "softabs"] as const;
const directions = ["gradient", "normal", "rademacher"] as const;
const throughs = ["stop", "full"] as const;
const curvatures = ["finite-difference", "exact"] as const;
const masks = ["fisher", "dynamic"] as const;

export interface Options {
  readonly data: DataSetName;
  readonly dir?: string;
  readonly trainSize?: number;
  readonly testSize?: number;
  readonly augment?: readonly AugmentationName[];
  readonly cutoutSize?: number;
  readonly imageSize: number;
  readonly corrupt: "error" | "skip";
  readonly workers: number;
  readonly model: ModelName;
  readonly width?: number;
  readonly hidden: readonly number[];
  readonly zeroInitResidual: boolean;
  readonly patch: number;
  readonly dropout: number;
  readonly stochasticDepth: number;
  readonly optimizer: OptimizerName;
  readonly base: BaseName;
  readonly lr?: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay?: number;
  readonly schedule: ScheduleName;
  /** Epochs. */
  readonly warmup: number;
  readonly clip?: number;
  readonly rho: number;
  readonly adaptive: boolean;
  readonly alpha?: number;
  readonly beta: number;
  readonly variant: (typeof variants)[number];
  /** Of A and B, or of both. */
  readonly floor?: readonly number[];
  readonly negative?: (typeof negatives)[number];
  readonly direction?: (typeof directions)[number];
  readonly through?: (typeof throughs)[number];
  readonly curvature?: (typeof curvatures)[number];
  readonly surrogateGap?: number;
  readonly cr?: boolean;
  readonly every?: number;
  readonly gamma?: number;
  readonly sigma?: number;
  readonly sparsity?: number;
  readonly mask?: (typeof masks)[number];
  readonly lambda?: number;
  readonly perPart?: boolean;
  readonly epochs: number;
  readonly batch: number;
  readonly accumulate: number;
  readonly seed: number;
  readonly labelSmoothing: number;
  readonly ema?: number;
  readonly out: string;
  /** Steps; epochs are checkpoints always. */
  readonly checkpointEvery: number;
  readonly adapter: (typeof adapters)[number];
  readonly quiet: boolean;
  readonly config?: string;
  readonly resume?: string;
}

/** What may differ when a run goes on: it changes no number. */
export const replaceable: readonly (keyof Options)[] = [
  "dir",
  "workers",
  "checkpointEvery",
  "adapter",
  "quiet",
  "resume",
];

/** What belongs to this machine and this call, and is not part of a run's identity. */
export const machine: readonly (keyof Options)[] = [...replaceable, "out", "config"];

const choice = (flags: string, what: string, names: readonly string[]) =>
  new Option(flags, what).choices(names);

export function program(): Command {
  return new Command("npm run train --")
    .description("Trains a model on a data set; logs, evaluates and checkpoints as it goes.")
    .optionsGroup("Data:")
    .addOption(choice("--data <name>", "data set", dataSetNames).default("cifar10"))
    .option("--dir <folder>", "folder of its files")
    .option("--train-size <n>", "train on so many images, drawn at random", count)
    .option("--test-size <n>", "evaluate on so many images, drawn at random", count)
    .addOption(
      new Option(
        "--augment <list>",
        `of ${augmentationNames.join(",")}, or none (default: the data set's usual ones)`,
      ).argParser(listOf(augmentationNames)),
    )
    .option("--cutout-size <n>", "side of cutout's square (default: the data set's)", count)
    .option("--image-size <n>", "side that image files are brought to", count, 224)
    .addOption(
      choice("--corrupt <what>", "image files that cannot be read", ["error", "skip"]).default(
        "error",
      ),
    )
    .option("--workers <n>", "threads that load and augment; 0: the main thread", natural, 1)
    .optionsGroup("Model:")
    .addOption(choice("--model <name>", "model", modelNames).default("resnet18"))
    .option("--width <n>", "channels of the first layers (default: as published)", count)
    .addOption(
      new Option("--hidden <sizes>", "mlp: hidden layers").argParser(sizes).default([128, 64]),
    )
    .option("--zero-init-residual", "resnets: start residual blocks as the identity", false)
    .option("--patch <n>", "vit: side of a patch", count, 32)
    .option("--dropout <rate>", "wrn, vit: rate of dropout", rate, 0)
    .option("--stochastic-depth <rate>", "vit: rate of the last block's", rate, 0)
    .optionsGroup("Optimizer:")
    .addOption(
      choice(
        "--optimizer <name>",
        "a base optimizer, or a sharpness-aware one",
        optimizerNames,
      ).default("sgd"),
    )
    .addOption(
      choice(
        "--base <name>",
        "what a sharpness-aware one gives its gradient to",
        baseNames,
      ).default("sgd"),
    )
    .option("--lr <rate>", "learning rate (default: by the base optimizer)", positive)
    .option("--momentum <m>", "of sgd", share, 0.9)
    .option("--nesterov", "of sgd", false)
    .option("--weight-decay <w>", "(default: by the base optimizer)", number())
    .addOption(choice("--schedule <name>", "learning rate", scheduleNames).default("cosine"))
    .option("--warmup <epochs>", "epochs of linear growth of the rate", number(), 0)
    .option("--clip <norm>", "largest norm of the gradient", positive)
    .optionsGroup("Sharpness:")
    .option("--rho <r>", "radius of the perturbation", number(), 0.1)
    .option("--adaptive", "perturb relative to the weights (ASAM)", false)
    .option("--alpha <a>", "cr-sam: weight of the curvature (0.1); gnp (0.8); gsam (0.4)", number())
    .option("--beta <b>", "cr-sam: weight of the slope", number(), 0.01)
    .addOption(
      choice(
        "--variant <v>",
        "cr-sam: the published code's form, or the paper's",
        variants,
      ).default("code"),
    )
    .addOption(
      new Option(
        "--floor <t>",
        "cr-sam, paper: where its logarithms become linear, a number or A,B (default: 0.1)",
      ).argParser(floors),
    )
    .addOption(
      choice("--negative <what>", "cr-sam, paper: what A or B below the floor does", negatives),
    )
    .addOption(choice("--direction <v>", "cr-sam: direction of the perturbation", directions))
    .addOption(
      choice(
        "--through <how>",
        "cr-sam: hold the direction constant, or differentiate it",
        throughs,
      ),
    )
    .addOption(choice("--curvature <how>", "cr-sam: where curvature comes from", curvatures))
    .option("--surrogate-gap <a>", "cr-sam: weight of gsam's term", number())
    .option("--cr", "look-sam, ae-sam, esam: with cr-sam's regulariser and its options")
    .option(
      "--every <k>",
      "look-sam: steps between full ones (5); ssam: between masks (100)",
      count,
    )
    .option(
      "--gamma <g>",
      "wsam: weight of the sharpness (0.9); esam: share of the images (0.5)",
      share,
    )
    .option("--sigma <s>", "r-sam: size of the noise (0.01)", number())
    .option("--sparsity <s>", "ssam: share of the weights that stays (0.5)", rate)
    .addOption(choice("--mask <kind>", "ssam: how the others are chosen", masks))
    .option("--lambda <l>", "saf: weight of the trajectory (0.3)", number())
    .option("--per-part", "perturb each part of --accumulate by its own gradient (m-sharpness)")
    .optionsGroup("Training:")
    .option("--epochs <n>", "passes over the training images", count, 200)
    .option("--batch <n>", "images in a step", count, 128)
    .option("--accumulate <n>", "parts that a step's batch is split into", count, 1)
    .option("--seed <n>", "of weights, order, augmentation and dropout", natural, 0)
    .option("--label-smoothing <s>", "share of the target spread over all classes", share, 0)
    .option("--ema <decay>", "also keep a moving average of the weights, and evaluate it", share)
    .optionsGroup("Run:")
    .option("--out <folder>", "config, log, checkpoint", "results/train")
    .option("--checkpoint-every <steps>", "steps; every epoch's end in any case", count, 500)
    .option("--config <file>", "options from a JSON file; those on the command line come first")
    .option("--resume <folder>", "go on with a run of this folder, with its options")
    .addOption(choice("--adapter <kind>", "device", adapters).default("auto"))
    .option("--quiet", "print the last line only", false)
    .helpOption("-h, --help", "show this help");
}

/** What each option allows on its own, but not together. */
export function contradiction(o: Options, dirOptional: boolean): string | undefined {
  if (o.dir === undefined && !dirOptional) {
    return `--data ${o.data} needs --dir, the folder of its files.`;
  }
  if (o.batch % o.accumulate !== 0) {
    return `--accumulate ${o.accumulate} does not divide --batch ${o.batch}.`;
  }
  if (o.trainSize !== undefined && o.batch > o.trainSize) {
    return `--batch ${o.batch} is more than the ${o.trainSize} images of --train-size.`;
  }
  if (o.warmup > o.epochs) return `--warmup ${o.warmup} is more than --epochs ${o.epochs}.`;
  if (o.ema === 1) return "--ema 1 would never move: give a decay below 1.";
  if (o.optimizer === "wsam" && o.gamma === 1) return "--gamma 1 divides by 0: give one below 1.";
  if (o.optimizer === "esam" && o.gamma === 0)
    return "--gamma 0 leaves no images: give one above 0.";
  if (o.variant === "code" && (o.floor ?? o.negative) !== undefined) {
    return "--floor and --negative are of --variant paper.";
  }
  if (o.perPart && o.accumulate === 1) return "--per-part needs the parts of --accumulate.";
  return undefined;
}

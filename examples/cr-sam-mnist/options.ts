/** The command line: what can be chosen, its defaults, and one-line errors for what cannot. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";

export const datasetNames = ["mnist", "fashion-mnist", "cifar-10"] as const;
export const methodNames = ["sgd", "sam", "sam-control", "cr-sam"] as const;
export const variants = ["code", "paper"] as const;
export const negatives = ["linear", "zero", "softabs"] as const;
export const adapters = ["auto", "hardware", "software"] as const;

export type DatasetName = (typeof datasetNames)[number];
export type MethodName = (typeof methodNames)[number];

/** The floor τ of each logarithm's argument; see docs/cr-sam-mnist.md. */
export interface Floor {
  readonly A: number;
  readonly B: number;
}

export interface Options {
  readonly data: DatasetName;
  /** Folder of the data files; the default place of the data set without it. */
  readonly dir?: string;
  readonly trainSize: number;
  /** Share of the training labels that is wrong. */
  readonly noise: number;
  readonly hidden: readonly number[];
  readonly epochs: number;
  /** How many; they are 0, 1, 2, … */
  readonly seeds: number;
  readonly batch: number;
  readonly optimizers: readonly MethodName[];
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly rho: number;
  readonly alpha: number;
  readonly beta: number;
  readonly variant: (typeof variants)[number];
  readonly floor: Floor;
  readonly negative: (typeof negatives)[number];
  /** Probes of the trace estimator, and the test images it looks at. */
  readonly probes: number;
  readonly curvatureSize: number;
  readonly adapter: (typeof adapters)[number];
  readonly out: string;
  readonly quiet: boolean;
}

/** The program should end now: after --help (code 0) or a mistake (code 2, said in one line). */
export class Exit extends Error {
  override name = "Exit";
  readonly code: number;
  constructor(code: number, message = "") {
    super(message);
    this.code = code;
  }
}

interface Range {
  readonly integer?: boolean;
  readonly least: number;
  readonly most?: number;
  /** The least value itself is not allowed. */
  readonly above?: boolean;
}

function number({ integer = false, least, most, above = false }: Range): (text: string) => number {
  const kind = integer ? "a whole number" : "a number";
  const from = above ? `above ${least}` : `of at least ${least}`;
  const allowed = most === undefined ? `${kind} ${from}` : `${kind} from ${least} to ${most}`;
  return (text) => {
    const x = text.trim() === "" ? Number.NaN : Number(text);
    const tooSmall = above ? x <= least : x < least;
    if (
      !Number.isFinite(x) ||
      (integer && !Number.isSafeInteger(x)) ||
      tooSmall ||
      x > (most ?? x)
    ) {
      throw new InvalidArgumentError(`Allowed: ${allowed}.`);
    }
    return x;
  };
}

const positive = { least: 0, above: true };
const count = number({ integer: true, least: 1 });

/** `128,64`; `none` for a linear model. */
function sizes(text: string): number[] {
  if (text === "none") return [];
  try {
    return text.split(",").map(count);
  } catch {
    throw new InvalidArgumentError(
      'Allowed: layer sizes such as "128,64", or "none" for a linear model.',
    );
  }
}

function methods(text: string): MethodName[] {
  const list = text.split(",").map((s) => s.trim());
  const known = list.filter((s): s is MethodName => methodNames.includes(s as MethodName));
  if (known.length !== list.length || new Set(list).size !== list.length) {
    throw new InvalidArgumentError(
      `Allowed: a list, each at most once, of ${methodNames.join(", ")}.`,
    );
  }
  return known;
}

/** One floor for both logarithms, or `A,B`. */
function floors(text: string): Floor {
  try {
    const list = text.split(",").map(number({ least: 0 }));
    const [A, B = A] = list;
    if (A !== undefined && B !== undefined && list.length <= 2) return { A, B };
  } catch {
    // The message below says more.
  }
  throw new InvalidArgumentError('Allowed: a number of at least 0, or two such as "0.001,0.01".');
}

/** Keeps the paper's form within ten times the code's weights: see docs/cr-sam-mnist.md. */
const defaultFloor: Floor = { A: 0.1, B: 0.1 };

function program(): Command {
  return new Command("npm start --")
    .description(
      "Trains one network with SGD, SAM, a control and CR-SAM on the same images with the same\n" +
        "seeds, then compares accuracy, loss, flatness and cost. Writes results and figures.",
    )
    .optionsGroup("Data and model:")
    .addOption(new Option("--data <name>", "data set").choices(datasetNames).default("mnist"))
    .option("--dir <folder>", "folder of its files (default: where its package puts them)")
    .option("--train-size <n>", "training images, drawn at random", count, 4000)
    .option("--noise <share>", "share of wrong training labels", number({ least: 0, most: 1 }), 0.2)
    .addOption(
      new Option("--hidden <sizes>", 'hidden layers, or "none"')
        .argParser(sizes)
        .default([128, 64], "128,64"),
    )
    .optionsGroup("Training:")
    .addOption(
      new Option("--optimizers <list>", `of ${methodNames.join(",")}`)
        .argParser(methods)
        .default([...methodNames], "all"),
    )
    .option("--epochs <n>", "passes over the training images", count, 10)
    .option(
      "--seeds <n>",
      "runs of each method, which differ in initial weights and order",
      count,
      2,
    )
    .option("--batch <n>", "images in a batch", count, 128)
    .option("--lr <rate>", "learning rate, decaying to 0 along a cosine", number(positive), 0.1)
    .option("--momentum <m>", "momentum", number({ least: 0, most: 1 }), 0.9)
    .option("--weight-decay <w>", "weight decay", number({ least: 0 }), 5e-4)
    .optionsGroup("Sharpness:")
    .option("--rho <r>", "radius of the perturbation", number(positive), 0.1)
    .option("--alpha <a>", "weight of the curvature term", number({ least: 0 }), 0.1)
    .option("--beta <b>", "weight of the slope term", number({ least: 0 }), 0.01)
    .addOption(
      new Option(
        "--variant <v>",
        "the regulariser as in the published code, or with the logarithms of the paper",
      )
        .choices(variants)
        .default("code"),
    )
    .addOption(
      new Option("--floor <t>", "paper: where a logarithm becomes linear, one number or two: A,B")
        .argParser(floors)
        .default(defaultFloor, "0.1"),
    )
    .addOption(
      new Option("--negative <n>", "paper: what a negative argument of a logarithm does")
        .choices(negatives)
        .default("linear"),
    )
    .optionsGroup("Measuring and output:")
    .option(
      "--probes <n>",
      "random probes of the Hessian's trace",
      number({ integer: true, least: 2 }),
      8,
    )
    .option("--curvature-size <n>", "test images that flatness is measured on", count, 1000)
    .addOption(new Option("--adapter <kind>", "device").choices(adapters).default("auto"))
    .option("--out <folder>", "where results and figures go", "results/cr-sam-mnist")
    .option("--quiet", "print the table only", false)
    .helpOption("-h, --help", "show this help");
}

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** @throws Exit after --help, or with a one-line message for a mistake. */
export function parseOptions(args: readonly string[], output: Output): Options {
  const command = program()
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .allowExcessArguments(false);
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw new Exit(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
  const options = command.opts<Options>();
  const complaint = contradiction(options);
  if (complaint !== undefined) {
    output.err(`error: ${complaint}\n`);
    throw new Exit(2);
  }
  return options;
}

/** What each option allows on its own, but not together. */
function contradiction(o: Options): string | undefined {
  if (o.batch > o.trainSize) {
    return `--batch ${o.batch} is more than the ${o.trainSize} images of --train-size.`;
  }
  if (o.data === "cifar-10" && o.dir === undefined) {
    return "--data cifar-10 needs --dir, the folder of its binary version (data_batch_1.bin, …).";
  }
  return undefined;
}

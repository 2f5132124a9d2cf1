/**
 * The main job, `npm start`: trains one network with SGD, SAM, a control and CR-SAM, and compares.
 * `npm start -- --help` lists the options.
 */
import { join } from "node:path";
import { DawngradError, hideDawnWarnings, init } from "dawngrad";
import { experiment } from "./experiment.js";
import { writeFigures } from "./figures.js";
import { type Images, readImages } from "./images.js";
import { interrupts } from "./interrupt.js";
import { labelsOf } from "./methods.js";
import { Exit, type Options, parseOptions } from "./options.js";
import { writableFolder } from "./out-folder.js";
import { type Progress, progressOn } from "./progress.js";
import { footnotes, table, verdict } from "./report.js";
import { type Results, writeJson } from "./results.js";

const out = (text: string) => void process.stdout.write(text);
const err = (text: string) => void process.stderr.write(text);

function describe(options: Options, images: Images, device: string): string {
  const { train, test } = images;
  const share = (images.wrongLabels / train.size) * 100;
  const wrong =
    images.wrongLabels === 0
      ? "all labels as published"
      : `${images.wrongLabels} of their labels made wrong on purpose (${share.toFixed(0)}%)`;
  const input = train.inputShape.reduce((n, d) => n * d, 1);
  return [
    `device   ${device}`,
    `data     ${train.size} of the training images of ${options.data}, ${wrong}; all ${test.size} test images`,
    `network  ${[input, ...options.hidden, train.classes.length].join("-")}, ${options.epochs} epochs, batch ${options.batch}, ${options.seeds} seed${options.seeds === 1 ? "" : "s"}`,
    "",
  ].join("\n");
}

async function run(options: Options, progress: Progress, signal: AbortSignal): Promise<void> {
  await writableFolder(options.out);
  const images = await readImages(options);
  const device = await init({ adapter: options.adapter });
  const name = device.description || device.vendor;
  progress.log(describe(options, images, name));
  let results: Results | undefined;
  const started = performance.now();
  try {
    for await (results of experiment(options, images, name, progress, signal));
  } finally {
    progress.stop();
    if (results) await report(options, results, (performance.now() - started) / 1000);
  }
}

async function report(options: Options, results: Results, seconds: number): Promise<void> {
  const file = join(options.out, "results.json");
  await writeJson(file, results);
  const figures = await writeFigures(options.out, results);
  const total = options.seeds * options.optimizers.length;
  const partial = results.complete ? [] : [`Interrupted: ${results.runs.length} of ${total} runs.`];
  const lines = [
    "",
    ...partial,
    table(results),
    ...footnotes(results),
    "",
    ...verdict(results),
    "",
    `${seconds.toFixed(0)} s. Results: ${file}`,
    `Figures: ${figures.join(", ")}`,
    "",
  ];
  out(lines.join("\n"));
}

/** Node ends without a word when all that is left is a promise that nothing will settle. */
function sayIfCutOff(): () => void {
  const onExit = () => err("The program ended before its work did: a promise never settled.\n");
  process.once("exit", onExit);
  return () => process.off("exit", onExit);
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2), { out, err });
  } catch (error) {
    if (error instanceof Exit) return error.code;
    throw error;
  }
  hideDawnWarnings();
  const labelWidth = Math.max(...Object.values(labelsOf(options)).map((label) => label.length));
  const progress = progressOn(process.stdout, options.quiet, labelWidth);
  const finished = sayIfCutOff();
  const interrupt = interrupts(() => {
    progress.stop();
    finished();
  });
  try {
    await run(options, progress, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) {
      err("Interrupted.\n");
      return 130;
    }
    if (!(error instanceof DawngradError)) throw error;
    err(`${error.name}: ${error.message}\n`);
    return 1;
  } finally {
    interrupt.stop();
    finished();
  }
}

process.exitCode = await main();

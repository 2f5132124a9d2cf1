/** `npm run evaluate`: top-1 and top-5 accuracy of trained weights. `--help` lists the options. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import {
  array,
  DataError,
  DawngradError,
  evalShape,
  hideDawnWarnings,
  init,
  random,
  type Tensor,
} from "dawngrad";
import { closeWorkers, loadCheckpoint } from "dawngrad/data";
import { Exit } from "../cr-sam-mnist/options.js";
import { dirComplaint, type EvaluateOptions, parseEvaluate } from "./evaluate-options.js";
import { averages, type Measured, table } from "./evaluate-report.js";
import { buildModel, type ModelChoices } from "./models.js";
import type { Options } from "./options.js";
import type { Checkpoint } from "./run-folder.js";
import { type Score, score, scoreLoader, scorer } from "./score.js";
import { loadStateDict } from "./state-dict.js";
import { openTestSets, type TestSets } from "./test-sets.js";
import type { Weights } from "./train-state.js";

const out = (text: string) => void process.stdout.write(text);
const err = (text: string) => void process.stderr.write(text);

interface Loaded {
  readonly checkpoint?: Checkpoint;
  /** What the model is built from. */
  readonly model: ModelChoices;
  readonly data: NonNullable<EvaluateOptions["data"]>;
  readonly imageSize: number;
}

async function load(o: EvaluateOptions): Promise<Loaded> {
  if (o.checkpoint === undefined) {
    const { model, data, hidden, width, patch } = o;
    const idle = { zeroInitResidual: false, dropout: 0, stochasticDepth: 0 };
    const built = { model: model!, hidden, patch, ...idle, ...(width ? { width } : {}) };
    return { model: built, data: data!, imageSize: o.imageSize ?? 224 };
  }
  const folder = await stat(o.checkpoint).then(
    (s) => s.isDirectory(),
    () => false,
  );
  const path = folder ? join(o.checkpoint, "checkpoint.safetensors") : o.checkpoint;
  const checkpoint = await loadCheckpoint<Checkpoint>(path);
  if (typeof checkpoint?.model?.options !== "string") {
    throw new DataError(`${path}: expected a checkpoint of npm run train, found another tree`);
  }
  const saved = JSON.parse(checkpoint.model.options) as Options;
  return {
    checkpoint,
    model: saved,
    data: o.data ?? saved.data,
    imageSize: o.imageSize ?? saved.imageSize,
  };
}

async function weightsOf(
  o: EvaluateOptions,
  { checkpoint, model }: Loaded,
  sets: TestSets,
): Promise<{ readonly weights: Weights; readonly net: ReturnType<typeof buildModel> }> {
  const classes = checkpoint?.model.classes ?? sets.classes;
  const shape = checkpoint?.model.inputShape ?? sets.inputShape;
  if (classes.join("\n") !== sets.classes.join("\n")) {
    throw new DataError(
      `evaluate: expected a test set of the ${classes.length} classes that were trained on, found ` +
        `${sets.classes.length} classes or other names`,
    );
  }
  const net = buildModel(model, classes.length, shape);
  if (checkpoint !== undefined) {
    const { train } = checkpoint;
    if (o.ema && train.ema === null) {
      throw new DataError("evaluate: --ema: the checkpoint was trained without --ema");
    }
    return { net, weights: o.ema ? train.ema! : { params: train.params, state: train.state } };
  }
  const like = evalShape((key: Tensor): Weights => {
    const { params, state } = net.init(key, [1, ...shape]);
    return { params, state };
  }, random.key(0));
  return { net, weights: await loadStateDict(o.weights!, model.model, like) };
}

async function run(o: EvaluateOptions): Promise<Measured[]> {
  await init({ adapter: o.adapter });
  const loaded = await load(o);
  const complaint = dirComplaint(loaded.data, o.dir);
  if (complaint !== undefined) throw new DataError(`evaluate: ${complaint}`);
  const sets = await openTestSets(
    loaded.data,
    { ...o, imageSize: loaded.imageSize },
    loaded.checkpoint?.model.classes,
  );
  const { net, weights } = await weightsOf(o, loaded, sets);
  const program = scorer(net, sets.among);
  const labels = sets.among && {
    columns: array([...sets.among], { dtype: "int32" }),
    places: array(
      sets.classes.map((_, label) => Math.max(0, sets.among!.indexOf(label))),
      { dtype: "int32" },
    ),
  };
  const found: Measured[] = [];
  for (const { open, corruption, severity } of sets.sets) {
    const source = await open();
    const batches = scoreLoader(source, { ...o, transform: sets.transform });
    const watch = (done: number, total: number) => {
      if (!o.quiet && process.stderr.isTTY) err(`\r\u001b[K${source.name} ${done}/${total}`);
    };
    const result: Score = await score(program, weights, batches, labels, watch);
    if (!o.quiet && process.stderr.isTTY) err("\r\u001b[K");
    found.push({ name: source.name, ...(corruption ? { corruption, severity } : {}), ...result });
  }
  return found;
}

async function main(): Promise<number> {
  try {
    const options = parseEvaluate(process.argv.slice(2), { out, err });
    hideDawnWarnings();
    const found = await run(options);
    const mean = averages(found);
    out(options.json ? `${JSON.stringify({ results: found, ...mean }, null, 2)}\n` : table(found));
    return 0;
  } catch (error) {
    if (error instanceof Exit) return error.code;
    if (!(error instanceof DawngradError)) throw error;
    err(`${error.name}: ${error.message}\n`);
    return 1;
  } finally {
    await closeWorkers();
  }
}

process.exitCode = await main();

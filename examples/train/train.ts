/** A run from options to its last checkpoint. */
import { init, kernelChoices, ShapeDtypeStruct, tree } from "dawngrad";
import { loader } from "dawngrad/data";
import { evaluationTransforms, trainingTransforms } from "./augment.js";
import { entryOf, openDataSet } from "./data-sets.js";
import { type Position, runLoop } from "./loop.js";
import { buildModel } from "./models.js";
import { baseOf, bases, gradientFor, optimizerFor } from "./optimizers.js";
import type { Options } from "./options.js";
import { identityOf } from "./parse.js";
import { type EpochReport, progressOn, type Terminal } from "./progress.js";
import { createRun, resumeRun, type SavedModel } from "./run-folder.js";
import { scheduleFor } from "./schedules.js";
import { score, scoreLoader, scorer } from "./score.js";
import { bytesOf, compileStep, disposeTree, initialState, lossOf } from "./train-state.js";

export interface Outcome {
  /** Of the last epoch that ended in this call. */
  readonly last: EpochReport | undefined;
  readonly checkpoint: string;
  readonly interrupted: boolean;
}

export async function train(
  options: Options,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Outcome> {
  const data = await openDataSet(options);
  const device = await init({ adapter: options.adapter });
  const model = buildModel(options, data.classes.length, data.inputShape);
  const batches = loader(data.train, {
    batchSize: options.batch,
    shuffle: options.seed,
    transform: trainingTransforms(options.augment ?? entryOf(options.data).augment, data.augment),
    workers: options.workers,
    dropLast: true,
    autoDispose: true,
  });
  const stepsPerEpoch = batches.batchesPerEpoch;
  const steps = options.epochs * stepsPerEpoch;
  const rate = options.lr ?? bases[baseOf(options)].learningRate;
  const warmup = Math.round(options.warmup * stepsPerEpoch);
  const optimizer = optimizerFor(options, scheduleFor(options.schedule, rate, steps, warmup));
  const gradient = gradientFor(options, lossOf(model, options.labelSmoothing), {
    steps,
    examples: data.train.size,
    classes: data.classes.length,
  });
  const fresh = initialState(
    model,
    data.inputShape,
    options.seed,
    gradient,
    optimizer,
    options.ema !== undefined,
  );
  const saved: SavedModel = {
    options: JSON.stringify(identityOf(options)),
    classes: data.classes,
    inputShape: data.inputShape,
  };
  const progress = progressOn(terminal, options.quiet, { epochs: options.epochs, stepsPerEpoch });
  const bytes = bytesOf(fresh);
  const { folder, checkpoint } =
    options.resume === undefined
      ? { folder: await createRun(options, bytes), checkpoint: undefined }
      : await resumeRun(options, bytes);
  let position: Position = { train: fresh, step: 0, epochsDone: 0 };
  if (checkpoint !== undefined) {
    disposeTree(fresh);
    position = checkpoint;
  }
  const name = device.description || device.vendor;
  const parameters = tree.size(position.train.params as never);
  progress.log(
    [
      `device   ${name}`,
      `data     ${data.train.name}, ${data.train.size} images; ${data.test.name}, ${data.test.size}`,
      `model    ${options.model}, ${parameters.toLocaleString("en")} parameters`,
      `training ${options.optimizer}${options.optimizer === baseOf(options) ? "" : ` on ${baseOf(options)}`}, ` +
        `${options.epochs} epochs of ${stepsPerEpoch} steps of ${options.batch} images`,
      `run      ${folder.path}${position.step > 0 ? `, from step ${position.step}` : ""}`,
    ].join("\n"),
  );
  await folder.log({
    event: position.step > 0 ? "resume" : "start",
    step: position.step,
    device: name,
    parameters,
    stepsPerEpoch,
    trainSize: data.train.size,
    testSize: data.test.size,
  });
  const step = compileStep(gradient, optimizer, options.ema);
  const one = new ShapeDtypeStruct([options.batch], "int32");
  const images = new ShapeDtypeStruct([options.batch, ...data.inputShape]);
  const shapes = { x: images, y: one, indices: one };
  await progress.waiting("compiling the step", step.warmup(position.train, shapes));
  // A run that is killed before its first checkpoint begins again with the same kernels.
  await folder.saveKernels(kernelChoices());
  const run = scorer(model);
  const testBatches = scoreLoader(data.test, {
    batch: options.batch,
    transform: evaluationTransforms(data.augment),
    workers: options.workers,
  });
  try {
    const last = await runLoop(
      {
        step,
        batches,
        batchSize: options.batch,
        epochs: options.epochs,
        checkpointEvery: options.checkpointEvery,
        evaluate: ({ params, state }) =>
          score(run, { params, state }, testBatches, undefined, progress.evaluating),
        folder,
        model: saved,
        progress,
        signal,
      },
      position,
    );
    return { last, checkpoint: folder.checkpoint, interrupted: signal.aborted };
  } finally {
    progress.stop();
  }
}

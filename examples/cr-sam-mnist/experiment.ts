/** The experiment: every method from every seed, trained and measured in the same way. */
import { block, explain, type Tensor, tree } from "dawngrad";
import { gradientOf } from "dawngrad/optim";
import { type Agreement, checkAgreement } from "./agreement.js";
import { countDevice } from "./count.js";
import { curvatureOf, landscaper, scorer } from "./evaluate.js";
import { type Images, type Labelled, pieces } from "./images.js";
import { gradientFunctions, labelsOf } from "./methods.js";
import { buildModel, initialise, lossOf, type Model } from "./model.js";
import type { MethodName, Options } from "./options.js";
import type { Progress } from "./progress.js";
import type { EpochResult, Results, Run, StepCost } from "./results.js";
import { median } from "./statistics.js";
import {
  batchesOf,
  compileStep,
  disposeState,
  optimizerOf,
  type Step,
  stepOf,
  stepOptions,
  type TrainState,
  trainEpoch,
} from "./train.js";

/** Test images in one evaluation, and training images that the landscape looks at. */
const pieceSize = 1000;
/** Test images that are looked at after each epoch; the last result is of all of them. */
const monitored = 2000;

interface Method {
  readonly name: MethodName;
  readonly step: Step;
}

/**
 * Yields the results so far after each training, so that an interrupted run has something to keep.
 * Once `signal` fires, the step under way is finished and the signal's reason thrown.
 */
export async function* experiment(
  options: Options,
  images: Images,
  device: string,
  progress: Progress,
  signal: AbortSignal,
): AsyncGenerator<Results> {
  const model = buildModel(options, images.train.classes.length);
  const stepsPerEpoch = Math.floor(options.trainSize / options.batch);
  const optimizer = optimizerOf(options, stepsPerEpoch);
  const gradients = gradientFunctions(gradientOf(lossOf(model)), options);
  const labels = labelsOf(options);
  const initial = (seed: number): TrainState => {
    const { params, state } = initialise(model, seed, images.train.inputShape);
    return { params, state, optimizer: optimizer.init(params) };
  };

  const agreement = options.optimizers.includes("cr-sam")
    ? await agree(model, options, images, initial(0))
    : null;
  if (agreement) progress.log(agreementText(agreement));

  const methods: Method[] = [];
  const costs: Partial<Record<MethodName, StepCost>> = {};
  const [sample] = pieces(images.train, images, options.batch, options.batch);
  for (const name of options.optimizers) {
    signal.throwIfAborted();
    const step = stepOf(gradients[name], optimizer);
    const compiled = compileStep(labels[name], step);
    const plan = explain(step, stepOptions(labels[name]))(initial(0), sample!);
    costs[name] = {
      dispatches: plan.dispatches,
      submits: plan.submits,
      counted: await countStep(labels[name], compiled, initial(0), sample!, plan),
    };
    methods.push({ name, step: compiled });
  }
  const results: Omit<Results, "complete" | "runs"> = {
    device,
    data: { train: images.train.name, test: images.test.name, wrongLabels: images.wrongLabels },
    options,
    labels,
    parameters: tree.size(initial(0).params),
    stepsPerEpoch,
    monitored: Math.min(monitored, images.test.size),
    costs,
    agreement,
  };

  const measure = measurer(model, options, images);
  const runs: Run[] = [];
  for (let seed = 0; seed < options.seeds; seed++) {
    for (const { name, step } of methods) {
      progress.start({ label: labels[name], seed, epochs: options.epochs, stepsPerEpoch });
      const batches = batchesOf(images, options, seed, signal);
      let train = initial(seed);
      const epochs: EpochResult[] = [];
      const times: number[] = [];
      for (let epoch = 0; epoch < options.epochs; epoch++) {
        const done = await trainEpoch(step, train, batches, epoch, (steps, loss) =>
          progress.step(epoch, steps, loss),
        );
        train = done.train;
        times.push(done.msPerStep);
        const { accuracy, loss } = await measure.monitor(train);
        epochs.push({ trainLoss: done.loss, monitorAccuracy: accuracy, monitorLoss: loss });
        progress.epoch(epoch, done.loss, accuracy);
        signal.throwIfAborted();
      }
      progress.measuring();
      const final = await measure.score(train);
      runs.push({
        method: name,
        seed,
        epochs,
        testAccuracy: final.accuracy,
        testLoss: final.loss,
        ...(await measure.shape(train)),
        msPerStep: median(times.length > 1 ? times.slice(1) : times),
      });
      disposeState(train);
      progress.end();
      const complete = runs.length === options.seeds * methods.length;
      yield { ...results, complete, runs: [...runs] };
      signal.throwIfAborted();
    }
  }
}

function agreementText({ difference, bound }: Agreement): string {
  // The paper's form without a floor divides by differences of losses that may be all rounding.
  const allowed =
    bound < 1
      ? `rounding allows ${bound.toExponential(1)}`
      : "its divisors are so small here that rounding could explain anything";
  return (
    "CR-SAM spelled out and dawngrad/optim's crSam agree: largest relative difference " +
    `${difference.toExponential(1)} (${allowed}).`
  );
}

/** CR-SAM spelled out against the library's, on the first two batches of seed 0. */
function agree(model: Model, options: Options, images: Images, { params, state }: TrainState) {
  const batches = pieces(images.train, images, 2 * options.batch, options.batch);
  return checkAgreement(model, options, params, state, batches.slice(0, 2));
}

/** What the second, warm step makes the device do, which must be what explain() says. */
async function countStep(
  label: string,
  step: Step,
  start: TrainState,
  batch: Labelled,
  plan: { readonly dispatches: number; readonly submits: number },
) {
  let train = start;
  let loss: Tensor;
  [train, loss] = step(train, batch);
  await block([train, loss]);
  const counted = countDevice(() => {
    [train, loss] = step(train, batch);
  });
  await block([train, loss]);
  disposeState(train);
  if (counted.dispatches !== plan.dispatches || counted.submits !== plan.submits) {
    throw new Error(
      `${label}: explain() says ${plan.dispatches} dispatches and ${plan.submits} submissions a step, ` +
        `but a warm step made ${counted.dispatches} and ${counted.submits}`,
    );
  }
  return counted;
}

/** Everything that is measured, on the same images for all. */
function measurer(model: Model, options: Options, images: Images) {
  const test = pieces(images.test, images, images.test.size, pieceSize);
  const [flatness] = pieces(images.test, images, options.curvatureSize, options.curvatureSize);
  const [trained] = pieces(images.train, images, pieceSize, pieceSize);
  const score = scorer(model);
  const landscape = landscaper(model, 10 * options.rho);
  return {
    monitor: (train: TrainState) => score(train, test.slice(0, monitored / pieceSize)),
    score: (train: TrainState) => score(train, test),
    shape: async (train: TrainState) => ({
      curvature: await curvatureOf(model, train, flatness!, options.probes),
      landscape: await landscape(train, trained!),
    }),
  };
}

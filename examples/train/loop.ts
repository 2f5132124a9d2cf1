/** The training loop: steps, readings of the loss, checkpoints, evaluations. */
import { DawngradError, kernelChoices } from "dawngrad";
import type { Batch, Loader } from "dawngrad/data";
import type { EpochReport, Progress } from "./progress.js";
import type { Checkpoint, RunFolder, SavedModel } from "./run-folder.js";
import type { Score } from "./score.js";
import {
  allFinite,
  disposeTree,
  noSums,
  type Step,
  type TrainState,
  type Weights,
} from "./train-state.js";

export interface Loop {
  readonly step: Step;
  readonly batches: Loader<Batch & Disposable>;
  readonly batchSize: number;
  readonly epochs: number;
  readonly checkpointEvery: number;
  evaluate(weights: Weights): Promise<Score>;
  readonly folder: RunFolder;
  readonly model: SavedModel;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Position {
  readonly train: TrainState;
  readonly step: number;
  readonly epochsDone: number;
}

/** How often the loss is read; the reading overlaps with the steps that follow. */
const readEvery = 8;

/**
 * From a position to the end, or to the first step after the signal, where all is saved. The order
 * of the images and the key of a step depend on its number alone.
 *
 * Throws a DawngradError at a loss that is not finite, naming the step and the last checkpoint.
 */
export async function runLoop(loop: Loop, start: Position): Promise<EpochReport | undefined> {
  const { batches, epochs, folder, progress, signal } = loop;
  const stepsPerEpoch = batches.batchesPerEpoch;
  let { train, step, epochsDone } = start;
  let saved = step > 0 ? step : undefined;
  let last: EpochReport | undefined;

  // Steps are counted from 1, as the log counts them.
  const check = (broken: number): void => {
    if (broken < 0) return;
    const good =
      saved === undefined
        ? "there is no checkpoint yet"
        : `the last good checkpoint is ${folder.checkpoint}, of step ${saved}`;
    throw new DawngradError(
      `training: the loss of step ${broken + 1} is not finite; ${good}. A smaller --lr, a --warmup or a ` +
        "--clip may help",
    );
  };
  const save = async (): Promise<void> => {
    check((await train.broken.item()) as number);
    // A finite loss may still have led to weights that are not.
    const finite = allFinite({ params: train.params, state: train.state });
    if (!(await finite.item())) check(step);
    finite.dispose();
    const kernels = JSON.stringify(kernelChoices());
    const content: Checkpoint = { train, step, epochsDone, model: loop.model, kernels };
    await folder.save(content);
    saved = step;
  };

  progress.start(step);
  while (epochsDone < epochs) {
    const from = step - epochsDone * stepsPerEpoch;
    const began = performance.now();
    const startedAt = step;
    const speed = () => ((step - startedAt) * loop.batchSize * 1000) / (performance.now() - began);
    let reading: Promise<void> = Promise.resolve();
    for await (const { x, y, indices } of batches.epoch(epochsDone, { from })) {
      const [next, report] = loop.step(train, { x, y, indices });
      train = next;
      step++;
      const ends = step === (epochsDone + 1) * stepsPerEpoch;
      if (step % readEvery === 0 || ends) {
        const at = step;
        // Waits for the reading before this one: work in flight is bounded without a stall.
        await reading;
        reading = read(report).then(([loss, broken]) => {
          check(broken);
          progress.step(at, loss, speed());
          return folder.log({ event: "step", step: at, loss });
        });
        reading.catch(() => {});
      } else {
        report.dispose();
      }
      if (ends) break;
      if (signal.aborted || step % loop.checkpointEvery === 0) {
        await reading;
        await save();
      }
      if (signal.aborted) return last;
    }
    await reading;
    const imagesPerSecond = speed();
    check((await train.broken.item()) as number);
    last = await endOfEpoch(loop, train, epochsDone, imagesPerSecond);
    progress.epoch(last);
    const seconds = (performance.now() - began) / 1000;
    await folder.log({ event: "epoch", step, seconds, ...last });
    disposeTree(train.sums);
    train = { ...train, sums: noSums() };
    epochsDone++;
    await save();
    if (signal.aborted) return last;
  }
  return last;
}

async function read(report: { data(): Promise<ArrayLike<number>>; dispose(): void }) {
  const [loss, broken] = Array.from(await report.data()) as [number, number];
  report.dispose();
  return [loss, broken] as const;
}

async function endOfEpoch(
  { batches, batchSize, evaluate }: Loop,
  train: TrainState,
  epoch: number,
  imagesPerSecond: number,
): Promise<EpochReport> {
  const steps = batches.batchesPerEpoch;
  const loss = ((await train.sums.loss.item()) as number) / steps;
  const accuracy = ((await train.sums.correct.item()) as number) / (steps * batchSize);
  const test = await evaluate(train);
  const ema = train.ema === null ? {} : { ema: await evaluate(train.ema) };
  return { epoch, loss, accuracy, test, ...ema, imagesPerSecond };
}

/** Loss, top-1 and top-5 accuracy of weights on a data set. */
import {
  add,
  arange,
  equal,
  greater,
  isfinite,
  jit,
  less,
  logicalAnd,
  logicalOr,
  mul,
  sum,
  type Tensor,
  take,
  takeAlongAxis,
} from "dawngrad";
import { type Loader, loader, type Transform, type WeightedBatch } from "dawngrad/data";
import { type AnyLayer, softmaxCrossEntropy } from "dawngrad/nn";
import type { Source } from "./data-sets.js";
import type { Weights } from "./train-state.js";

export interface Score {
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  /** Images that counted. */
  readonly count: number;
}

export interface ScoreOptions {
  readonly batch: number;
  readonly transform: readonly Transform[];
  readonly workers: number;
  /** Decide between these labels only. */
  readonly among?: readonly number[];
}

type ScoreBatch = Pick<WeightedBatch, "x" | "y" | "weights">;

/**
 * How many classes beat the right one; of equals the first wins. An answer that is not finite loses
 * to all: NaN compares with nothing.
 */
function rankOf(logits: Tensor, y: Tensor): Tensor {
  const own = takeAlongAxis(logits, y.reshape([-1, 1]), -1);
  const classes = logits.shape[1]!;
  const position = arange(classes).reshape([1, classes]);
  const earlier = logicalAnd(equal(logits, own), less(position, y.reshape([-1, 1])));
  const beaten = sum(logicalOr(greater(logits, own), earlier), -1);
  const finite = isfinite(logits).all(-1);
  return add(beaten, mul(sub1(finite), classes));
}

/** 1 where false. */
const sub1 = (x: Tensor): Tensor => x.astype("int32").mul(-1).add(1);

export function scorer(model: AnyLayer, among?: readonly number[]) {
  return jit(
    (
      weights: Weights,
      batch: ScoreBatch,
      columns: Tensor | null,
      places: Tensor | null,
    ): Tensor[] => {
      const [all] = model.apply(weights.params, weights.state, batch.x);
      const logits = columns === null ? all : take(all, columns, -1);
      const y = places === null ? batch.y : take(places, batch.y);
      const rank = rankOf(logits, y);
      const counted = (x: Tensor): Tensor => sum(mul(x, batch.weights));
      return [
        counted(softmaxCrossEntropy(logits, y)),
        counted(less(rank, 1)),
        counted(less(rank, 5)),
        sum(batch.weights),
      ];
    },
    { name: among === undefined ? "score" : `score among ${among.length}` },
  );
}

export type Scorer = ReturnType<typeof scorer>;

/** Hears of the images done. */
export type Watch = (done: number, total: number) => void;

export const scoreLoader = (source: Source, options: ScoreOptions, signal?: AbortSignal) =>
  loader(source, {
    batchSize: Math.min(options.batch, source.size),
    transform: options.transform,
    workers: options.workers,
    pad: true,
    autoDispose: true,
    ...(signal ? { signal } : {}),
  });

export async function score(
  run: Scorer,
  weights: Weights,
  batches: Loader<WeightedBatch & Disposable>,
  labels?: { readonly columns: Tensor; readonly places: Tensor },
  watch: Watch = () => {},
): Promise<Score> {
  const totals = [0, 0, 0, 0];
  let done = 0;
  let reading: Promise<void> = Promise.resolve();
  for await (const { x, y, weights: rows } of batches.epoch(0)) {
    const batch = { x, y, weights: rows };
    const sums = run(weights, batch, labels?.columns ?? null, labels?.places ?? null);
    // The reading of a batch overlaps with the work on the next.
    await reading;
    reading = Promise.all(sums.map((s) => s.item())).then((values) => {
      for (const [i, value] of values.entries()) totals[i]! += value as number;
      for (const s of sums) s.dispose();
      watch(++done, batches.batchesPerEpoch);
    });
    reading.catch(() => {});
  }
  await reading;
  const [loss, top1, top5, count] = totals as [number, number, number, number];
  return { loss: loss / count, top1: top1 / count, top5: top5 / count, count };
}

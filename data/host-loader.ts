/** Batches on the host: which examples, in which order, transformed by which key. */
import { DataError } from "../src/index.js";
import { type ExampleSource, type FileSource, isFileSource } from "./dataset.js";
import { messageOf } from "./file.js";
import {
  type HostKey,
  hostFoldIn,
  hostKey,
  hostPermutation,
  type KeyLike,
  readKey,
} from "./host-random.js";
import { Prefetch } from "./prefetch.js";
import { applyTransforms, type Transform, toFloat } from "./transform.js";
import { type Job, type JobResult, runJob } from "./workers/job.js";
import { poolOf } from "./workers/pool.js";

export interface LoaderOptions {
  /** Rows of a batch: a positive integer. */
  readonly batchSize: number;
  /**
   * A key of `random`, or a seed, that decides the order: in epoch e it is that of
   * `random.permutation(random.foldIn(key, e), size)`. In the stored order without it.
   */
  readonly shuffle?: KeyLike | false;
  /** Applied in order; without any, bytes become floats in [0, 1]. See `Transform`. */
  readonly transform?: Transform | readonly Transform[];
  /** Key or seed of the transforms' randomness: by default `shuffle`'s, or 0 without it. */
  readonly key?: KeyLike;
  /** How many batches to prepare ahead: 2 by default, with workers two for each. */
  readonly prefetch?: number;
  /**
   * Threads that decode and transform (0 by default: the main thread does it all). They take over the
   * transforms of this library, up to the first function of your own, which the main thread applies
   * with those after it. Their number changes neither order nor pixels.
   */
  readonly workers?: number;
  /** Leave out a last batch that is smaller (default: false, so that it is delivered, smaller). */
  readonly dropLast?: boolean;
  /**
   * Fill a smaller last batch up with repeated rows of weight 0, so that all batches have one
   * shape (and one compiled program). Every batch then has `weights`.
   */
  readonly pad?: boolean;
  /** Release a batch's tensors when the next batch is asked for, or the loop ends. */
  readonly autoDispose?: boolean;
  /** Stops an epoch: the iteration throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A batch that is ready for the device. */
export interface PreparedBatch {
  readonly images: Float32Array;
  readonly shape: readonly number[];
  readonly labels: Int32Array;
  /** Rows that only fill up have the index `size` of the data set, one past the last. */
  readonly indices: Int32Array;
  /** 1 for a row, 0 for one that only fills up. */
  readonly weights: Float32Array;
}

/** One pass over a data set. Leaving a `for await` loop over it stops it. */
export type Epoch<Batch> = AsyncIterableIterator<Batch, undefined> & AsyncDisposable;

export interface Loader<Batch> extends AsyncIterable<Batch> {
  readonly batchesPerEpoch: number;
  /**
   * Epoch `n`, from batch `from` on: what a resumed run needs. A plain `for await` over the loader
   * gives epoch 0, the next one epoch 1, and so on.
   */
  epoch(n: number, options?: { readonly from?: number }): Epoch<Batch>;
  /** An epoch that follows the last one. */
  [Symbol.asyncIterator](): Epoch<Batch>;
}

/** Separates the transforms' keys from those of the orders, which are `foldIn(key, epoch)`. */
const TRANSFORMS = 0xffffffff;

/** A loader whose batches are made from host batches by `finish`. */
export function hostLoader<Batch>(
  source: ExampleSource | FileSource,
  options: LoaderOptions,
  finish: (batch: PreparedBatch) => Batch,
  release: (batch: Batch) => void,
): Loader<Batch> {
  const { batchSize, dropLast = false, pad = false, workers = 0 } = options;
  const prefetch = options.prefetch ?? Math.max(2, 2 * workers);
  checkInteger("workers", workers, 0);
  const batchesPerEpoch = countBatches(source, options);
  const transforms = listOf(options.transform);
  const own = transforms.findIndex((t) => t.spec === undefined);
  const given = own < 0 ? transforms : transforms.slice(0, own);
  const rest = transforms.slice(given.length);
  const shuffle = options.shuffle === undefined ? false : options.shuffle;
  // Read once, and now: the caller may dispose of the tensor.
  const orderKey = shuffle === false ? undefined : settle(readKey(shuffle, "loader: shuffle"));
  const transformKey =
    options.key === undefined
      ? (orderKey ?? Promise.resolve(hostKey(0)))
      : settle(readKey(options.key, "loader: key"));

  const rowsOf = (order: Int32Array | undefined, batch: number): Int32Array => {
    const start = batch * batchSize;
    const count = Math.min(batchSize, source.size - start);
    return Int32Array.from({ length: pad ? batchSize : count }, (_, row) => {
      const at = start + (row % count);
      return order === undefined ? at : order[at]!;
    });
  };

  const epoch = (n: number, { from = 0 }: { readonly from?: number } = {}): Epoch<Batch> => {
    checkInteger("epoch", n, 0);
    checkInteger("from", from, 0);
    let order: Promise<Int32Array | undefined> | undefined;
    return new Prefetch<PreparedBatch, Batch>({
      start: from,
      end: batchesPerEpoch,
      ahead: prefetch,
      releaseDelivered: options.autoDispose ?? false,
      signal: options.signal,
      finish,
      release,
      prepare: async (batch, signal) => {
        let indices: Int32Array | undefined;
        try {
          order ??= epochOrder(orderKey, n, source.size);
          indices = rowsOf(await order, batch);
          const key = hostFoldIn(hostFoldIn(hostFoldIn(await transformKey, TRANSFORMS), n), batch);
          const job: Job = {
            rows: await rowsOfJob(source, indices),
            labels: indices.map((index) => source.labels[index]!),
            indices,
            transforms: given.map((t) => t.spec!),
            key,
            epoch: n,
            batch,
            float: rest.length === 0,
          };
          const context = { key, epoch: n, batch, signal };
          const result = await (workers === 0 ? runJob(job) : poolOf(workers).run(job, signal));
          const done = await applyTransforms(rest, result.batch, context, given.length);
          if (done.sizes !== undefined) {
            throw new DataError(
              "expected images of one size, found several: begin the transforms with randomResizedCrop, " +
                "or with resize and centerCrop",
            );
          }
          const lost = report(source, result);
          const real = Math.min(batchSize, source.size - batch * batchSize);
          return {
            images: toFloat(done.images),
            shape: done.shape,
            labels: done.labels,
            indices: done.indices.map((index, row) => (row < real ? index : source.size)),
            weights: Float32Array.from(done.indices, (_, row) =>
              row < real && !lost.has(row) ? 1 : 0,
            ),
          };
        } catch (error) {
          throw new DataError(
            `loader(${source.name}): batch ${batch} of epoch ${n}${examples(indices)}: ${messageOf(error)}`,
            { cause: error },
          );
        }
      },
    });
  };

  let started = 0;
  if (dropLast && pad) {
    throw new DataError(
      "loader: expected dropLast or pad, found both; a dropped batch needs no filling",
    );
  }
  return { batchesPerEpoch, epoch, [Symbol.asyncIterator]: () => epoch(started++) };
}

function countBatches(source: ExampleSource | FileSource, options: LoaderOptions): number {
  const { batchSize, dropLast = false, prefetch = 2 } = options;
  checkInteger("batchSize", batchSize, 1);
  checkInteger("prefetch", prefetch, 0);
  if (dropLast && source.size > 0 && source.size < batchSize) {
    throw new DataError(
      `loader(${source.name}): expected a batchSize of at most ${source.size}, the number of examples, ` +
        `found ${batchSize}: with dropLast there would be no batch at all`,
    );
  }
  return dropLast ? Math.floor(source.size / batchSize) : Math.ceil(source.size / batchSize);
}

function checkInteger(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new DataError(`loader: expected ${name} to be an integer >= ${least}, found ${value}`);
  }
}

const listOf = (transform: Transform | readonly Transform[] | undefined): readonly Transform[] =>
  transform === undefined ? [] : typeof transform === "function" ? [transform] : transform;

/** A failure is reported by whoever awaits the key, not as an unhandled rejection before. */
function settle(key: Promise<HostKey>): Promise<HostKey> {
  key.catch(() => {});
  return key;
}

async function epochOrder(
  key: Promise<HostKey> | undefined,
  epoch: number,
  size: number,
): Promise<Int32Array | undefined> {
  return key === undefined ? undefined : hostPermutation(hostFoldIn(await key, epoch), size);
}

async function rowsOfJob(
  source: ExampleSource | FileSource,
  indices: Int32Array,
): Promise<Job["rows"]> {
  if (isFileSource(source)) {
    const files = Array.from(indices, (index) => source.files[index]!);
    return { files, corrupt: source.corrupt };
  }
  const shape = [indices.length, ...source.inputShape];
  const images = new Uint8Array(shape.reduce((n, d) => n * d, 1));
  await source.gather(indices, images);
  return { images, shape };
}

/** Tells the source of rows that could not be read, and gives them. */
function report(source: ExampleSource | FileSource, { skipped }: JobResult): Set<number> {
  if (isFileSource(source)) {
    for (const { file, reason } of skipped) source.skip(file, reason);
  }
  return new Set(skipped.map(({ row }) => row));
}

const examples = (indices: Int32Array | undefined): string =>
  indices === undefined
    ? ""
    : ` (examples ${indices.subarray(0, 3).join(", ")}${indices.length > 3 ? ", …" : ""})`;

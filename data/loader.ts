/** Batches of tensors from a data set. */
import { array, type Tensor } from "../src/index.js";
import type { ExampleSource, FileSource } from "./dataset.js";
import { hostLoader, type Loader, type LoaderOptions, type PreparedBatch } from "./host-loader.js";

/** A tree of tensors with the batch as their first axis: an argument for a jitted step. */
export interface Batch {
  /** float32[B, ...shape of one example]. */
  readonly x: Tensor;
  /** int32[B]: class indices. */
  readonly y: Tensor;
  /** int32[B]: positions in the data set; its size for rows that only fill up. */
  readonly indices: Tensor;
}

/** What `pad: true` gives. */
export interface WeightedBatch extends Batch {
  /** float32[B]: 1 for a row, 0 for one that only fills up. */
  readonly weights: Tensor;
}

/**
 * Batches of a data set, in a reproducible order, prepared ahead of their use.
 *
 * Each `for await` over the loader is one epoch: the first is epoch 0, the next epoch 1; `epoch(n)`
 * gives any one. Everything is a function of the options and of the epoch, so a run can be repeated
 * and resumed. Bytes become float32 in [0, 1] unless a transform makes floats of them.
 *
 * The last batch of an epoch is smaller if `batchSize` does not divide the size, and a jitted step
 * then compiles for a second shape: `pad: true` fills it up with rows of weight 0 (and gives every
 * batch `weights`), `dropLast: true` leaves it out.
 *
 * Batches are values and stay valid. In a long loop, release them: `for await (using batch of …)`,
 * or `autoDispose: true`, which releases a batch when the next one is asked for. Leaving the loop,
 * an error, or the `signal` stops the preparation and releases what was prepared.
 *
 * An error in the data set or in a transform is thrown when its batch is reached, as a DataError
 * that names the batch, its epoch and its first examples, with the original error as its cause.
 *
 * ```ts
 * const { test } = await mnist();
 * const mean = jit((batch: Batch) => batch.x.mean());
 * const batches = loader(test, { batchSize: 2500, shuffle: random.key(0), autoDispose: true });
 * let total = array(0);
 * for await (const batch of batches) total = total.add(mean(batch).div(batches.batchesPerEpoch));
 * await total.item(); // 0.132515
 * ```
 */
export function loader(
  dataset: ExampleSource | FileSource,
  options: LoaderOptions & { readonly pad: true },
): Loader<WeightedBatch & Disposable>;
export function loader(
  dataset: ExampleSource | FileSource,
  options: LoaderOptions,
): Loader<Batch & Disposable>;
export function loader(
  dataset: ExampleSource | FileSource,
  options: LoaderOptions,
): Loader<Batch & Disposable> {
  return hostLoader(
    dataset,
    options,
    (batch) => toDevice(batch, options.pad === true),
    (batch) => batch[Symbol.dispose](),
  );
}

function toDevice(host: PreparedBatch, weighted: boolean): Batch & Disposable {
  const rows = [host.indices.length];
  const x = array(host.images, { dtype: "float32", shape: host.shape });
  const y = array(host.labels, { dtype: "int32", shape: rows });
  const indices = array(host.indices, { dtype: "int32", shape: rows });
  const batch: Batch | WeightedBatch = weighted
    ? { x, y, indices, weights: array(host.weights, { dtype: "float32", shape: rows }) }
    : { x, y, indices };
  // Not enumerable: for `tree` a batch is a plain object of tensors.
  return Object.defineProperty(batch as Batch & Disposable, Symbol.dispose, {
    value: () => {
      for (const tensor of Object.values(batch) as Tensor[]) tensor.dispose();
    },
  });
}

/** What happens to a batch on the host between the data set and the device. */
import { DataError } from "../src/index.js";
import { type HostKey, hostFoldIn } from "./host-random.js";

/** A batch on the host. Rows belong together: `labels` and `indices` have one entry a row. */
export interface HostBatch {
  /** Bytes as they are stored, or floats once a transform has made them so; row-major. */
  readonly images: Uint8Array | Float32Array;
  /** Of `images`: [rows, ...shape of one example], channels last. */
  readonly shape: readonly number[];
  readonly labels: Int32Array;
  /** Positions in the data set. */
  readonly indices: Int32Array;
}

export interface TransformContext {
  /** A key of its own for this transform, batch and epoch; split it for the rows. */
  readonly key: HostKey;
  readonly epoch: number;
  /** Position of the batch in its epoch. */
  readonly batch: number;
  /** Fires when the loader is stopped: a transform that waits should give up. */
  readonly signal: AbortSignal;
}

/**
 * A function of a batch and a key, and of nothing else: the same key gives the same result, in
 * whatever order batches are prepared. It may change its argument's arrays in place, or return
 * others, of another image shape too, but not of another number of rows. It may be asynchronous,
 * and so may hand its work to a worker thread.
 */
export type Transform = (
  batch: HostBatch,
  context: TransformContext,
) => HostBatch | Promise<HostBatch>;

/** Apply transforms in order, each with a key of its own. */
export async function applyTransforms(
  transforms: readonly Transform[],
  batch: HostBatch,
  context: TransformContext,
): Promise<HostBatch> {
  let out = batch;
  for (const [position, transform] of transforms.entries()) {
    const rows = out.indices.length;
    out = await transform(out, { ...context, key: hostFoldIn(context.key, position) });
    const size = out.shape.reduce((n, d) => n * d, 1);
    if (
      out.shape[0] !== rows ||
      out.images.length !== size ||
      out.labels.length !== rows ||
      out.indices.length !== rows
    ) {
      throw new DataError(
        `transform ${position}${transform.name === "" ? "" : ` (${transform.name})`}: expected a batch of ${rows} rows, ` +
          `found shape [${out.shape.join(",")}], ${out.images.length} values, ` +
          `${out.labels.length} labels and ${out.indices.length} indices`,
      );
    }
  }
  return out;
}

/** Images as floats; bytes are scaled to [0, 1]. */
export function toFloat(images: Uint8Array | Float32Array): Float32Array {
  if (images instanceof Float32Array) return images;
  return mapBytes(images, unitValues);
}

const byteValues = (f: (byte: number) => number): Float32Array =>
  new Float32Array(256).map((_, byte) => f(byte));

const unitValues = byteValues((byte) => byte / 255);

/** Look bytes up in one table, or in one for each channel in turn. */
function mapBytes(bytes: Uint8Array, ...tables: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(bytes.length);
  const step = tables.length;
  tables.forEach((table, channel) => {
    for (let i = channel; i < out.length; i += step) out[i] = table[bytes[i]!]!;
  });
  return out;
}

export interface NormalizeOptions {
  /** Mean, of values in [0, 1]: one number, or one for each channel. */
  readonly mean: number | readonly number[];
  /** Standard deviation, likewise; positive. */
  readonly std: number | readonly number[];
}

/**
 * A transform that takes bytes (scaled to [0, 1] first) or floats to (x - mean) / std, by channel,
 * the last axis.
 *
 * ```ts
 * const { train } = await mnist();
 * const transform = normalize({ mean: 0.1307, std: 0.3081 });
 * loader(train, { batchSize: 128, transform }).batchesPerEpoch; // 469
 * ```
 */
export function normalize({ mean, std }: NormalizeOptions): Transform {
  const means = typeof mean === "number" ? [mean] : [...mean];
  const stds = typeof std === "number" ? [std] : [...std];
  if (!stds.every((s) => s > 0) || !means.every(Number.isFinite)) {
    throw new DataError(
      `normalize: expected finite means and positive deviations, found mean [${means.join(", ")}] and std [${stds.join(", ")}]`,
    );
  }
  return function normalizeBatch(batch) {
    const channels = batch.shape.at(-1) ?? 1;
    for (const [name, list] of [["mean", means] as const, ["std", stds] as const]) {
      if (list.length !== 1 && list.length !== channels) {
        throw new DataError(
          `normalize: expected one ${name} or one for each of ${channels} channels, found ${list.length}`,
        );
      }
    }
    const { images } = batch;
    const apply = (c: number) => {
      const m = means[c % means.length]!;
      const s = stds[c % stds.length]!;
      return (value: number) => (value - m) / s;
    };
    if (images instanceof Uint8Array) {
      const tables = Array.from({ length: channels }, (_, c) => {
        const f = apply(c);
        return byteValues((byte) => f(byte / 255));
      });
      return { ...batch, images: mapBytes(images, ...tables) };
    }
    const out = new Float32Array(images.length);
    for (let c = 0; c < channels; c++) {
      const f = apply(c);
      for (let i = c; i < out.length; i += channels) out[i] = f(images[i]!);
    }
    return { ...batch, images: out };
  };
}

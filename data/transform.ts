/**
 * What happens to a batch on the host between the data set and the device. Worker threads load this
 * file: it imports nothing of the engine, and its errors become DataErrors in the loader.
 */
import type { TransformSpec } from "./augment/registry.js";
import { type HostKey, hostFoldIn } from "./threefry.js";

/** A batch on the host. Rows belong together: `labels` and `indices` have one entry a row. */
export interface HostBatch {
  /** Bytes as they are stored, or floats once a transform has made them so; row-major. */
  readonly images: Uint8Array | Float32Array;
  /** Of `images`: [rows, ...shape of one example], channels last. */
  readonly shape: readonly number[];
  /**
   * Height and width of every row, where they differ (decoded files): `images` holds the rows one
   * after another, and `shape` is [rows, -1, -1, channels]. A transform must bring them to one size.
   */
  readonly sizes?: Int32Array;
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
export interface Transform {
  (batch: HostBatch, context: TransformContext): HostBatch | Promise<HostBatch>;
  /** What a worker thread makes the same transform from: the augmentations of this library have it. */
  readonly spec?: TransformSpec;
}

/** Values of one row of a batch, or of all rows where sizes differ. */
const valuesOf = ({ shape, sizes }: HostBatch): number => {
  if (sizes === undefined) return shape.reduce((n, d) => n * d, 1);
  let pixels = 0;
  for (let i = 0; i < sizes.length; i += 2) pixels += sizes[i]! * sizes[i + 1]!;
  return pixels * shape.at(-1)!;
};

/**
 * Apply transforms in order, each with a key of its own: that of its position, counted from `first`.
 */
export async function applyTransforms(
  transforms: readonly Transform[],
  batch: HostBatch,
  context: TransformContext,
  first = 0,
): Promise<HostBatch> {
  let out = batch;
  for (const [i, transform] of transforms.entries()) {
    const rows = out.indices.length;
    const position = first + i;
    out = await transform(out, { ...context, key: hostFoldIn(context.key, position) });
    if (
      out.shape[0] !== rows ||
      out.images.length !== valuesOf(out) ||
      out.labels.length !== rows ||
      out.indices.length !== rows
    ) {
      throw new Error(
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

export const byteValues = (f: (byte: number) => number): Float32Array =>
  new Float32Array(256).map((_, byte) => f(byte));

const unitValues = byteValues((byte) => byte / 255);

/** Look bytes up in one table, or in one for each channel in turn. */
export function mapBytes(bytes: Uint8Array, ...tables: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(bytes.length);
  const step = tables.length;
  tables.forEach((table, channel) => {
    for (let i = channel; i < out.length; i += step) out[i] = table[bytes[i]!]!;
  });
  return out;
}

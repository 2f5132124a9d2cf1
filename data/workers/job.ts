/**
 * What a worker thread does to a batch: decode its files, apply transforms. The same function runs on
 * the main thread without workers, so that their number changes nothing.
 */
import type { HostImage } from "../augment/image.js";
import { fromSpec, type TransformSpec } from "../augment/registry.js";
import { batchOf, type ImageTransform, rowKey } from "../augment/rows.js";
import { decodeFile } from "../decode.js";
import { type HostKey, hostFoldIn } from "../threefry.js";
import { applyTransforms, type HostBatch, type Transform, toFloat } from "../transform.js";

/** Plain data: it is sent to a thread. */
export interface Job {
  /** Pixels, or files of pixels. */
  readonly rows:
    | { readonly images: Uint8Array; readonly shape: readonly number[] }
    | { readonly files: readonly string[]; readonly corrupt: "error" | "skip" };
  readonly labels: Int32Array;
  readonly indices: Int32Array;
  readonly transforms: readonly TransformSpec[];
  readonly key: HostKey;
  readonly epoch: number;
  readonly batch: number;
  /** Whether to make floats of bytes in the end. */
  readonly float: boolean;
}

export interface SkippedRow {
  readonly row: number;
  readonly file: string;
  readonly reason: string;
}

export interface JobResult {
  readonly batch: HostBatch;
  /** Rows whose files could not be read: copies of another row are in their place. */
  readonly skipped: readonly SkippedRow[];
}

export async function runJob(job: Job): Promise<JobResult> {
  const { rows, labels, indices } = job;
  const transforms = job.transforms.map((spec) => fromSpec(spec as never));
  if ("images" in rows) {
    const batch = { images: rows.images, shape: rows.shape, labels, indices };
    return { batch: await finish(job, transforms, batch, 0), skipped: [] };
  }
  // Transforms of single images follow the decoding at once: only small images are kept.
  const other = transforms.findIndex((t) => !isPerImage(t));
  const early = (other < 0 ? transforms : transforms.slice(0, other)) as ImageTransform[];
  const keys = early.map((_, i) => hostFoldIn(job.key, i));
  const skipped: SkippedRow[] = [];
  const read = async (file: string, row: number): Promise<HostImage | undefined> => {
    let image: HostImage;
    try {
      image = await decodeFile(file);
    } catch (error) {
      if (rows.corrupt === "error") throw error;
      skipped.push({ row, file, reason: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
    early.forEach((transform, i) => {
      image = transform.perImage(image, rowKey(keys[i]!, row));
    });
    return image;
  };
  const images: (HostImage | undefined)[] = [];
  // A few at a time: sharp decodes on threads of its own.
  for (let at = 0; at < rows.files.length; at += TOGETHER) {
    const part = rows.files.slice(at, at + TOGETHER);
    images.push(...(await Promise.all(part.map((file, i) => read(file, at + i)))));
  }
  const filled = fillGaps(images, job, skipped);
  const batch = await finish(job, transforms.slice(early.length), filled, early.length);
  return { batch, skipped: skipped.sort((a, b) => a.row - b.row) };
}

const TOGETHER = 8;

const isPerImage = (t: Transform): t is ImageTransform => "perImage" in t;

async function finish(
  job: Job,
  transforms: readonly Transform[],
  batch: HostBatch,
  first: number,
): Promise<HostBatch> {
  const { key, epoch } = job;
  const { signal } = new AbortController();
  const context = { key, epoch, batch: job.batch, signal };
  const done = await applyTransforms(transforms, batch, context, first);
  return job.float ? { ...done, images: toFloat(done.images) } : done;
}

/** In the place of a row that could not be read, the next one that could, going around. */
function fillGaps(
  images: readonly (HostImage | undefined)[],
  { labels, indices }: Job,
  skipped: readonly SkippedRow[],
): HostBatch {
  const rows = images.length;
  if (skipped.length === rows && rows > 0) {
    throw new Error(`none of the ${rows} images can be read: ${skipped[0]!.reason}`);
  }
  const source = images.map((_, row) => {
    let at = row;
    while (images[at] === undefined) at = (at + 1) % rows;
    return at;
  });
  return batchOf(
    source.map((row) => images[row]!),
    {
      labels: labels.map((_, row) => labels[source[row]!]!),
      indices: indices.map((_, row) => indices[source[row]!]!),
    },
  );
}

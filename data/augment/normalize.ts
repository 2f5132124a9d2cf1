/** Values with the mean and the deviation of the data set taken out. */
import { byteValues, mapBytes, type Transform } from "../transform.js";

export interface NormalizeOptions {
  /** Mean, of values in [0, 1]: one number, or one for each channel. */
  readonly mean: number | readonly number[];
  /** Standard deviation, likewise; positive. */
  readonly std: number | readonly number[];
}

export function normalize({ mean, std }: NormalizeOptions): Transform {
  const means = typeof mean === "number" ? [mean] : [...mean];
  const stds = typeof std === "number" ? [std] : [...std];
  if (!stds.every((s) => s > 0) || !means.every(Number.isFinite)) {
    throw new Error(
      `normalize: expected finite means and positive deviations, found mean [${means.join(", ")}] and std [${stds.join(", ")}]`,
    );
  }
  return function normalizeBatch(batch) {
    const channels = batch.shape.at(-1) ?? 1;
    for (const [name, list] of [["mean", means] as const, ["std", stds] as const]) {
      if (list.length !== 1 && list.length !== channels) {
        throw new Error(
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

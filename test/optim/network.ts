/** The small network of test/fixtures/family.json, as a loss function and as data. */
import { readFileSync } from "node:fs";
import type { Tensor } from "dawngrad";
import { softmaxCrossEntropy } from "dawngrad/nn";
import { gradientOf } from "dawngrad/optim";
import { type HostArray, hostArray } from "dawngrad/testing";

export interface Params<T = Tensor> {
  readonly w1: T;
  readonly b1: T;
  readonly w2: T;
  readonly b2: T;
}
export type Values = Params<number[] | number[][]>;
export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly indices: Tensor;
}

export const names = ["w1", "b1", "w2", "b2"] as const;

export const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/family.json", import.meta.url), "utf8"),
) as {
  readonly params: Values;
  readonly x: number[][];
  readonly y: number[];
  readonly rho: number;
  readonly delta: Values;
  readonly mask: Values;
  readonly ssamMask: Values;
  readonly steps: Readonly<Record<string, Values>>;
  readonly lookSam: readonly Values[];
  readonly lookCr: readonly Values[];
  readonly aeSam: readonly Values[];
  readonly aeSharp: readonly boolean[];
  readonly saf: readonly Values[];
};

/** Cross-entropy of tanh(x·w1 + b1)·w2 + b2. */
export const loss = (p: Params, state: null, { x, y }: Batch) => {
  const logits = x.matmul(p.w1).add(p.b1).tanh().matmul(p.w2).add(p.b2);
  const perExample = softmaxCrossEntropy(logits, y);
  return { loss: perExample.mean(), state, perExample, logits };
};
export const base = gradientOf(loss);

export const hosted = (v: Values): Params<HostArray> => ({
  w1: hostArray(v.w1),
  b1: hostArray(v.b1),
  w2: hostArray(v.w2),
  b2: hostArray(v.b2),
});

/** The examples of these rows. */
export const batchOf = (rows = [0, 1, 2, 3, 4, 5, 6, 7]) => ({
  x: hostArray(rows.map((i) => fixture.x[i]!)),
  y: hostArray(
    rows.map((i) => fixture.y[i]!),
    "int32",
  ),
  indices: hostArray(rows, "int32"),
});

export const flat = (x: unknown): number[] => (Array.isArray(x) ? x.flatMap(flat) : [x as number]);

/** The largest difference over all leaves, relative to the largest value. */
export function largestDifference(have: Params<{ toArray(): unknown }>, want: Values): number {
  let [difference, size] = [0, 0];
  for (const k of names) {
    const a = flat(have[k].toArray());
    flat(want[k]).forEach((v, i) => {
      difference = Math.max(difference, Math.abs(a[i]! - v));
      size = Math.max(size, Math.abs(v));
      if (Number.isNaN(a[i]!)) difference = Number.POSITIVE_INFINITY;
    });
  }
  return difference / size;
}

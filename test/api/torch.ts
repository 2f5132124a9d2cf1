/** PyTorch's values of convolutions, pools and normalisations, and their operands (make_conv.py). */
import { readFileSync } from "node:fs";
import type { Layout } from "dawngrad";
import { HostArray } from "dawngrad/testing";

export interface Recorded {
  readonly shapes: readonly (readonly number[])[];
  readonly outShape: readonly number[];
  readonly y: readonly number[];
  readonly grads: readonly (readonly number[])[];
}

type PerDimension = number | readonly number[];

export interface ConvCase extends Recorded {
  readonly options: {
    readonly strides: PerDimension;
    readonly padding: "SAME" | "VALID" | number | readonly (readonly [number, number])[];
    readonly dilation: PerDimension;
    readonly groups: number;
  };
}

export interface TransposedCase extends Recorded {
  readonly options: {
    readonly stride: number;
    readonly padding: number;
    readonly outputPadding: number;
    readonly dilation: number;
    readonly groups: number;
  };
}

export interface PoolCase extends Recorded {
  readonly kind: "max" | "avg";
  readonly window: PerDimension;
  readonly options: {
    readonly strides: PerDimension;
    readonly padding: number;
    readonly dilation?: number;
    readonly countIncludePad?: boolean;
  };
}

export interface BatchNormCase {
  readonly shape: readonly number[];
  readonly momentum: number;
  readonly eps: number;
  readonly train: readonly Readonly<Record<string, readonly number[]>>[];
  readonly eval: readonly number[];
}

export interface GroupNormCase extends Recorded {
  readonly groups: number;
  readonly eps: number;
}

export const torch = JSON.parse(
  readFileSync(new URL("../fixtures/conv.json", import.meta.url), "utf8"),
) as {
  readonly conv: readonly ConvCase[];
  readonly transposed: readonly TransposedCase[];
  readonly pool: readonly PoolCase[];
  readonly batchNorm: readonly BatchNormCase[];
  readonly groupNorm: readonly GroupNormCase[];
};

const host = (shape: readonly number[], values: readonly number[]): HostArray =>
  new HostArray({ shape, dtype: "float32", data: Float64Array.from(values) });

/** The script's operands: multiples of 1/8 in [-2.5, 2.5] that repeat. */
export function pattern(shape: readonly number[], seed: number): HostArray {
  const n = shape.reduce((a, b) => a * b, 1);
  const value = (i: number) => (((i * 7919 + seed * 104729 + ((i * i) % 31)) % 41) - 20) / 8;
  return host(
    shape,
    Array.from({ length: n }, (_, i) => value(i)),
  );
}

/** Axes permuted: axis i of the result is axis `perm[i]`. */
export function permuted(x: HostArray, perm: readonly number[]): HostArray {
  const shape = perm.map((p) => x.shape[p]!);
  const steps = x.shape.map((_, i) => x.shape.slice(i + 1).reduce((a, b) => a * b, 1));
  let places = [0];
  for (const p of perm) {
    places = places.flatMap((at) =>
      Array.from({ length: x.shape[p]! }, (_, i) => at + i * steps[p]!),
    );
  }
  return host(
    shape,
    places.map((at) => x.data[at]!),
  );
}

const spatial = (rank: number): number[] => Array.from({ length: rank - 2 }, (_, i) => i + 2);

/** An image of PyTorch's layout in `layout`. */
export const image = (x: HostArray, layout: Layout): HostArray =>
  layout === "NCHW" ? x : permuted(x, [0, ...spatial(x.shape.length), 1]);

/** Weights of PyTorch's layout (OIHW) in the order that goes with `layout`. */
export const weights = (x: HostArray, layout: Layout): HostArray =>
  layout === "NCHW" ? x : permuted(x, [...spatial(x.shape.length), 1, 0]);

export const recorded = (shape: readonly number[], values: readonly number[]): HostArray =>
  host(shape, values);

/** Element by element within `tolerance` of the scale of `want`. */
export function expectNear(
  what: string,
  have: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  want: HostArray,
  tolerance: number,
): void {
  if (have.shape.join() !== want.shape.join()) {
    throw new Error(`${what}: shape [${have.shape}] instead of [${want.shape}]`);
  }
  const scale = Math.max(1, ...Array.from(want.data, Math.abs));
  for (let i = 0; i < want.data.length; i++) {
    const [a, b] = [have.data[i]!, want.data[i]!];
    if (!(Math.abs(a - b) <= tolerance * scale)) {
      throw new Error(`${what}: element ${i} is ${a} instead of ${b}`);
    }
  }
}

/** PyTorch's reduced models (test/fixtures/make_models.py), and their parameters and images. */
import { readFileSync } from "node:fs";
import { evalShape, random, type Tensor } from "dawngrad";
import {
  cnn,
  type Layer,
  mlp,
  pyramidNet,
  resnet,
  type StateDictNames,
  torchNames,
  torchvisionVitNames,
  toStateDict,
  vit,
  wideResnet,
} from "dawngrad/nn";
import { HostArray } from "dawngrad/testing";

type Values = Readonly<Record<string, readonly number[]>>;

export interface Recorded {
  readonly size: number;
  readonly classes: number;
  readonly batch: number;
  readonly source: keyof typeof sources;
  /** How far PyTorch's own float32 run is off, at most, relative to the largest value of a tensor. */
  readonly float32: number;
  readonly learningRate: number;
  readonly losses: readonly number[];
  readonly logits: readonly number[];
  readonly grads: Values;
  readonly statsAfterOne: Values;
  readonly paramsAfterFive: Values;
  readonly statsAfterFive: Values;
  readonly evaluated: readonly number[];
}

export interface Family {
  readonly name: string;
  readonly model: Layer<unknown, unknown>;
  readonly names: StateDictNames;
  readonly record: Recorded;
  /** The initial state dict: PyTorch's names and layouts. */
  readonly dict: Readonly<Record<string, HostArray>>;
  readonly like: { readonly params: unknown; readonly state: unknown };
}

const host = (shape: readonly number[], value: (i: number) => number): HostArray => {
  const n = shape.reduce((a, b) => a * b, 1);
  return new HostArray({
    shape,
    dtype: "float32",
    data: Float64Array.from({ length: n }, (_, i) => value(i)),
  });
};

/** `wave` and `mixed` of the script: an element by its place. */
const sources = {
  wave: (i: number, seed: number): number => Math.sin(0.7 * i + seed),
  mixed(i: number, seed: number): number {
    let x = Math.imul(i + 1 + seed * 7919, 2654435761) >>> 0;
    x ^= x >>> 15;
    x = Math.imul(x, 2246822519) >>> 0;
    x = (x ^ (x >>> 13)) >>> 0;
    return x / 2 ** 31 - 1;
  },
} as const;

const seedOf = (name: string): number =>
  [...name].reduce((s, c, i) => s + c.charCodeAt(0) * (i + 1), 0) % 1009;

/** `fill` of the script. */
function filled({ source }: Recorded, name: string, shape: readonly number[]): HostArray {
  if (name.endsWith("running_mean")) return host(shape, () => 0);
  if (name.endsWith("running_var")) return host(shape, () => 1);
  const seed = seedOf(name);
  const at = (i: number) => sources[source](i, seed);
  if (!name.endsWith("weight")) return host(shape, (i) => 0.1 * at(i));
  if (shape.length === 1) return host(shape, (i) => 1 + 0.2 * at(i));
  const scale = Math.sqrt(2 / shape.slice(1).reduce((a, b) => a * b, 1));
  return host(shape, (i) => at(i) * scale);
}

/** Images [batch, 3, size, size] of the script, with channels last. */
export function images({ batch, size, source }: Recorded, seed: number): HostArray {
  const nchw = host([batch, 3, size, size], (i) => sources[source](i, seed));
  const area = size * size;
  return host([batch, size, size, 3], (i) => {
    const [n, pixel, c] = [Math.floor(i / (3 * area)), Math.floor(i / 3) % area, i % 3];
    return nchw.data[(n * 3 + c) * area + pixel]!;
  });
}

export const labels = ({ batch, classes }: Recorded, step: number): HostArray =>
  new HostArray({
    shape: [batch],
    dtype: "int32",
    data: Int32Array.from({ length: batch }, (_, i) => (i + step) % classes),
  });

const models: readonly [string, Layer<unknown, unknown>, StateDictNames][] = [
  [
    "basic",
    resnet({ block: "basic", layers: [1, 1, 1, 1], width: 1, classes: 3, stem: "cifar" }),
    torchNames,
  ],
  [
    "bottleneck",
    resnet({ block: "bottleneck", layers: [1, 1, 1, 1], width: 2, classes: 3 }),
    torchNames,
  ],
  ["wide", wideResnet({ depth: 10, width: 1, base: 3, classes: 3 }), torchNames],
  ["pyramid", pyramidNet({ depth: 8, alpha: 5, base: 3, classes: 3 }), torchNames],
  [
    "vit",
    vit({ patch: 8, features: 8, depth: 2, heads: 2, hidden: 12, classes: 3 }),
    torchvisionVitNames,
  ],
  ["cnn", cnn({ channels: [3, 4], classes: 3 }), torchNames],
  ["mlp", mlp([6, 5, 3]), torchNames],
];

export const families: readonly Family[] = models.map(([name, model, names]) => {
  const url = new URL(`../fixtures/models/${name}.json`, import.meta.url);
  const record = JSON.parse(readFileSync(url, "utf8")) as Recorded;
  const like = evalShape((key: Tensor) => {
    const { params, state } = model.init(key, [record.batch, record.size, record.size, 3]);
    return { params, state };
  }, random.key(0));
  const shapes = evalShape((trees: typeof like) => toStateDict(trees, { names }), like);
  const dict = Object.fromEntries(
    Object.entries(shapes).map(([key, x]) => [key, filled(record, key, x.shape)]),
  );
  return { name, model, names, record, dict, like };
});

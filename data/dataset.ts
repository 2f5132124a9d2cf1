/** Labelled images in memory, and parts of them. */
import { DataError } from "../src/index.js";
import { type HostKey, hostFoldIn, hostKey, hostPermutation, hostUniform } from "./host-random.js";

/**
 * What a loader reads from: labelled examples that are bytes of one shape. `Dataset` holds them in
 * memory; anything that can copy examples by their index will do.
 */
export interface ExampleSource {
  /** For messages and tables; says what was done to the data. */
  readonly name: string;
  readonly size: number;
  /** Shape of one example, channels last: [height, width, channels] for images. */
  readonly inputShape: readonly number[];
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  /** One class index per example. */
  readonly labels: Int32Array;
  /** Copy the bytes of these examples, one after another, into `into`. */
  gather(indices: Int32Array, into: Uint8Array): void | Promise<void>;
}

/** A source of labelled image files of any size, decoded when their batch is made: `imageFolder`. */
export interface FileSource extends Omit<ExampleSource, "gather"> {
  /** Height and width are -1: they differ. */
  readonly inputShape: readonly number[];
  /** Paths, by example. */
  readonly files: readonly string[];
  /** Whether a file that cannot be read stops the loader, or is left out. */
  readonly corrupt: "error" | "skip";
  /** Hears of a file that was left out, as often as its batch is made. */
  skip(file: string, reason: string): void;
}

export const isFileSource = (source: ExampleSource | FileSource): source is FileSource =>
  "files" in source;

export interface DatasetFields {
  readonly name: string;
  /** size × inputShape bytes, row-major, channels last (NHWC). */
  readonly images: Uint8Array;
  readonly labels: ArrayLike<number>;
  readonly inputShape: readonly number[];
  readonly classes: readonly string[];
}

/** One example: its bytes (a view, not a copy) and its label. */
export interface Example {
  readonly image: Uint8Array;
  readonly label: number;
}

/**
 * Labelled examples in memory. Immutable: the methods give new data sets.
 *
 * ```ts
 * const points = new Dataset({
 *   name: "two points",
 *   images: Uint8Array.of(0, 0, 255, 255),
 *   labels: [0, 1],
 *   inputShape: [2],
 *   classes: ["low", "high"],
 * });
 * points.take(1).size; // 1
 * points.get(1).label; // 1
 * ```
 */
export class Dataset implements ExampleSource {
  readonly name: string;
  readonly size: number;
  readonly inputShape: readonly number[];
  readonly classes: readonly string[];
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** Bytes of one example. */
  readonly exampleSize: number;

  /** Throws a DataError if the counts of images and labels differ or a label names no class. */
  constructor(fields: DatasetFields) {
    this.name = fields.name;
    this.inputShape = [...fields.inputShape];
    this.classes = [...fields.classes];
    this.images = fields.images;
    this.labels = Int32Array.from(fields.labels);
    this.size = this.labels.length;
    this.exampleSize = this.inputShape.reduce((n, d) => n * d, 1);
    if (this.images.length !== this.size * this.exampleSize) {
      throw new DataError(
        `${this.name}: expected as many images as labels, found ${this.images.length} bytes of images ` +
          `(${this.images.length / this.exampleSize} of shape [${this.inputShape.join(",")}]) and ${this.size} labels`,
      );
    }
    for (let i = 0; i < this.size; i++) {
      const label = fields.labels[i]!;
      if (!Number.isInteger(label) || label < 0 || label >= this.classes.length) {
        throw new DataError(
          `${this.name}: expected labels that are integers from 0 to ${this.classes.length - 1}, ` +
            `found ${label} for example ${i}`,
        );
      }
    }
  }

  /** The example at `index`. */
  get(index: number): Example {
    this.#check("get", index);
    return {
      image: this.images.subarray(index * this.exampleSize, (index + 1) * this.exampleSize),
      label: this.labels[index]!,
    };
  }

  gather(indices: Int32Array, into: Uint8Array): void {
    const n = this.exampleSize;
    indices.forEach((index, row) => {
      this.#check("gather", index);
      into.set(this.images.subarray(index * n, (index + 1) * n), row * n);
    });
  }

  /** The examples at `indices`, in that order; an index may come twice. Copies them. */
  subset(indices: ArrayLike<number>, name = `${this.name} (${indices.length} examples)`): Dataset {
    const list = Array.from(indices);
    for (const index of list) this.#check("subset", index);
    const order = Int32Array.from(list);
    const images = new Uint8Array(order.length * this.exampleSize);
    this.gather(order, images);
    return this.#with({ name, images, labels: Array.from(order, (i) => this.labels[i]!) });
  }

  /** Examples from `start` up to `end`, sharing memory. */
  slice(start: number, end: number = this.size): Dataset {
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start) {
      throw new DataError(
        `slice: expected 0 <= start <= end, integers, found ${start} and ${end} in ${this.name}`,
      );
    }
    if (end > this.size) {
      throw new DataError(
        `slice: expected an end of at most ${this.size}, the size of ${this.name}, found ${end}`,
      );
    }
    return this.#with({
      name: `${this.name} (examples ${start} to ${end})`,
      images: this.images.subarray(start * this.exampleSize, end * this.exampleSize),
      labels: this.labels.subarray(start, end),
    });
  }

  /** The first `count` examples, sharing memory. */
  take(count: number): Dataset {
    const part = this.slice(0, count);
    return part.#with({ name: `${this.name} (first ${count})` });
  }

  /** `count` different examples in a random order that the seed decides. */
  sample(count: number, options: { readonly seed: number | HostKey }): Dataset {
    if (!Number.isInteger(count) || count < 0 || count > this.size) {
      throw new DataError(
        `sample: expected a count from 0 to ${this.size}, the size of ${this.name}, found ${count}`,
      );
    }
    const order = hostPermutation(keyFor(SAMPLE, options.seed), this.size);
    return this.subset(order.subarray(0, count), `${this.name} (random ${count})`);
  }

  /**
   * Two parts: the first `count` examples and the rest; after shuffling, if a seed is given.
   *
   * ```ts
   * const { train } = await mnist();
   * const [fit, validation] = train.split(50_000, { seed: 0 });
   * fit.size; // 50000
   * validation.size; // 10000
   * ```
   */
  split(count: number, options: { readonly seed?: number | HostKey } = {}): [Dataset, Dataset] {
    const all = options.seed === undefined ? this : this.sample(this.size, { seed: options.seed });
    const how = options.seed === undefined ? "" : ", shuffled";
    const first = all.slice(0, count);
    const rest = all.slice(count);
    return [
      first.#with({ name: `${this.name} (part of ${first.size}${how})` }),
      rest.#with({ name: `${this.name} (part of ${rest.size}${how})` }),
    ];
  }

  /** The same images with other labels. */
  relabel(labels: ArrayLike<number>, name: string): Dataset {
    return this.#with({ labels, name });
  }

  /** How many examples there are of each class. */
  histogram(): number[] {
    const counts = this.classes.map(() => 0);
    for (const label of this.labels) counts[label]!++;
    return counts;
  }

  #with(fields: Partial<DatasetFields>): Dataset {
    const { name, images, labels, inputShape, classes } = this;
    return new Dataset({ name, images, labels, inputShape, classes, ...fields });
  }

  #check(op: string, index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new DataError(
        `${op}: expected an index from 0 to ${this.size - 1} in ${this.name}, found ${index}`,
      );
    }
  }
}

/** A key for one purpose, so that one seed may serve for sampling, noise and shuffling alike. */
const keyFor = (purpose: number, seed: number | HostKey): HostKey =>
  hostFoldIn(typeof seed === "number" ? hostKey(seed) : seed, purpose);

const SAMPLE = 0x73616d70;
const NOISE = 0x6e6f6973;

export interface LabelNoiseOptions {
  /** The part of the examples that is relabelled, from 0 to 1. */
  readonly fraction: number;
  readonly seed: number | HostKey;
  /**
   * Where a new label comes from, uniformly: the *other* classes (default, so that exactly
   * `fraction` of the labels are wrong), or *all* of them (so that a relabelled example keeps its
   * label with probability 1/classes, another convention in the literature).
   */
  readonly among?: "others" | "all";
}

/**
 * Symmetric label noise: exactly `round(fraction · size)` examples, chosen uniformly without
 * repetition, get a new label chosen uniformly. The same seed always gives the same labels. The
 * name of the result says what was done.
 *
 * ```ts
 * const clean = (await mnist()).train.take(4000);
 * const noisy = labelNoise(clean, { fraction: 0.2, seed: 0 });
 * noisy.name; // "MNIST train (first 4000) (20% of labels noisy)"
 * noisy.labels.filter((label, i) => label !== clean.labels[i]).length; // 800
 * ```
 */
export function labelNoise(dataset: Dataset, options: LabelNoiseOptions): Dataset {
  const { fraction, seed, among = "others" } = options;
  const classes = dataset.classes.length;
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new DataError(`labelNoise: expected a fraction from 0 to 1, found ${fraction}`);
  }
  if (among === "others" && classes < 2) {
    throw new DataError(
      `labelNoise: expected at least 2 classes to choose from, found ${classes} in ${dataset.name}`,
    );
  }
  const key = keyFor(NOISE, seed);
  const count = Math.round(fraction * dataset.size);
  const chosen = hostPermutation(hostFoldIn(key, 0), dataset.size).subarray(0, count);
  const uniform = hostUniform(hostFoldIn(key, 1), count);
  const labels = Int32Array.from(dataset.labels);
  chosen.forEach((index, i) => {
    if (among === "all") {
      labels[index] = Math.floor(uniform[i]! * classes);
    } else {
      const other = Math.floor(uniform[i]! * (classes - 1));
      labels[index] = other < labels[index]! ? other : other + 1;
    }
  });
  const percent = Number((100 * fraction).toFixed(4));
  return dataset.relabel(labels, `${dataset.name} (${percent}% of labels noisy)`);
}

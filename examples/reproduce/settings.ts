/** What an experiment is: everything that decides a result, which the raw results repeat. */
export const scaleNames = ["smoke", "small", "medium", "full"] as const;
export type ScaleName = (typeof scaleNames)[number];
export const datasetNames = [
  "mnist",
  "fashion-mnist",
  "cifar-10",
  "cifar-100",
  "imagenet",
] as const;
export type DatasetName = (typeof datasetNames)[number];
export const methodNames = [
  "base",
  "sam",
  "r-sam",
  "cr-sam",
  "cr-sam-control",
  "cr-sam-paper",
  "cr-sam-paper-control",
] as const;
/** Beside them, whether a radius that was never tried explains a difference: SAM at twice the chosen one. */
export type MethodName = (typeof methodNames)[number] | "sam-double";

export type NetworkSpec =
  | { readonly kind: "mlp"; readonly hidden: readonly number[] }
  | {
      readonly kind: "resnet";
      readonly block: "basic" | "bottleneck";
      readonly layers: readonly [number, number, number, number];
      readonly width: number;
      /** Default "cifar". */
      readonly stem?: "cifar" | "imagenet";
    }
  | { readonly kind: "wide-resnet"; readonly depth: number; readonly width: number }
  | { readonly kind: "pyramid-net"; readonly depth: number; readonly alpha: number }
  | {
      readonly kind: "vit";
      readonly patch: number;
      readonly features: number;
      readonly depth: number;
      readonly heads: number;
    };

/** Numbers that the grid may change; the rest of a training is fixed. */
export interface Hyper {
  readonly lr: number;
  readonly weightDecay: number;
  readonly rho: number;
  /** R-SAM's noise. */
  readonly sigma: number;
  /** CR-SAM, code form. */
  readonly alpha: number;
  readonly beta: number;
  /** CR-SAM, paper form: its weights and its floors of A and B. */
  readonly paperAlpha: number;
  readonly paperBeta: number;
  readonly floorA: number;
  readonly floorB: number;
  /** Radii of CR-SAM's forms where the search gave them another than SAM's. */
  readonly codeRho?: number;
  readonly paperRho?: number;
}

export type Augmentation = "none" | "basic" | "cutout" | "autoaugment";

export interface Experiment {
  /** In file names and tables. */
  readonly name: string;
  readonly title: string;
  readonly network: NetworkSpec;
  readonly data: DatasetName;
  /** Training images, drawn at random; all of them where undefined. */
  readonly trainSize?: number;
  /** Test images; all where undefined. */
  readonly testSize?: number;
  /** Share of wrong training labels. */
  readonly noise: number;
  readonly augmentation: Augmentation;
  readonly optimizer: "sgd" | "adamw";
  readonly epochs: number;
  readonly batch: number;
  readonly seeds: number;
  /** Seeds that train as lanes of one vmapped program. */
  readonly lanes: number;
  readonly methods: readonly MethodName[];
  /**
   * CR-SAM's perturbed passes: as one vmap (default), or one after the other, which on a processor
   * saves compiling every kernel of a deep network in a second form.
   */
  readonly passes?: "vmap" | "sequential";
  readonly hyper: Hyper;
  /** What is measured of finished networks beside accuracy: all of it where undefined. */
  readonly measure?: readonly Measure[];
  /** The search on a held-out split: epochs, seeds, images held out, and the values tried. */
  readonly tune?: Tuning;
}

export type Measure = "curvature" | "landscape";

export interface Tuning {
  readonly epochs: number;
  readonly seeds: number;
  readonly heldOut: number;
  readonly lr: readonly number[];
  readonly weightDecay: readonly number[];
  readonly rho: readonly number[];
  readonly sigma: readonly number[];
  /** Radii tried with every (α, β), as multiples of the one found for SAM: CR-SAM reaches further by itself. */
  readonly radii: readonly number[];
  /** Pairs (α, β) of the code form and of the paper form. */
  readonly code: readonly (readonly [number, number])[];
  readonly paper: readonly (readonly [number, number])[];
}

/** How finished networks are measured. */
export interface Measuring {
  readonly probes: number;
  /** Test (and, for figures 1 and 2, training) images that curvature is measured on. */
  readonly examples: number;
  readonly lanczos: number;
  /** Points a side of figure 4's grids, and their reach in filter-normalised directions. */
  readonly grid: number;
  readonly reach: number;
  /** Figures 1 and 2: epochs at which training is looked at. */
  readonly track: readonly number[];
  /** Batches and their size for the approximation ratio. */
  readonly ratioBatches: number;
}

export interface Scale {
  readonly table1: readonly Experiment[];
  readonly table2: readonly Experiment[];
  /** Trained by SAM and looked at on the way, for figures 1 and 2. */
  readonly figures: Experiment;
  /** Severities of the corruptions of table 2. */
  readonly severities: readonly number[];
  readonly measuring: Measuring;
}

/**
 * The paper's numbers, and floors under which the logarithms of its equation 7 are linear: without
 * them its form collapses (docs/cr-sam.md).
 */
export const published: Hyper = {
  lr: 0.05,
  weightDecay: 1e-3,
  rho: 0.1,
  sigma: 0.01,
  alpha: 0.1,
  beta: 0.01,
  paperAlpha: 0.1,
  paperBeta: 0.01,
  floorA: 0.1,
  floorB: 0.1,
};

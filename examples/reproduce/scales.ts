/** What each scale trains: everything that decides a result is in here, and in the raw results. */
export const scaleNames = ["smoke", "small", "medium", "full"] as const;
export type ScaleName = (typeof scaleNames)[number];
export const datasetNames = ["mnist", "fashion-mnist", "cifar-10", "cifar-100"] as const;
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
export type MethodName = (typeof methodNames)[number];

export type NetworkSpec =
  | { readonly kind: "mlp"; readonly hidden: readonly number[] }
  | {
      readonly kind: "resnet";
      readonly block: "basic" | "bottleneck";
      readonly layers: readonly [number, number, number, number];
      readonly width: number;
    }
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
const published: Hyper = {
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

const all: readonly MethodName[] = methodNames;
const fewer: readonly MethodName[] = ["base", "sam", "cr-sam", "cr-sam-control"];

/** Every pass that the other scales make, on a linear model: shaders are what takes time here. */
const smokeMlp: Experiment = {
  name: "mlp-mnist",
  title: "Linear model 784-10 on MNIST",
  network: { kind: "mlp", hidden: [] },
  data: "mnist",
  trainSize: 128,
  testSize: 64,
  noise: 0.2,
  augmentation: "none",
  optimizer: "sgd",
  epochs: 2,
  batch: 32,
  seeds: 2,
  lanes: 2,
  methods: ["base", "cr-sam", "cr-sam-control"],
  hyper: published,
  tune: {
    epochs: 1,
    seeds: 2,
    heldOut: 64,
    lr: [0.1],
    weightDecay: [1e-3],
    rho: [0.1],
    sigma: [0.01],
    code: [[0.1, 0.01]],
    paper: [[0.1, 0.01]],
  },
};

const smallMlp: Experiment = {
  name: "mlp-mnist",
  title: "MLP 784-128-64-10 on 2,560 images of MNIST, 20% of their labels wrong",
  network: { kind: "mlp", hidden: [128, 64] },
  data: "mnist",
  trainSize: 2560,
  noise: 0.2,
  augmentation: "none",
  optimizer: "sgd",
  epochs: 25,
  batch: 128,
  seeds: 10,
  lanes: 10,
  methods: all,
  hyper: { ...published, lr: 0.1, weightDecay: 5e-4 },
  tune: {
    epochs: 12,
    seeds: 3,
    heldOut: 500,
    lr: [0.02, 0.05, 0.1, 0.2],
    weightDecay: [5e-4],
    rho: [0.02, 0.05, 0.1, 0.2],
    sigma: [0.005, 0.02],
    code: [
      [0.1, 0.01],
      [0.5, 0.1],
      [1, 0.1],
    ],
    paper: [
      [0.1, 0.01],
      [0.5, 0.1],
    ],
  },
};

/**
 * Its Hessian is left to the larger scales: on a processor compiling and running its products takes
 * longer than training.
 */
const smallResnet: Experiment = {
  name: "resnet-mnist",
  title:
    "Narrow batch-norm ResNet-10 (8 channels) on 1,024 images of MNIST, 20% wrong labels, crops",
  network: { kind: "resnet", block: "basic", layers: [1, 1, 1, 1], width: 8 },
  data: "mnist",
  trainSize: 1024,
  testSize: 2000,
  noise: 0.2,
  augmentation: "basic",
  optimizer: "sgd",
  epochs: 6,
  batch: 64,
  seeds: 3,
  lanes: 1,
  methods: fewer,
  passes: "sequential",
  hyper: published,
  measure: [],
};

const smallVit: Experiment = {
  name: "vit-mnist-adamw",
  title: "ViT (patches of 7, 32 features, 2 blocks) on 2,560 images of MNIST, AdamW",
  network: { kind: "vit", patch: 7, features: 32, depth: 2, heads: 4 },
  data: "mnist",
  trainSize: 2560,
  testSize: 2000,
  noise: 0,
  augmentation: "none",
  optimizer: "adamw",
  epochs: 15,
  batch: 64,
  seeds: 3,
  lanes: 3,
  methods: ["base", "sam", "r-sam", "cr-sam", "cr-sam-control"],
  passes: "sequential",
  hyper: { ...published, lr: 2e-3, weightDecay: 0.05 },
  measure: [],
};

/** The same on another data set, for `--fashion` and `--cifar`. */
const on = (e: Experiment, data: DatasetName, title: string): Experiment => ({
  ...e,
  data,
  title,
  name: `${e.network.kind}-${data}`,
});

const fullNetworks: readonly (readonly [string, NetworkSpec])[] = [
  ["resnet18", { kind: "resnet", block: "basic", layers: [2, 2, 2, 2], width: 64 }],
  ["resnet101", { kind: "resnet", block: "bottleneck", layers: [3, 4, 23, 3], width: 64 }],
];

const full = (
  name: string,
  network: NetworkSpec,
  data: DatasetName,
  augmentation: Augmentation,
): Experiment => ({
  name: `${name}-${data}-${augmentation}`,
  title: `${name} on ${data}, ${augmentation} augmentation`,
  network,
  data,
  noise: 0,
  augmentation,
  optimizer: "sgd",
  epochs: 200,
  batch: 128,
  seeds: 3,
  lanes: 1,
  methods: all,
  hyper: published,
  tune: {
    epochs: 200,
    seeds: 1,
    heldOut: 5000,
    lr: [0.01, 0.05, 0.1],
    weightDecay: [5e-4, 1e-3],
    rho: [0.05, 0.1, 0.2],
    sigma: [0.005, 0.01, 0.02],
    code: [
      [0.1, 0.01],
      [0.5, 0.1],
      [1, 0.1],
    ],
    paper: [
      [0.1, 0.01],
      [0.5, 0.1],
    ],
  },
});

const adamw = (e: Experiment, changes: Partial<Experiment> = {}): Experiment => ({
  ...e,
  optimizer: "adamw",
  name: `${e.name}-adamw`,
  title: `${e.title}, AdamW`,
  hyper: { ...e.hyper, lr: 1e-3, weightDecay: 0.05 },
  ...(e.tune ? { tune: { ...e.tune, lr: [5e-4, 1e-3, 3e-3], weightDecay: [0.05] } } : {}),
  ...changes,
});

const smallMeasuring: Measuring = {
  probes: 16,
  examples: 1000,
  lanczos: 16,
  grid: 15,
  reach: 1,
  track: [0, 1, 3, 6, 10, 15, 20, 25],
  ratioBatches: 8,
};

const smallAndMore: readonly Experiment[] = [
  smallMlp,
  smallResnet,
  on(
    smallMlp,
    "fashion-mnist",
    "MLP 784-128-64-10 on 2,560 images of Fashion-MNIST, 20% of their labels wrong",
  ),
  on(
    { ...smallResnet, noise: 0, epochs: 8 },
    "cifar-10",
    "Narrow batch-norm ResNet-10 (8 channels) on 1,024 images of CIFAR-10, crops and flips",
  ),
];

const cifar = ["cifar-10", "cifar-100"] as const;

export const scales: Readonly<Record<ScaleName, Scale>> = {
  smoke: {
    table1: [smokeMlp],
    table2: [adamw(smokeMlp, { methods: ["base", "sam"] })],
    figures: { ...smokeMlp, methods: ["sam"] },
    severities: [3],
    measuring: {
      probes: 4,
      examples: 64,
      lanczos: 2,
      grid: 3,
      reach: 1,
      track: [0, 2],
      ratioBatches: 2,
    },
  },
  small: {
    table1: smallAndMore,
    table2: [smallVit],
    figures: { ...smallMlp, seeds: 5, lanes: 5, methods: ["sam"] },
    severities: [1, 3, 5],
    measuring: smallMeasuring,
  },
  medium: {
    table1: smallAndMore.flatMap((e) =>
      e.network.kind === "resnet"
        ? (["basic", "cutout", "autoaugment"] as const).map((augmentation) => ({
            ...e,
            name: `${e.name}-${augmentation}`,
            title: `${e.title} (${augmentation})`,
            augmentation,
            methods: all,
            epochs: 30,
            seeds: 5,
          }))
        : [{ ...e, epochs: 60 }],
    ),
    table2: [
      {
        ...smallVit,
        title: "ViT (patches of 4, 64 features, 4 blocks) on 20,000 images of MNIST, AdamW",
        network: { kind: "vit", patch: 4, features: 64, depth: 4, heads: 4 },
        trainSize: 20_000,
        testSize: 10_000,
        epochs: 30,
        seeds: 6,
        lanes: 1,
        methods: all,
      },
    ],
    figures: { ...smallMlp, epochs: 60, methods: ["sam"] },
    severities: [1, 2, 3, 4, 5],
    measuring: { ...smallMeasuring, examples: 5000, track: [0, 1, 2, 5, 10, 20, 30, 45, 60] },
  },
  full: {
    table1: fullNetworks.flatMap(([name, network]) =>
      cifar.flatMap((data) =>
        (["basic", "cutout", "autoaugment"] as const).map((a) => full(name, network, data, a)),
      ),
    ),
    table2: [],
    figures: { ...full("resnet18", fullNetworks[0]![1], "cifar-100", "basic"), methods: ["sam"] },
    severities: [1, 2, 3, 4, 5],
    measuring: {
      probes: 128,
      examples: 5000,
      lanczos: 40,
      grid: 51,
      reach: 1,
      track: [0, 1, 5, 10, 25, 50, 100, 150, 200],
      ratioBatches: 39,
    },
  },
};

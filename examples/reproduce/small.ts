/** Scales for two cores, "small" and "medium": hours, on data sets that are easy to get. */
import {
  type DatasetName,
  type Experiment,
  type Measuring,
  methodNames,
  published,
  type Scale,
} from "./settings.js";

const all = methodNames;
const fewer = ["base", "sam", "cr-sam", "cr-sam-control"] as const;

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
  methods: [...all, "sam-double"],
  hyper: { ...published, lr: 0.1, weightDecay: 5e-4 },
  tune: {
    // As long as the runs themselves: after half the epochs a smaller radius looks better than it is.
    epochs: 25,
    seeds: 5,
    heldOut: 4000,
    lr: [0.01, 0.02, 0.05, 0.1],
    weightDecay: [5e-4],
    rho: [0.02, 0.05, 0.1, 0.2, 0.4],
    sigma: [0.005, 0.02],
    radii: [1, 0.5],
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
  title: "ViT (patches of 7, 32 features, 2 blocks) on 1,280 images of MNIST, AdamW",
  network: { kind: "vit", patch: 7, features: 32, depth: 2, heads: 4 },
  data: "mnist",
  trainSize: 1280,
  testSize: 2000,
  noise: 0,
  augmentation: "none",
  optimizer: "adamw",
  epochs: 10,
  batch: 64,
  seeds: 3,
  lanes: 1,
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

const smallMeasuring: Measuring = {
  probes: 16,
  examples: 1000,
  lanczos: 16,
  grid: 15,
  reach: 1,
  track: [0, 1, 3, 8, 16, 25],
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

export const small: Scale = {
  table1: smallAndMore,
  table2: [smallVit],
  figures: { ...smallMlp, seeds: 9, lanes: 3, methods: ["sam"] },
  severities: [1, 3, 5],
  measuring: smallMeasuring,
};

export const medium: Scale = {
  table1: smallAndMore.flatMap((e) =>
    e.network.kind === "resnet"
      ? (["basic", "cutout", "autoaugment"] as const).map(
          (augmentation): Experiment => ({
            ...e,
            name: `${e.name}-${augmentation}`,
            title: `${e.title.replace("1,024", "10,000")} (${augmentation})`,
            augmentation,
            trainSize: 10_000,
            testSize: 10_000,
            methods: all,
            epochs: 30,
            seeds: 5,
            measure: ["curvature", "landscape"],
          }),
        )
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
};

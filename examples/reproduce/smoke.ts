/** The scale of the test suite: every pass that the other scales make, in seconds. */
import { type Experiment, published, type Scale } from "./settings.js";

/** A linear model: shaders are what takes time here. */
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
    radii: [1],
    code: [[0.1, 0.01]],
    paper: [[0.1, 0.01]],
  },
};

const smokeVit: Experiment = {
  name: "vit-mnist-adamw",
  title: "ViT of one block on MNIST, AdamW",
  network: { kind: "vit", patch: 14, features: 8, depth: 1, heads: 1 },
  data: "mnist",
  trainSize: 64,
  testSize: 64,
  noise: 0,
  augmentation: "none",
  optimizer: "adamw",
  epochs: 1,
  batch: 32,
  seeds: 1,
  lanes: 1,
  methods: ["base", "sam"],
  hyper: { ...published, lr: 2e-3, weightDecay: 0.05 },
  measure: [],
};

export const smoke: Scale = {
  table1: [smokeMlp],
  table2: [smokeVit],
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
};

/** The paper's protocol: weeks on one graphics card, but it starts on any machine with the data. */
import {
  type Augmentation,
  type DatasetName,
  type Experiment,
  methodNames,
  type NetworkSpec,
  published,
  type Scale,
  type Tuning,
} from "./settings.js";

const resnets = {
  "ResNet-18": { kind: "resnet", block: "basic", layers: [2, 2, 2, 2], width: 64 },
  "ResNet-50": { kind: "resnet", block: "bottleneck", layers: [3, 4, 6, 3], width: 64 },
  "ResNet-101": { kind: "resnet", block: "bottleneck", layers: [3, 4, 23, 3], width: 64 },
} as const satisfies Record<string, NetworkSpec>;

/** Table 1's networks. */
const forCifar: readonly (readonly [title: string, network: NetworkSpec])[] = [
  ["ResNet-18", resnets["ResNet-18"]],
  ["ResNet-101", resnets["ResNet-101"]],
  ["WRN-28-10", { kind: "wide-resnet", depth: 28, width: 10 }],
  ["PyramidNet-110", { kind: "pyramid-net", depth: 110, alpha: 270 }],
];

/** Table 2's. */
const forImageNet: readonly (readonly [title: string, network: NetworkSpec])[] = [
  ["ResNet-50", { ...resnets["ResNet-50"], stem: "imagenet" }],
  ["ResNet-101", { ...resnets["ResNet-101"], stem: "imagenet" }],
  ["ViT-S/32", { kind: "vit", patch: 32, features: 384, depth: 12, heads: 6 }],
  ["ViT-B/32", { kind: "vit", patch: 32, features: 768, depth: 12, heads: 12 }],
];

/** The search is made with one seed over a whole training. */
const search = (epochs: number, heldOut: number): Tuning => ({
  epochs,
  seeds: 1,
  heldOut,
  lr: [0.01, 0.05, 0.1],
  weightDecay: [5e-4, 1e-3],
  rho: [0.05, 0.1, 0.2],
  sigma: [0.005, 0.01, 0.02],
  radii: [1],
  code: [
    [0.1, 0.01],
    [0.5, 0.1],
    [1, 0.1],
  ],
  paper: [
    [0.1, 0.01],
    [0.5, 0.1],
  ],
});

const slug = (title: string): string => title.toLowerCase().replaceAll("/", "-");

const cifar = (
  title: string,
  network: NetworkSpec,
  data: DatasetName,
  augmentation: Augmentation,
): Experiment => ({
  name: `${slug(title)}-${data}-${augmentation}`,
  title: `${title} on ${data.toUpperCase()}, ${augmentation} augmentation`,
  network,
  data,
  noise: 0,
  augmentation,
  optimizer: "sgd",
  epochs: 200,
  batch: 128,
  seeds: 3,
  lanes: 1,
  methods: methodNames,
  hyper: published,
  tune: search(200, 5000),
});

const imagenet = (title: string, network: NetworkSpec): Experiment => {
  const vit = network.kind === "vit";
  const epochs = vit ? 300 : 90;
  const tune = search(epochs, 10_000);
  return {
    name: `${slug(title)}-imagenet`,
    title: `${title} on ImageNet-1k`,
    network,
    data: "imagenet",
    noise: 0,
    augmentation: "basic",
    optimizer: vit ? "adamw" : "sgd",
    epochs,
    batch: 128,
    seeds: 3,
    lanes: 1,
    methods: methodNames,
    hyper: vit ? { ...published, lr: 3e-4, weightDecay: 0.1 } : published,
    measure: [],
    tune: vit ? { ...tune, lr: [1e-4, 3e-4, 1e-3], weightDecay: [0.1, 0.3] } : tune,
  };
};

export const full: Scale = {
  table1: forCifar.flatMap(([title, network]) =>
    (["cifar-10", "cifar-100"] as const).flatMap((data) =>
      (["basic", "cutout", "autoaugment"] as const).map((a) => cifar(title, network, data, a)),
    ),
  ),
  table2: forImageNet.map(([title, network]) => imagenet(title, network)),
  figures: {
    ...cifar("ResNet-18", resnets["ResNet-18"], "cifar-100", "basic"),
    methods: ["sam"],
  },
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
};

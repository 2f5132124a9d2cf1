/** The networks of the paper and the smaller ones, at the sizes that they were published with. */
import {
  type AnyLayer,
  cnn,
  mlp,
  pyramidNet,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  type StateDictNames,
  torchNames,
  torchvisionVitNames,
  vit,
  wideResnet,
} from "dawngrad/nn";

export interface Entry {
  readonly title: string;
  readonly model: AnyLayer;
  /** Of one image. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** What the sharpness-aware methods give their gradient to. */
  readonly base: "sgd" | "adamw";
  readonly names: StateDictNames;
  /** Its counterpart in check.py, where there is one. */
  readonly torch?: boolean;
}

const imagenet = {
  inputShape: [224, 224, 3],
  classes: 1000,
  base: "sgd",
  names: torchNames,
} as const;
const cifar = { inputShape: [32, 32, 3], classes: 10, base: "sgd", names: torchNames } as const;
const digits = { inputShape: [28, 28, 1], classes: 10, base: "sgd", names: torchNames } as const;
const transformer = { ...imagenet, base: "adamw", names: torchvisionVitNames } as const;

export const catalogue = {
  resnet18: { ...imagenet, title: "ResNet-18", model: resnet18(), torch: true },
  resnet34: { ...imagenet, title: "ResNet-34", model: resnet34(), torch: true },
  resnet50: { ...imagenet, title: "ResNet-50", model: resnet50(), torch: true },
  resnet101: { ...imagenet, title: "ResNet-101", model: resnet101(), torch: true },
  "vit-s-32": { ...transformer, title: "ViT-S/32", model: vit({ size: "S" }), torch: true },
  "vit-b-32": { ...transformer, title: "ViT-B/32", model: vit(), torch: true },
  "resnet18-cifar": {
    ...cifar,
    title: "ResNet-18, CIFAR stem",
    model: resnet18({ stem: "cifar", classes: 10 }),
    torch: true,
  },
  "wrn-28-10": { ...cifar, title: "WRN-28-10", model: wideResnet(), torch: true },
  "pyramidnet110-84": {
    ...cifar,
    title: "PyramidNet-110, α 84",
    model: pyramidNet({ alpha: 84 }),
    torch: true,
  },
  "pyramidnet110-270": {
    ...cifar,
    title: "PyramidNet-110, α 270",
    model: pyramidNet({ alpha: 270 }),
    torch: true,
  },
  cnn: { ...digits, title: "cnn, 32 and 64 channels", model: cnn() },
  mlp: { ...digits, title: "mlp, 784-128-64-10", model: mlp([128, 64, 10]) },
} as const satisfies Record<string, Entry>;

export type ModelName = keyof typeof catalogue;
export const modelNames = Object.keys(catalogue) as ModelName[];
export const entryOf = (name: ModelName): Entry => catalogue[name];

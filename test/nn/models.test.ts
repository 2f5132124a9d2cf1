/**
 * Parameter counts at full size: torchvision's, kuangliu's CIFAR ResNet-18, pytorchcv's assertion for
 * PyramidNet-110 with α = 270, and for the others a count of the paper's architecture in PyTorch.
 */
import { evalShape, random, type Tensor, tree } from "dawngrad";
import {
  type AnyLayer,
  pyramidNet,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  vit,
  wideResnet,
} from "dawngrad/nn";
import { expect, test } from "vitest";

const cases: readonly (readonly [string, AnyLayer, number, number])[] = [
  ["ResNet-18", resnet18(), 224, 11_689_512],
  ["ResNet-34", resnet34(), 224, 21_797_672],
  ["ResNet-50", resnet50(), 224, 25_557_032],
  ["ResNet-101", resnet101(), 224, 44_549_160],
  ["ViT-B/32", vit(), 224, 88_224_232],
  ["ViT-S/32", vit({ size: "S" }), 224, 22_878_952],
  ["CIFAR ResNet-18", resnet18({ stem: "cifar", classes: 10 }), 32, 11_173_962],
  ["WRN-28-10", wideResnet(), 32, 36_479_194],
  ["WRN-28-10, 100 classes", wideResnet({ classes: 100 }), 32, 36_536_884],
  ["PyramidNet-110, α = 84", pyramidNet({ alpha: 84 }), 32, 3_904_446],
  ["PyramidNet-110, α = 270", pyramidNet({ alpha: 270 }), 32, 28_485_477],
];

for (const [name, model, size, count] of cases) {
  test(`${name} has ${count} parameters`, () => {
    const init = (key: Tensor) => model.init(key, [1, size, size, 3]).params;
    expect(tree.size(evalShape(init, random.key(0)))).toBe(count);
  });
}

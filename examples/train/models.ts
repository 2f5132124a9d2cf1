/** The models that can be trained, by name. */
import {
  type AnyLayer,
  mlp,
  type ResnetOptions,
  type ResnetShape,
  resnet,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
} from "dawngrad/nn";
import type { Options } from "./options.js";

export interface ModelOptions extends Pick<Options, "width" | "hidden" | "zeroInitResidual"> {
  readonly classes: number;
  /** Height or width, whichever is smaller. */
  readonly imageSize: number;
}

type Make = (options: ModelOptions) => AnyLayer;

/** Small images keep their size through the stem. */
const resnetOptions = (o: ModelOptions): ResnetOptions => ({
  classes: o.classes,
  stem: o.imageSize <= 64 ? "cifar" : "imagenet",
  zeroInitResidual: o.zeroInitResidual,
  ...(o.width === undefined ? {} : { width: o.width }),
});

const residual =
  (make: (options: ResnetOptions) => AnyLayer): Make =>
  (o) =>
    make(resnetOptions(o));

const shaped = (shape: ResnetShape): Make =>
  residual((options) => resnet({ ...options, ...shape }));

export const models = {
  mlp: (o) => mlp([...o.hidden, o.classes]),
  resnet10: shaped({ block: "basic", layers: [1, 1, 1, 1] }),
  resnet18: residual(resnet18),
  resnet34: residual(resnet34),
  resnet50: residual(resnet50),
  resnet101: residual(resnet101),
} as const satisfies Record<string, Make>;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as ModelName[];

export const buildModel = (
  options: Pick<Options, "model" | "width" | "hidden" | "zeroInitResidual">,
  classes: number,
  [height, width]: readonly number[],
): AnyLayer => models[options.model]({ ...options, classes, imageSize: Math.min(height!, width!) });

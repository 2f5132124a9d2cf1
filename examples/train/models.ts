/** The models that can be trained, by name. */
import { DataError } from "dawngrad";
import {
  type AnyLayer,
  cnn,
  mlp,
  pyramidNet,
  type ResnetOptions,
  resnet,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  type StateDictNames,
  timmVitNames,
  torchNames,
  torchvisionVitNames,
  vit,
  wideResnet,
} from "dawngrad/nn";
import type { Options } from "./options.js";

/** The options that make a model. */
export type ModelChoices = Pick<
  Options,
  "model" | "width" | "hidden" | "zeroInitResidual" | "patch" | "dropout" | "stochasticDepth"
>;

interface Wanted extends ModelChoices {
  readonly classes: number;
  readonly height: number;
  readonly imageWidth: number;
}

interface Entry {
  make(options: Wanted): AnyLayer;
  /** Channels (of transformers: features) of the first layers where --width says nothing. */
  readonly width?: number;
  /** The options beside --width that it takes. */
  readonly takes?: readonly (keyof ModelChoices)[];
  /** Whose state dicts can be loaded: PyTorch's for convolutional networks, two kinds for transformers. */
  readonly names?: readonly StateDictNames[];
}

const widthOf = ({ width }: Wanted) => (width === undefined ? {} : { width });

const residual = (make: (options: ResnetOptions) => AnyLayer): Entry => ({
  make: (o) =>
    make({
      classes: o.classes,
      // Small images keep their size through the stem.
      stem: Math.min(o.height, o.imageWidth) <= 64 ? "cifar" : "imagenet",
      zeroInitResidual: o.zeroInitResidual,
      ...widthOf(o),
    }),
  width: 64,
  takes: ["zeroInitResidual"],
});

const based = ({ width }: Wanted) => (width === undefined ? {} : { base: width });

const pyramid = (alpha: number): Entry => ({
  make: (o) => pyramidNet({ alpha, classes: o.classes, ...based(o) }),
  width: 16,
});

const transformer = (size: "S" | "B", width: number): Entry => ({
  make({ patch, width: features, height, imageWidth, classes, dropout, stochasticDepth }) {
    if (height % patch !== 0 || imageWidth % patch !== 0) {
      throw new DataError(
        `--patch ${patch}: expected a size that divides images of ${height}×${imageWidth}; try --patch 4`,
      );
    }
    const small = features === undefined ? {} : { features };
    return vit({ size, patch, classes, dropout, stochasticDepth, ...small });
  },
  width,
  takes: ["patch", "dropout", "stochasticDepth"],
  names: [torchvisionVitNames, timmVitNames],
});

export const models = {
  mlp: { make: (o) => mlp([...o.hidden, o.classes]), takes: ["hidden"] },
  cnn: {
    make: ({ width = 32, classes }) => cnn({ channels: [width, 2 * width], classes }),
    width: 32,
  },
  resnet10: residual((o) => resnet({ ...o, block: "basic", layers: [1, 1, 1, 1] })),
  resnet18: residual(resnet18),
  resnet34: residual(resnet34),
  resnet50: residual(resnet50),
  resnet101: residual(resnet101),
  "wrn-28-10": {
    make: (o) => wideResnet({ classes: o.classes, dropout: o.dropout, ...based(o) }),
    width: 16,
    takes: ["dropout"],
  },
  "pyramidnet110-84": pyramid(84),
  "pyramidnet110-270": pyramid(270),
  "vit-s-32": transformer("S", 384),
  "vit-b-32": transformer("B", 768),
} as const satisfies Record<string, Entry>;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as ModelName[];

const entryOf = (name: ModelName): Entry => models[name];

/** Whose names the weights of a model may have in files of others, the likeliest first. */
export const namesOf = (name: ModelName): readonly StateDictNames[] =>
  entryOf(name).names ?? [torchNames];

/** Options of models that the chosen one does not have. */
export function notTaken(name: ModelName, given: ReadonlySet<string>): string | undefined {
  const { width, takes = [] } = entryOf(name);
  if (given.has("width") && width === undefined) return "width";
  const special = ["hidden", "zeroInitResidual", "patch", "dropout", "stochasticDepth"] as const;
  return special.find((option) => given.has(option) && !takes.includes(option));
}

export const buildModel = (
  options: ModelChoices,
  classes: number,
  [height, width]: readonly number[],
): AnyLayer =>
  entryOf(options.model).make({ ...options, classes, height: height!, imageWidth: width! });

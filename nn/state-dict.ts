/** Parameters and state by PyTorch's names and in its layouts, as a flat record. */
import { DataError, type Tensor, transpose, tree } from "../src/index.js";
import { type Shape, showShape } from "./layer.js";

/** Names of a model's tensors, from key paths such as ["layer1", "0", "bn1", "runningMean"]. */
export type StateDictNames = (path: readonly string[]) => string;

/** A model's trees. */
export interface ModelTrees<P, S> {
  readonly params: P;
  readonly state: S;
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** The path in snake case: layer1.0.bn1.running_mean, as PyTorch's modules of the same names. */
export const torchNames: StateDictNames = (path) => path.map(snake).join(".");

/** Names of timm's vision transformers, for `vit`. */
export const timmVitNames: StateDictNames = (path) => {
  if (path[0] !== "patchEmbed" || path[1] === "proj") return torchNames(path);
  return path[1] === "classToken" ? "cls_token" : "pos_embed";
};

/** Names of torchvision's vision transformers, for `vit`. */
export const torchvisionVitNames: StateDictNames = (path) => {
  const [first, second, ...rest] = path;
  switch (first) {
    case "patchEmbed":
      if (second === "proj") return ["conv_proj", ...rest].join(".");
      return second === "classToken" ? "class_token" : "encoder.pos_embedding";
    case "norm":
      return `encoder.ln.${second}`;
    case "head":
      return `heads.head.${second}`;
    case "blocks":
      return `encoder.layers.encoder_layer_${second}.${blockName(rest)}`;
    default:
      return torchNames(path);
  }
};

function blockName(path: readonly string[]): string {
  const [part, inner, leaf] = path as readonly [string, string, string | undefined];
  if (part === "norm1" || part === "norm2") return `ln_${part.at(-1)}.${inner}`;
  if (part === "mlp") return `mlp.${inner === "fc1" ? 0 : 3}.${leaf}`;
  return inner === "qkv" ? `self_attention.in_proj_${leaf}` : `self_attention.out_proj.${leaf}`;
}

/** Key paths of a tree's leaves as lists. */
const pathsOf = (x: unknown): string[][] =>
  tree
    .structure(x)
    .paths()
    .map((path) =>
      [...path.matchAll(/\.([A-Za-z_$][\w$]*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/g)].map(
        (m) => m[1] ?? m[2] ?? m[3] ?? "",
      ),
    );

/** Weights are [...window, in, out] here and [out, in, ...window] in PyTorch. */
const isWeight = (path: readonly string[], shape: Shape): boolean =>
  path.at(-1) === "weight" && shape.length >= 2;

const toTorch = (shape: Shape): number[] => {
  const n = shape.length;
  return [n - 1, n - 2, ...Array.from({ length: n - 2 }, (_, i) => i)];
};

const fromTorch = (shape: Shape): number[] => {
  const n = shape.length;
  return [...Array.from({ length: n - 2 }, (_, i) => i + 2), 1, 0];
};

/**
 * A model's parameters and state as PyTorch's `state_dict` would be: by dotted names, convolutions
 * OIHW, dense weights [out, in]. A name does not tell embeddings and transposed convolutions, whose weights
 * PyTorch keeps in other layouts: bring those over by hand.
 *
 * ```ts
 * const model = serial([dense(3), batchNorm()]);
 * const dict = toStateDict(model.init(random.key(0), [2, 4]));
 * Object.keys(dict).sort(); // ["0.bias", "0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight"]
 * dict["0.weight"]?.shape; // [3, 4]
 * ```
 */
export function toStateDict(
  model: ModelTrees<unknown, unknown>,
  { names = torchNames }: { readonly names?: StateDictNames } = {},
): Record<string, Tensor> {
  const out: Record<string, Tensor> = {};
  for (const part of [model.params, model.state]) {
    const leaves = tree.leaves(part) as Tensor[];
    pathsOf(part).forEach((path, i) => {
      const x = leaves[i]!;
      out[names(path)] = isWeight(path, x.shape) ? transpose(x, toTorch(x.shape)) : x;
    });
  }
  return out;
}

/**
 * Parameters and state from a PyTorch `state_dict`, in the structure and shapes of `like` (what `init`
 * gives, or its shapes by `evalShape`). PyTorch's `num_batches_tracked` are left out.
 *
 * @throws DataError that lists what is missing, not expected, or of another shape.
 *
 * ```ts no-run
 * const like = evalShape((key) => {
 *   const { params, state } = resnet18().init(key, [1, 224, 224, 3]);
 *   return { params, state };
 * }, random.key(0));
 * const { params, state } = fromStateDict(await loadSafetensors("resnet18.safetensors"), like);
 * ```
 */
export function fromStateDict<P, S>(
  dict: Readonly<Record<string, Tensor>>,
  like: ModelTrees<P, S>,
  { names = torchNames }: { readonly names?: StateDictNames } = {},
): ModelTrees<P, S> {
  const used = new Set<string>();
  const wrong: string[] = [];
  const load = (part: unknown): unknown => {
    const [leaves, def] = tree.flatten(part);
    const paths = pathsOf(part);
    const found = leaves.map((leaf, i): Tensor => {
      const path = paths[i]!;
      const { shape } = leaf as Tensor;
      const name = names(path);
      used.add(name);
      const x = dict[name];
      if (!x) {
        wrong.push(`"${name}" is missing`);
        return leaf as Tensor;
      }
      const want = isWeight(path, shape) ? toTorch(shape).map((a) => shape[a]!) : shape;
      if (showShape(want) !== showShape(x.shape)) {
        wrong.push(`"${name}" is ${showShape(x.shape)}, not ${showShape(want)}`);
        return leaf as Tensor;
      }
      return isWeight(path, shape) ? transpose(x, fromTorch(shape)) : x;
    });
    return def.unflatten(found);
  };
  const params = load(like.params) as P;
  const state = load(like.state) as S;
  for (const name of Object.keys(dict)) {
    if (!used.has(name) && !name.endsWith("num_batches_tracked")) {
      wrong.push(`"${name}" is not expected`);
    }
  }
  if (wrong.length > 0) {
    const shown = wrong.slice(0, 8).join("; ");
    throw new DataError(
      `fromStateDict: ${shown}${wrong.length > 8 ? `; and ${wrong.length - 8} more` : ""}. Give the ` +
        "model's options as the weights were made with, and the names (torchNames, torchvisionVitNames, " +
        "timmVitNames) that they have",
    );
  }
  return { params, state };
}

/** Vision transformers (Dosovitskiy et al. 2021). */
import { add, gelu, index, type Tensor } from "../../src/index.js";
import { type AttentionParams, multiHeadAttention } from "../attention.js";
import { composite } from "../composite.js";
import { type DenseParams, dense } from "../dense.js";
import { glorotUniform, type Initializer, normal, zeros } from "../initializers.js";
import { checkPositive, type Layer } from "../layer.js";
import { layerNorm, type ScaleAndBias } from "../layer-norm.js";
import { type PatchEmbedParams, patchEmbed } from "../patch-embed.js";
import { dropout, serial, stochasticDepth } from "../structure.js";

/** Parameters of an encoder block. */
export interface VitBlockParams {
  readonly norm1: ScaleAndBias;
  readonly attn: AttentionParams;
  readonly norm2: ScaleAndBias;
  readonly mlp: { readonly fc1: DenseParams; readonly fc2: DenseParams };
}

export interface VitParams {
  readonly patchEmbed: PatchEmbedParams;
  readonly blocks: readonly VitBlockParams[];
  readonly norm: ScaleAndBias;
  readonly head: DenseParams;
}

/** There is nothing to keep. */
export interface VitBlockState {
  readonly norm1: null;
  readonly attn: null;
  readonly norm2: null;
  readonly mlp: { readonly fc1: null; readonly fc2: null };
}

export interface VitState {
  readonly patchEmbed: null;
  readonly blocks: readonly VitBlockState[];
  readonly norm: null;
  readonly head: null;
}

export interface VitOptions {
  /** Sizes of the paper, and Small of Touvron et al. (2021). Default "B". */
  readonly size?: "S" | "B" | "L";
  /** Side of a patch. Default 32. */
  readonly patch?: number;
  /** Number of outputs. Default 1000. */
  readonly classes?: number;
  /** Numbers of a place; that of the size by default, as the next three. */
  readonly features?: number;
  readonly depth?: number;
  readonly heads?: number;
  /** Hidden units of a block's perceptron. Default 4 · features. */
  readonly hidden?: number;
  /** Rate of dropout after the embedding, attention and dense layers. Default 0. */
  readonly dropout?: number;
  /** Rate of stochastic depth of the last block; it grows linearly from 0. Default 0. */
  readonly stochasticDepth?: number;
  /** Of the encoder's dense layers. Default Glorot uniform; DeiT takes truncatedNormal(0.02). */
  readonly weightInit?: Initializer;
}

const sizes = {
  S: { features: 384, depth: 12, heads: 6 },
  B: { features: 768, depth: 12, heads: 12 },
  L: { features: 1024, depth: 24, heads: 16 },
} as const;

const eps = 1e-6;

interface BlockOptions {
  readonly features: number;
  readonly heads: number;
  readonly hidden: number;
  readonly rate: number;
  readonly skip: number;
  readonly weightInit: Initializer;
}

/** x + attention(norm(x)), then x + mlp(norm(x)). */
function block({ features, heads, hidden, rate, skip, weightInit }: BlockOptions) {
  const init = { weightInit, biasInit: normal(1e-6) };
  const parts = {
    fc1: dense(hidden, init),
    fc2: dense(features, init),
    dropout1: dropout(rate),
    dropout2: dropout(rate),
  };
  const mlp = composite("mlp", parts, {
    init: (part, shape) => part("dropout2", part("fc2", part("dropout1", part("fc1", shape)))),
    apply(part, x) {
      const hidden = part("dropout1", gelu(part("fc1", x), { approximate: false }));
      return part("dropout2", part("fc2", hidden));
    },
  });
  const all = {
    norm1: layerNorm({ eps }),
    attn: multiHeadAttention(heads, { weightInit, dropout: rate }),
    dropout: dropout(rate),
    depth1: stochasticDepth(skip),
    norm2: layerNorm({ eps }),
    mlp,
    depth2: stochasticDepth(skip),
  };
  return composite(`vitBlock(${features})`, all, {
    init(part, shape) {
      const middle = part("depth1", part("dropout", part("attn", part("norm1", shape))));
      return part("depth2", part("mlp", part("norm2", middle)));
    },
    apply(part, x) {
      const seen = add(x, part("depth1", part("dropout", part("attn", part("norm1", x)))));
      return add(seen, part("depth2", part("mlp", part("norm2", seen))));
    },
  });
}

/**
 * ViT: patches with a class token and learned positions, pre-norm encoder blocks, layer norm, and a
 * dense head on the class token. The image's size is that of `init`. ViT-B/32, the default, has
 * 88,224,232 parameters at 224×224 with 1000 classes, ViT-S/32 22,878,952. It starts as the authors'
 * code does: the head with zeros, dense layers Glorot uniform, positions normal(0.02).
 *
 * ```ts
 * const model = vit({ patch: 8, features: 16, depth: 2, heads: 2, classes: 10 });
 * const { params, outputShape } = model.init(random.key(0), [2, 32, 32, 3]);
 * outputShape; // [2, 10]
 * params.patchEmbed.positions?.shape; // [1, 17, 16]
 * ```
 */
export function vit(options: VitOptions = {}): Layer<VitParams, VitState> {
  const { size = "B", patch = 32, classes = 1000, dropout: rate = 0 } = options;
  const { features, depth, heads } = { ...sizes[size], ...options };
  const {
    hidden = 4 * features,
    stochasticDepth: last = 0,
    weightInit = glorotUniform(),
  } = options;
  for (const [what, n] of Object.entries({ classes, features, depth, heads, hidden })) {
    checkPositive("vit", what, n);
  }
  const blocks = Array.from({ length: depth }, (_, i) => {
    const skip = depth === 1 ? last : (last * i) / (depth - 1);
    return block({ features, heads, hidden, rate, skip, weightInit });
  });
  const parts = {
    patchEmbed: patchEmbed(patch, features),
    dropout: dropout(rate),
    blocks: serial(blocks),
    norm: layerNorm({ eps }),
    head: dense(classes, { weightInit: zeros, biasInit: zeros }),
  };
  const first = (x: Tensor): Tensor => index(x, ":", 0);
  return composite(`vit(${size}/${patch})`, parts, {
    init(part, shape) {
      const out = part("norm", part("blocks", part("dropout", part("patchEmbed", shape))));
      return part("head", [out[0]!, features]);
    },
    apply(part, x) {
      const tokens = part("blocks", part("dropout", part("patchEmbed", x)));
      return part("head", first(part("norm", tokens)));
    },
  });
}

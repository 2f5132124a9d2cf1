/** dawngrad/nn: pure layers, models and losses. */
export { gelu, relu, sigmoid, silu, softmax, softplus, tanh } from "./activations.js";
export { type AttentionOptions, type AttentionParams, multiHeadAttention } from "./attention.js";
export { type BatchNormOptions, type BatchNormState, batchNorm } from "./batch-norm.js";
export { type ConvOptions, type ConvParams, conv, convTranspose } from "./conv.js";
export {
  type DenseOptions,
  type DenseParams,
  dense,
  type EmbeddingParams,
  embedding,
} from "./dense.js";
export { type GroupNormOptions, groupNorm } from "./group-norm.js";
export type { Initializer } from "./initializers.js";
export * as initializers from "./initializers.js";
export type { AnyLayer, ApplyOptions, Initialized, Layer, ParamsOf, StateOf } from "./layer.js";
export { type LayerNormOptions, layerNorm, type ScaleAndBias } from "./layer-norm.js";
export {
  accuracy,
  type CrossEntropyOptions,
  huber,
  l1,
  mse,
  sigmoidBinaryCrossEntropy,
  softmaxCrossEntropy,
} from "./losses.js";
export { type MlpOptions, mlp } from "./mlp.js";
export { type CnnOptions, type CnnParams, type CnnState, cnn } from "./models/cnn.js";
export {
  type PyramidBlockParams,
  type PyramidBlockState,
  type PyramidNetOptions,
  type PyramidNetParams,
  type PyramidNetState,
  pyramidNet,
} from "./models/pyramid-net.js";
export {
  type ResnetBlockParams,
  type ResnetBlockState,
  type ResnetOptions,
  type ResnetParams,
  type ResnetShape,
  type ResnetState,
  resnet,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
} from "./models/resnet.js";
export {
  type VitBlockParams,
  type VitBlockState,
  type VitOptions,
  type VitParams,
  type VitState,
  vit,
} from "./models/vit.js";
export {
  type WideBlockParams,
  type WideBlockState,
  type WideResnetOptions,
  type WideResnetParams,
  type WideResnetState,
  wideResnet,
} from "./models/wide-resnet.js";
export { type PatchEmbedOptions, type PatchEmbedParams, patchEmbed } from "./patch-embed.js";
export { avgPool, globalAvgPool, maxPool } from "./pooling.js";
export {
  fromStateDict,
  type ModelTrees,
  type StateDictNames,
  timmVitNames,
  torchNames,
  torchvisionVitNames,
  toStateDict,
} from "./state-dict.js";
export {
  dropout,
  flatten,
  parallel,
  type ResidualPair,
  residual,
  serial,
  stochasticDepth,
} from "./structure.js";

/** Data sets, loaders and their transforms: `dawngrad/data`, for Node. */
export * from "./augmentations.js";
export {
  loadCheckpoint,
  loadSafetensors,
  type SaveOptions,
  saveCheckpoint,
  saveSafetensors,
} from "./checkpoint.js";
export { cifar10, cifar100 } from "./cifar.js";
export {
  Dataset,
  type DatasetFields,
  type Example,
  type ExampleSource,
  type FileSource,
  type LabelNoiseOptions,
  labelNoise,
} from "./dataset.js";
export type { Epoch, Loader, LoaderOptions } from "./host-loader.js";
export {
  type HostKey,
  hostBits,
  hostFoldIn,
  hostKey,
  hostPermutation,
  hostSplit,
  hostUniform,
  type KeyLike,
} from "./host-random.js";
export { type IdxArray, type IdxData, type IdxOptions, type IdxType, readIdx } from "./idx.js";
export { fashionMnist, mnist, type TrainTest } from "./idx-folder.js";
export {
  type CorruptedFolder,
  type ImageFolder,
  type ImageFolderOptions,
  imageFolder,
  imageNet,
  imageNetC,
  imageNetR,
} from "./image-folder.js";
export { type Batch, loader, type WeightedBatch } from "./loader.js";
export type { HostBatch, Transform, TransformContext } from "./transform.js";
export { closeWorkers } from "./workers/pool.js";

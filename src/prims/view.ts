/** The family of views (indexing that the compiler folds into its consumers), and its table. */
import type { Primitive } from "../ir/primitive.js";
import { optimizationBarrierP } from "./barrier.js";
import { broadcastInDimP } from "./broadcast.js";
import { concatenateP, iotaP, stopGradientP } from "./concatenate.js";
import { dynamicSliceP, dynamicUpdateSliceP } from "./dynamic.js";
import { gatherP, scatterAddP } from "./gather.js";
import { reshapeP, reverseP, transposeP } from "./reshape.js";
import { padP, sliceP } from "./slice.js";

export { optimizationBarrier } from "./barrier.js";
export { broadcastInDim } from "./broadcast.js";
export { concatenate, iota, stopGradient } from "./concatenate.js";
export { dynamicSlice, dynamicUpdateSlice } from "./dynamic.js";
export { gather, scatterAdd } from "./gather.js";
export { reshape, reverse, transpose } from "./reshape.js";
export { pad, slice } from "./slice.js";

export const viewPrimitives = [
  broadcastInDimP,
  reshapeP,
  transposeP,
  reverseP,
  sliceP,
  padP,
  concatenateP,
  iotaP,
  stopGradientP,
  optimizationBarrierP,
  gatherP,
  scatterAddP,
  dynamicSliceP,
  dynamicUpdateSliceP,
] as Primitive[];

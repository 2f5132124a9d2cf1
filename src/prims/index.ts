/** Every primitive: the strict functions that build with them, and the table of their records. */
import type { Primitive } from "../ir/primitive.js";
import { argmaxP, argminP } from "./argreduce.js";
import { convP } from "./conv.js";
import { cumulativePrimitives } from "./cumulative.js";
import { dotGeneralP } from "./dot.js";
import { elementwisePrimitives } from "./elementwise-table.js";
import { reducePrimitives } from "./reduce.js";
import { shearWindowsP } from "./shear-windows.js";
import { permuteP, sortP } from "./sort.js";
import { viewPrimitives } from "./view.js";
import { takeWindowP, windowMaxP, windowMinP } from "./window-extrema.js";
import { windowsP } from "./windows.js";

export { argmax, argmin } from "./argreduce.js";
export { checkpointName } from "./checkpoint-name.js";
export {
  allGather,
  allToAll,
  axisIndex,
  type CollectiveParams,
  pmax,
  pmin,
  ppermute,
  psum,
  psumScatter,
} from "./collective.js";
export { conv } from "./conv.js";
export type { ConvAxes, ConvParams } from "./conv-axes.js";
export { cummax, cummin, cumprod, cumsum } from "./cumulative.js";
export { dotGeneral } from "./dot.js";
export * from "./elementwise.js";
export { hostCall } from "./host-call.js";
export { reduceAnd, reduceMax, reduceMin, reduceOr, reduceProd, reduceSum } from "./reduce.js";
export { shearWindows } from "./shear-windows.js";
export { sort } from "./sort.js";
export * from "./view.js";
export { type WindowParams, windowAxes } from "./window-axes.js";
export { takeWindow, windowMax, windowMin } from "./window-extrema.js";
export type { WindowDim } from "./window-map.js";
export { windows } from "./windows.js";

/** The table from which passes' tests are derived: a new primitive is tested because it is here. */
export const primitives: readonly Primitive[] = [
  ...elementwisePrimitives,
  ...viewPrimitives,
  ...reducePrimitives,
  ...cumulativePrimitives,
  ...([dotGeneralP, convP, argmaxP, argminP, sortP, permuteP] as Primitive[]),
  ...([windowsP, shearWindowsP, windowMaxP, windowMinP, takeWindowP] as Primitive[]),
];

/** The convolution of residual networks: without a bias, since batch norms follow. */
import type { Tensor } from "../../src/index.js";
import { conv } from "../conv.js";
import { varianceScaling } from "../initializers.js";

export type Weight = { readonly weight: Tensor };

/** Normal with variance 2/fan-out (He et al. 2015), as torchvision's ResNets start. */
const heFanOut = varianceScaling(2, "fanOut", "normal");

/** `features` channels by an odd window that keeps the image's size where it steps by one. */
export const convolution = (features: number, window: number, strides = 1) =>
  conv(features, window, {
    strides,
    padding: (window - 1) / 2,
    bias: false,
    weightInit: heFanOut,
  });

/** Activations as layers; the functions themselves are in the package root. */
import * as dawn from "../src/index.js";
import { type Layer, stateless } from "./layer.js";

/** max(x, 0). */
export const relu = (): Layer<null, null> => stateless("relu", (x) => dawn.relu(x));

/** x·Φ(x); by default the tanh approximation, as jax.nn.gelu. */
export const gelu = (options: { readonly approximate?: boolean } = {}): Layer<null, null> =>
  stateless("gelu", (x) => dawn.gelu(x, options));

/** x·sigmoid(x). */
export const silu = (): Layer<null, null> => stateless("silu", (x) => dawn.silu(x));

/** Hyperbolic tangent. */
export const tanh = (): Layer<null, null> => stateless("tanh", (x) => dawn.tanh(x));

/** 1/(1 + exp(−x)). */
export const sigmoid = (): Layer<null, null> => stateless("sigmoid", (x) => dawn.sigmoid(x));

/** log(1 + exp(x)). */
export const softplus = (): Layer<null, null> => stateless("softplus", (x) => dawn.softplus(x));

/** exp(x) normalised over an axis. */
export const softmax = (axis = -1): Layer<null, null> =>
  stateless("softmax", (x) => dawn.softmax(x, axis));

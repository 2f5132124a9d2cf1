/** A model as every library is to train it: the same values, one loss in each library's words. */
import type { Tensor } from "dawngrad";
import type { Values } from "../harness/values.js";
import type { Jax, JaxArray } from "../libraries/jax.js";
import type { Tf, TfTensor } from "../libraries/tfjs.js";

export interface Model {
  /** Which it is in peers/torch_peer.py too. */
  readonly kind: "mlp" | "cnn";
  readonly name: string;
  /** weight and bias of each layer, in turn: dense [in, out], convolutions HWIO. */
  readonly params: readonly Values[];
  readonly x: Values;
  /** One-hot labels. */
  readonly y: Values;
  readonly learningRate: number;
  readonly momentum: number;
  /** The parameters for libraries that put channels first. */
  readonly channelsFirst: readonly Values[];
  loss(params: readonly Tensor[], x: Tensor, y: Tensor): Tensor;
  jax(jax: Jax, params: readonly JaxArray[], x: JaxArray, y: JaxArray): JaxArray;
  tfjs(tf: Tf, params: readonly TfTensor[], x: TfTensor, y: TfTensor): TfTensor;
  /** Loss and gradient on the host in float64, by loops that share nothing with the libraries. */
  host(params: readonly Float64Array[]): { loss: number; grads: Float64Array[] };
}

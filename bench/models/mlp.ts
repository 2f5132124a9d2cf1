/** A multilayer perceptron with ReLU and softmax cross-entropy. */
import { logsumexp } from "dawngrad";
import { filled, oneHotRows, uniform } from "../harness/values.js";
import { hostMlp } from "../host/mlp.js";
import type { Model } from "./model.js";

export const sizes = [784, 512, 256, 10] as const;

export function mlp(batch: number, layers: readonly number[] = sizes): Model {
  const next = uniform(1);
  const params = layers
    .slice(1)
    .flatMap((out, i) => [
      filled([layers[i]!, out], 2 / Math.sqrt(layers[i]!), next),
      filled([out], 0.1, next),
    ]);
  const x = filled([batch, layers[0]!], 2, next);
  const y = oneHotRows(batch, layers.at(-1)!);
  return {
    kind: "mlp",
    name: `MLP ${layers.join("-")} batch ${batch}`,
    params,
    channelsFirst: params,
    x,
    y,
    learningRate: 0.1,
    momentum: 0.9,
    loss(ps, a, b) {
      let h = a;
      for (let i = 0; i < ps.length; i += 2) {
        h = h.matmul(ps[i]!).add(ps[i + 1]!);
        if (i + 2 < ps.length) h = h.relu();
      }
      return logsumexp(h, -1).sub(h.mul(b).sum(-1)).mean();
    },
    jax({ numpy: np, nn }, ps, a, b) {
      let h = a;
      for (let i = 0; i < ps.length; i += 2) {
        h = np.dot(h, ps[i]!).add(ps[i + 1]!);
        if (i + 2 < ps.length) h = nn.relu(h);
      }
      return nn
        .logSoftmax(h, -1)
        .mul(b)
        .sum()
        .mul(-1 / batch);
    },
    tfjs(tf, ps, a, b) {
      let h = a;
      for (let i = 0; i < ps.length; i += 2) {
        h = tf.add(tf.matMul(h, ps[i]!), ps[i + 1]!);
        if (i + 2 < ps.length) h = tf.relu(h);
      }
      return tf.mul(tf.sum(tf.mul(tf.logSoftmax(h, -1), b)), -1 / batch);
    },
    host: (ps) => hostMlp(layers, ps, x.data, y.data),
  };
}

/** Two convolutions 3×3 with ReLU and max-pooling by 2, and one dense layer, on 28×28 images. */
import { conv, logsumexp, maxPool } from "dawngrad";
import { filled, oneHotRows, permuted, uniform, type Values } from "../harness/values.js";
import { hostCnn } from "../host/cnn.js";
import type { JaxArray } from "../libraries/jax.js";
import type { Model } from "./model.js";

export const channels = [1, 16, 32] as const;
const classes = 10;

/** [in, out] of a dense layer on flattened images, for images with channels first. */
function denseChannelsFirst(v: Values): Values {
  const image: Values = { shape: [7, 7, channels[2], classes], data: v.data };
  return { shape: v.shape, data: permuted(image, [2, 0, 1, 3]).data };
}

/** The maximum of each 2×2 window, as a reduction over two axes of a reshape. */
function jaxPool(x: JaxArray, shape: readonly number[]): JaxArray {
  const [n, c, h, w] = shape as [number, number, number, number];
  return x.reshape([n, c, h / 2, 2, w / 2, 2]).max([3, 5]);
}

export function cnn(batch: number): Model {
  const next = uniform(2);
  const [c0, c1, c2] = channels;
  const weight = (shape: readonly number[], fanIn: number) =>
    filled(shape, 4 / Math.sqrt(fanIn), next);
  const params = [
    weight([3, 3, c0, c1], 9 * c0),
    filled([c1], 0.1, next),
    weight([3, 3, c1, c2], 9 * c1),
    filled([c2], 0.1, next),
    weight([49 * c2, classes], 49 * c2),
    filled([classes], 0.1, next),
  ];
  const x = filled([batch, 28, 28, c0], 2, next);
  const y = oneHotRows(batch, classes);
  return {
    kind: "cnn",
    name: `CNN batch ${batch}`,
    params,
    channelsFirst: [
      permuted(params[0]!, [3, 2, 0, 1]),
      params[1]!,
      permuted(params[2]!, [3, 2, 0, 1]),
      params[3]!,
      denseChannelsFirst(params[4]!),
      params[5]!,
    ],
    x,
    y,
    learningRate: 0.05,
    momentum: 0.9,
    loss([w1, b1, w2, b2, w3, b3], a, b) {
      let h = maxPool(conv(a, w1!, { padding: "SAME" }).add(b1!).relu(), 2);
      h = maxPool(conv(h, w2!, { padding: "SAME" }).add(b2!).relu(), 2);
      const logits = h
        .reshape([batch, 49 * c2])
        .matmul(w3!)
        .add(b3!);
      return logsumexp(logits, -1).sub(logits.mul(b).sum(-1)).mean();
    },
    jax({ numpy: np, nn, lax }, [w1, b1, w2, b2, w3, b3], a, b) {
      // One channel: channels last and first are the same order in memory.
      let h = lax.conv(a.reshape([batch, c0, 28, 28]), w1!, [1, 1], "SAME");
      h = jaxPool(nn.relu(h.add(b1!.reshape([c1, 1, 1]))), [batch, c1, 28, 28]);
      h = lax.conv(h, w2!, [1, 1], "SAME");
      h = jaxPool(nn.relu(h.add(b2!.reshape([c2, 1, 1]))), [batch, c2, 14, 14]);
      const logits = np.dot(h.reshape([batch, 49 * c2]), w3!).add(b3!);
      return nn
        .logSoftmax(logits, -1)
        .mul(b)
        .sum()
        .mul(-1 / batch);
    },
    tfjs(tf, [w1, b1, w2, b2, w3, b3], a, b) {
      let h = tf.maxPool(tf.relu(tf.add(tf.conv2d(a, w1!, 1, "same"), b1!)), 2, 2, "valid");
      h = tf.maxPool(tf.relu(tf.add(tf.conv2d(h, w2!, 1, "same"), b2!)), 2, 2, "valid");
      const logits = tf.add(tf.matMul(tf.reshape(h, [batch, 49 * c2]), w3!), b3!);
      return tf.mul(tf.sum(tf.mul(tf.logSoftmax(logits, -1), b)), -1 / batch);
    },
    host: (ps) => hostCnn(batch, ps, x.data, y.data),
  };
}

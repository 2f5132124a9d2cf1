/** Softmax cross-entropy of 512 × 1000 logits with its gradient. */
import { logsumexp, valueAndGrad } from "dawngrad";
import { near } from "../harness/check.js";
import { compareFunctions } from "../harness/compare.js";
import type { Workload } from "../harness/context.js";
import { filled, oneHotRows, places } from "../harness/values.js";
import { crossEntropy as onHost } from "../host/dense.js";

const [rows, classes] = [512, 1000];
const title = `softmax cross-entropy ${rows}×${classes} with gradient`;

export const crossEntropy: Workload = {
  name: "cross-entropy",
  titles: () => [title],
  async run(context) {
    const logits = filled([rows, classes], 8);
    const labels = oneHotRows(rows, classes);
    const expected = onHost(Float64Array.from(logits.data), labels.data, [rows, classes]);
    const part = await compareFunctions(context, {
      title,
      inputs: [logits, labels],
      bytes: 12 * rows * classes,
      dawngrad: (a, b) =>
        valueAndGrad((z: typeof a) => logsumexp(z, -1).sub(z.mul(b).sum(-1)).mean())(a),
      jax: (jax) => (a, b) => {
        const loss = (z: typeof a) =>
          jax.nn
            .logSoftmax(z, -1)
            .mul(b)
            .sum()
            .mul(-1 / rows);
        return jax.valueAndGrad<[typeof a], typeof a>(loss)(a);
      },
      tfjs: (tf) => (a, b) => {
        const loss = (z: typeof a) => tf.mul(tf.sum(tf.mul(tf.logSoftmax(z, -1), b)), -1 / rows);
        const { value, grads } = tf.valueAndGrads(loss)([a]);
        return [value, ...grads];
      },
      torch: "cross-entropy",
      raw: [],
      check([loss, grad]) {
        near("the loss", loss![0]!, expected.loss, 1e-5 * expected.loss);
        for (const i of places(rows * classes, 4001)) {
          // exp(z − top − log Σ): an exponent up to ~12 with its roundings.
          const bound = 64 * 2 ** -24 * Math.abs(expected.grad[i]!) + 1e-9;
          near(`gradient ${i}`, grad![i]!, expected.grad[i]!, bound);
        }
      },
      checked: "the loss and 4001 elements of the gradient against float64 on the host",
    });
    return {
      title: "Softmax cross-entropy",
      text: "GB/s counts logits and labels read once and the gradient written once.",
      parts: [part],
    };
  },
};

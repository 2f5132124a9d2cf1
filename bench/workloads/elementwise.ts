/** |relu(1.5x + 0.25)·x − 0.125|: five operations on 16M numbers that could pass through once. */
import { near } from "../harness/check.js";
import { compareFunctions } from "../harness/compare.js";
import type { Workload } from "../harness/context.js";
import { filled, places } from "../harness/values.js";

const sizeOf = (quick: boolean): number => (quick ? 2 ** 20 : 2 ** 24);
const title = "elementwise chain";

export const elementwise: Workload = {
  name: "elementwise",
  titles: () => [title],
  async run(context) {
    const size = sizeOf(context.quick);
    const x = filled([size], 4);
    const part = await compareFunctions(context, {
      title: `${title} of five operations, ${size} numbers`,
      inputs: [x],
      bytes: 8 * size,
      dawngrad: (a) => [a.mul(1.5).add(0.25).relu().mul(a).sub(0.125).abs()],
      jax:
        ({ numpy: np, nn }) =>
        (a) => [np.abs(nn.relu(a.ref.mul(1.5).add(0.25)).mul(a).sub(0.125))],
      tfjs: (tf) => (a) => [
        tf.abs(tf.sub(tf.mul(tf.relu(tf.add(tf.mul(a, 1.5), 0.25)), a), 0.125)),
      ],
      torch: "chain",
      raw: [],
      check([y]) {
        for (const i of places(size, 1001)) {
          const v = x.data[i]!;
          const expected = Math.abs(Math.max(v * 1.5 + 0.25, 0) * v - 0.125);
          // Four roundings, of values up to |v|·(1.5|v| + 0.25) + 0.125.
          const scale = Math.abs(v) * (1.5 * Math.abs(v) + 0.25) + 0.125;
          near(`element ${i}`, y![i]!, expected, 5 * 2 ** -24 * scale);
        }
      },
      checked: "1001 elements against the host",
    });
    return {
      title: "Elementwise",
      text: "GB/s counts the input read once and the output written once.",
      parts: [part],
    };
  },
};

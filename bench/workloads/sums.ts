/** Sums of a square matrix along rows, along columns, and in full. */
import { sum } from "dawngrad";
import { near } from "../harness/check.js";
import { compareFunctions, type FunctionWork } from "../harness/compare.js";
import type { Workload } from "../harness/context.js";
import type { Comparison } from "../harness/results.js";
import { filled, places, type Values } from "../harness/values.js";

const sideOf = (quick: boolean): number => (quick ? 1024 : 4096);
const kinds = ["row sums", "column sums", "full sum"] as const;

/** Σ and Σ|·| of `count` numbers from `start`, `step` apart. */
function along({ data }: Values, start: number, step: number, count: number) {
  let total = 0;
  let absolute = 0;
  for (let i = 0; i < count; i++) {
    const v = data[start + i * step]!;
    total += v;
    absolute += Math.abs(v);
  }
  return { total, absolute };
}

function workOf(kind: (typeof kinds)[number], x: Values): FunctionWork {
  const n = x.shape[0]!;
  const axis = { "row sums": 1, "column sums": 0, "full sum": undefined }[kind];
  const at = axis === undefined ? [0] : places(n, 33);
  return {
    title: `${kind} of ${n}×${n}`,
    inputs: [x],
    bytes: 4 * n * n,
    dawngrad: (a) => [axis === undefined ? sum(a) : sum(a, axis)],
    jax: () => (a) => [a.sum(axis)],
    tfjs: (tf) => (a) => [tf.sum(a, axis)],
    torch: kind,
    raw: [],
    check([y]) {
      for (const i of at) {
        const step = axis === 0 ? n : 1;
        const start = axis === undefined ? 0 : axis === 0 ? i : i * n;
        const count = axis === undefined ? n * n : n;
        const { total, absolute } = along(x, start, step, count);
        // Roundings of partial sums as a random walk, each at most 2⁻²⁴·Σ|x|.
        near(`sum ${i}`, y![i]!, total, Math.sqrt(count) * 2 ** -24 * absolute);
      }
    },
    checked: "sums against float64 on the host, within √n·2⁻²⁴·Σ|x|",
  };
}

export const sums: Workload = {
  name: "sums",
  titles: () => kinds,
  async run(context) {
    const n = sideOf(context.quick);
    const x = filled([n, n], 2);
    const parts: Comparison[] = [];
    for (const kind of kinds) {
      if (context.wants(kind)) parts.push(await compareFunctions(context, workOf(kind, x)));
    }
    return { title: "Reductions", text: "GB/s counts the matrix read once.", parts };
  },
};

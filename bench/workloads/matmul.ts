/** Matrix products: squares, the shape of a small batch, and the two of a dense layer's gradient. */
import { dotGeneral } from "dawngrad";
import { currentGpu } from "../../src/device/index.js";
import { near, sumBound } from "../harness/check.js";
import { compareFunctions, type FunctionWork } from "../harness/compare.js";
import type { Context, Workload } from "../harness/context.js";
import { filled, places, uniform } from "../harness/values.js";
import type { ProductKind, ProductShape } from "../kernels/external.js";
import { plainMatmul } from "../kernels/matmul.js";

interface Product {
  readonly kind: ProductKind;
  readonly shape: ProductShape;
}

const plain = (...shape: ProductShape): Product => ({ kind: "plain", shape });

const quickly: readonly Product[] = [plain(512, 512, 512), plain(100, 784, 512)];
const all: readonly Product[] = [
  plain(256, 256, 256),
  plain(512, 512, 512),
  plain(1024, 1024, 1024),
  plain(2048, 2048, 2048),
  plain(100, 784, 512),
  { kind: "first transposed", shape: [512, 128, 256] },
  { kind: "second transposed", shape: [128, 256, 512] },
];

const products = (quick: boolean): readonly Product[] => (quick ? quickly : all);

export function titleOf({ kind, shape: [m, k, n] }: Product): string {
  const sign = { plain: "A·B", "first transposed": "Aᵀ·B", "second transposed": "A·Bᵀ" }[kind];
  return `matmul ${sign} ${m}×${k}×${n}`;
}

function workOf({ kind, shape }: Product, context: Context): FunctionWork {
  const [m, k, n] = shape;
  const next = uniform(3);
  const transposedA = kind === "first transposed";
  const transposedB = kind === "second transposed";
  const a = filled(transposedA ? [k, m] : [m, k], 2, next);
  const b = filled(transposedB ? [n, k] : [k, n], 2, next);
  const atA = (i: number, c: number) => a.data[transposedA ? c * m + i : i * k + c]!;
  const atB = (c: number, j: number) => b.data[transposedB ? j * k + c : c * n + j]!;
  const own =
    kind === "plain" ? plainMatmul(shape, [a, b], currentGpu("bench").subgroupSize) : undefined;
  return {
    title: titleOf({ kind, shape }),
    inputs: [a, b],
    flops: 2 * m * k * n,
    dawngrad: (x, y) => [dotGeneral(x, y, [[[transposedA ? 0 : 1], [transposedB ? 1 : 0]]])],
    jax:
      ({ numpy: np }) =>
      (x, y) => [np.dot(transposedA ? np.transpose(x) : x, transposedB ? np.transpose(y) : y)],
    tfjs: (tf) => (x, y) => [tf.matMul(x, y, transposedA, transposedB)],
    torch: kind === "plain" ? "matmul" : `matmul, ${kind}`,
    raw: [...(own ? [own] : []), ...context.texts.products(kind, shape, a, b)],
    check([c]) {
      for (const i of places(m, 9)) {
        for (const j of places(n, 9)) {
          let sum = 0;
          let absolute = 0;
          for (let p = 0; p < k; p++) {
            const term = atA(i, p) * atB(p, j);
            sum += term;
            absolute += Math.abs(term);
          }
          near(`element [${i}, ${j}]`, c![i * n + j]!, sum, sumBound(k, absolute));
        }
      }
    },
    checked: "81 elements against float64 sums on the host",
  };
}

export const matmul: Workload = {
  name: "matmul",
  titles: ({ quick }) => products(quick).map(titleOf),
  async run(context) {
    const parts = [];
    for (const p of products(context.quick)) {
      if (context.wants(titleOf(p)))
        parts.push(await compareFunctions(context, workOf(p, context)));
    }
    return { title: "Matrix products", parts };
  },
};

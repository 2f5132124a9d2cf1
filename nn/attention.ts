/** Multi-head self-attention. */
import {
  concatenate,
  matmul,
  mul,
  reshape,
  ShapeError,
  slice,
  softmax,
  type Tensor,
  transpose,
  tri,
  where,
} from "../src/index.js";
import { type DenseParams, dense } from "./dense.js";
import { glorotUniform, type Initializer, zeros } from "./initializers.js";
import { checkPositive, type Layer, partKey, partOptions, type Shape, showShape } from "./layer.js";
import { dropout } from "./structure.js";

export interface AttentionParams {
  /** Queries, keys and values side by side: weight [d, 3d], bias [3d]. */
  readonly qkv: DenseParams;
  /** weight [d, d], bias [d] */
  readonly proj: DenseParams;
}

export interface AttentionOptions {
  /** Rate of dropout of the attention weights. Default 0. */
  readonly dropout?: number;
  /** Each place sees itself and those before it only. Default false. */
  readonly causal?: boolean;
  /** Default Glorot uniform for a third of qkv, and for proj. */
  readonly weightInit?: Initializer;
}

/**
 * Self-attention (Vaswani et al. 2017) of `heads` heads over sequences [batch, length, d]:
 * softmax(q·kᵀ/√(d / heads))·v, the heads side by side, then a projection. As PyTorch's
 * MultiheadAttention(d, heads, batch_first=True)(x, x, x), with weights [in, out].
 *
 * @throws ShapeError when the heads do not divide d.
 *
 * ```ts
 * const layer = multiHeadAttention(2);
 * const { params, outputShape } = layer.init(random.key(0), [4, 10, 8]);
 * outputShape; // [4, 10, 8]
 * params.qkv.weight.shape; // [8, 24]
 * ```
 */
export function multiHeadAttention(
  heads: number,
  options: AttentionOptions = {},
): Layer<AttentionParams, null> {
  const name = `multiHeadAttention(${heads})`;
  const { causal = false, weightInit = glorotUniform() } = options;
  checkPositive("multiHeadAttention", "heads", heads);
  const drop = dropout(options.dropout ?? 0);
  const check = (shape: Shape): number => {
    const d = shape[2];
    if (shape.length !== 3 || d === undefined || d % heads !== 0) {
      throw new ShapeError(
        `${name}: the input ${showShape(shape)} must be [batch, length, d] with d a multiple of the heads`,
      );
    }
    return d;
  };
  // Queries, keys and values are three square matrices: each has the fans of its own.
  const side = (key: Tensor, d: number): Tensor =>
    concatenate(
      [0, 1, 2].map((i) => weightInit(partKey(key, i)!, [d, d])),
      1,
    );
  return {
    name,
    init(key, inputShape) {
      const d = check(inputShape);
      const square = dense(d, { weightInit, biasInit: zeros });
      const proj = square.init(partKey(key, 1)!, inputShape).params;
      const qkv = { weight: side(partKey(key, 0)!, d), bias: zeros(key, [3 * d]) };
      return { params: { qkv, proj }, state: null, outputShape: inputShape };
    },
    apply(params, state, x, how = {}) {
      const d = check(x.shape);
      const [batch, length] = x.shape as readonly [number, number, number];
      if (params.qkv.weight.shape[0] !== d) {
        throw new ShapeError(
          `${name}: the input ${showShape(x.shape)} does not fit qkv.weight ` +
            `${showShape(params.qkv.weight.shape)}; init the layer with this inputShape`,
        );
      }
      const all = dense(3 * d).apply(params.qkv, null, x)[0];
      const part = (i: number): Tensor => {
        const own = slice(all, [0, 0, i * d], [batch, length, (i + 1) * d]);
        return transpose(reshape(own, [batch, length, heads, d / heads]), [0, 2, 1, 3]);
      };
      const scores = matmul(part(0), transpose(part(1), [0, 1, 3, 2]));
      const scaled = mul(scores, 1 / Math.sqrt(d / heads));
      const seen = causal
        ? where(tri(length).astype("bool"), scaled, Number.NEGATIVE_INFINITY)
        : scaled;
      const weights = drop.apply(null, null, softmax(seen, -1), partOptions(how, 0))[0];
      const mixed = transpose(matmul(weights, part(2)), [0, 2, 1, 3]);
      return [dense(d).apply(params.proj, null, reshape(mixed, [batch, length, d]))[0], state];
    },
  };
}

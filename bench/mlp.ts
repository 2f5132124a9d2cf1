/** The training step that every comparison uses: MLP 784-512-256-10, SGD with momentum 0.9. */
import { array, jit, logsumexp, type Tensor, tree } from "dawngrad";
import { crSam, gradientOf, sam } from "dawngrad/optim";

export const sizes = [784, 512, 256, 10] as const;
export const learningRate = 0.1;
export const momentum = 0.9;

export interface Values {
  /** weight [in, out] and bias [out] of each layer, in turn. */
  readonly params: { readonly shape: number[]; readonly data: Float32Array }[];
  readonly x: { readonly shape: number[]; readonly data: Float32Array };
  /** One-hot labels. */
  readonly y: { readonly shape: number[]; readonly data: Float32Array };
}

/** The same numbers for every library. */
export function values(batch: number, layers: readonly number[] = sizes): Values {
  let state = 12345;
  const next = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff - 0.5;
  };
  const filled = (shape: number[], scale: number) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() * scale),
  });
  const params = layers
    .slice(1)
    .flatMap((out, i) => [
      filled([layers[i]!, out], 2 / Math.sqrt(layers[i]!)),
      filled([out], 0.1),
    ]);
  const x = filled([batch, layers[0]!], 2);
  const classes = layers.at(-1)!;
  const y = { shape: [batch, classes], data: new Float32Array(batch * classes) };
  for (let i = 0; i < batch; i++) y.data[i * classes + (i % classes)] = 1;
  return { params, x, y };
}

export type Params = readonly Tensor[];

export function loss(params: Params, x: Tensor, y: Tensor): Tensor {
  let h = x;
  for (let i = 0; i < params.length; i += 2) {
    h = h.matmul(params[i]!).add(params[i + 1]!);
    if (i + 2 < params.length) h = h.relu();
  }
  return logsumexp(h, -1).sub(h.mul(y).sum(-1)).mean();
}

export type Method = "sgd" | "sam" | "cr-sam" | "cr-sam-sequential";

export type State = readonly [params: Params, velocity: Params];

/** One step of a method; state in, loss and state out. */
export function stepOf(method: Method) {
  const base = gradientOf((p: Params, s: null, b: { x: Tensor; y: Tensor }, _key: null) => ({
    loss: loss(p, b.x, b.y),
    state: s,
  }));
  const options = { rho: 0.05, alpha: 0.1, beta: 0.01 };
  const gradFn = {
    sgd: base,
    sam: sam({ rho: options.rho })(base),
    "cr-sam": crSam(options)(base),
    "cr-sam-sequential": crSam({ ...options, lanes: "sequential" })(base),
  }[method];
  return (params: Params, velocity: Params, x: Tensor, y: Tensor): [Tensor, Params, Params] => {
    const { loss, grads } = gradFn(params, null, { x, y }, null);
    const next = tree.map((v, g) => v.mul(momentum).add(g), velocity, grads as Params);
    return [loss, tree.map((p, v) => p.sub(v.mul(learningRate)), params, next), next];
  };
}

export const jittedStep = (method: Method) =>
  jit(stepOf(method), { donateArgnums: [0, 1], name: `${method} step` });

const tensor = (v: { shape: number[]; data: Float32Array }): Tensor =>
  array(v.data, { shape: v.shape });

/** Tensors of the given values, and zero velocity. */
export function start(v: Values): { params: Params; velocity: Params; x: Tensor; y: Tensor } {
  return {
    params: v.params.map(tensor),
    velocity: v.params.map((p) => array(new Float32Array(p.data.length), { shape: p.shape })),
    x: tensor(v.x),
    y: tensor(v.y),
  };
}

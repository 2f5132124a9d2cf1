/** The training steps that are compared, in dawngrad's words. */
import { type Tensor, tree } from "dawngrad";
import { crSam, gradientOf, sam } from "dawngrad/optim";
import type { Model } from "./model.js";

export type Method = "sgd" | "sam" | "cr-sam" | "cr-sam-sequential";
export const methods: readonly Method[] = ["sgd", "sam", "cr-sam", "cr-sam-sequential"];

export const rho = 0.05;
export const alpha = 0.1;
export const beta = 0.01;

type Params = readonly Tensor[];

/** One step of a method with momentum; state in, loss and state out. */
export function stepOf(model: Model, method: Method) {
  const base = gradientOf((p: Params, s: null, b: { x: Tensor; y: Tensor }, _key: null) => ({
    loss: model.loss(p, b.x, b.y),
    state: s,
  }));
  const gradFn = {
    sgd: base,
    sam: sam({ rho })(base),
    "cr-sam": crSam({ rho, alpha, beta })(base),
    "cr-sam-sequential": crSam({ rho, alpha, beta, lanes: "sequential" })(base),
  }[method];
  return (params: Params, velocity: Params, x: Tensor, y: Tensor): [Tensor, Params, Params] => {
    const { loss, grads } = gradFn(params, null, { x, y }, null);
    const next = tree.map((v, g) => v.mul(model.momentum).add(g), velocity, grads as Params);
    const moved = tree.map((p, v) => p.sub(v.mul(model.learningRate)), params, next);
    return [loss, moved, next];
  };
}

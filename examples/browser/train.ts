/** The network, the three methods' steps, and what is drawn of them. */
import { argmax, broadcastTo, jit, linspace, random, stack, type Tensor } from "dawngrad";
import { mlp, type ParamsOf, softmaxCrossEntropy, tanh } from "dawngrad/nn";
import { adam, applyUpdates, crSam, gradientOf, sam } from "dawngrad/optim";

const model = mlp([64, 64, 2], { activation: tanh() });
type Params = ParamsOf<typeof model>;

export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

const gradient = gradientOf((params: Params, _state: null, { x, y }: Batch, _key: null) => ({
  loss: softmaxCrossEntropy(model.apply(params, null, x)[0], y).mean(),
  state: null,
}));
const optimizer = adam({ learningRate: 0.01 });

export type Method = "sgd" | "sam" | "cr-sam";

/** One training: `step` moves on and returns the loss, `regions` classifies a grid of points. */
export function training(method: Method, rho: number, batch: Batch) {
  const gradFn = {
    sgd: () => gradient,
    sam: () => sam({ rho })(gradient),
    "cr-sam": () => crSam({ rho, alpha: 0.1, beta: 0.01 })(gradient),
  }[method]();
  let { params } = model.init(random.key(1), [1, 2]);
  let memory = optimizer.init(params);
  const step = jit(
    (p: Params, m: typeof memory, b: Batch) => {
      const { loss, grads } = gradFn(p, null, b, null);
      const [updates, next] = optimizer.update(grads, m, p);
      return [applyUpdates(p, updates), next, loss] as const;
    },
    { donateArgnums: [0, 1], name: method },
  );
  return {
    step(): Tensor {
      let loss: Tensor;
      [params, memory, loss] = step(params, memory, batch);
      return loss;
    },
    regions: (side: number): Tensor => classes(params, grid(side)),
  };
}

const classes = jit((params: Params, x: Tensor) => argmax(model.apply(params, null, x)[0], -1), {
  name: "regions",
});

/** The points of a side × side grid over the square from −1 to 1, rows from the top: [side², 2]. */
function grid(side: number): Tensor {
  const x = broadcastTo(linspace(-1, 1, side), [side, side]);
  return stack([x.reshape([-1]), x.neg().transpose().reshape([-1])], 1);
}

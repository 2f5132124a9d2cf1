/** Measuring a trained network: accuracy and loss, flatness, and the loss along its gradient. */
import { argmax, array, equal, grad, jit, random, sum, type Tensor, tree, vmap } from "dawngrad";
import { softmaxCrossEntropy } from "dawngrad/nn";
import { normalizedHessianTrace } from "dawngrad/optim";
import type { Labelled } from "./images.js";
import { type Model, meanLoss, type Params, type State } from "./model.js";
import type { Curvature, Landscape } from "./results.js";
import type { TrainState } from "./train.js";

export interface Score {
  readonly accuracy: number;
  readonly loss: number;
}

/** Accuracy and mean loss over pieces of a data set. */
export function scorer(
  model: Model,
): (train: TrainState, data: readonly Labelled[]) => Promise<Score> {
  const score = jit(
    (params: Params, state: State, batch: Labelled) => {
      const [logits] = model.apply(params, state, batch.x);
      return {
        right: sum(equal(argmax(logits, -1), batch.y)),
        loss: sum(softmaxCrossEntropy(logits, batch.y)),
      };
    },
    { name: "score" },
  );
  return async ({ params, state }, data) => {
    const results = data.map((batch) => score(params, state, batch));
    let [right, loss, count] = [0, 0, 0];
    for (const [i, result] of results.entries()) {
      right += await result.right.item();
      loss += await result.loss.item();
      count += data[i]!.y.size;
      result.right.dispose();
      result.loss.dispose();
    }
    return { accuracy: right / count, loss: loss / count };
  };
}

/** Decides the probes: the same for every method and seed, so that they are compared alike. */
const probeSeed = 17;

/** Gradient norm, Hessian trace and C(w) of the loss on one batch. */
export async function curvatureOf(
  model: Model,
  { params, state }: TrainState,
  batch: Labelled,
  probes: number,
): Promise<Curvature> {
  const loss = (p: Params) => meanLoss(model)(p, state, batch);
  const found = await normalizedHessianTrace(loss, params, random.key(probeSeed), { probes });
  return {
    gradientNorm: found.gradientNorm,
    trace: found.trace.mean,
    traceStandardError: found.trace.standardError,
    normalizedTrace: found.mean,
  };
}

/** Points on each side of the weights, and the bytes that the weights of all lanes may take. */
const half = 12;
const laneBytes = 2 ** 26;

/** Loss at w + t·v, v = ∇L(w)/‖∇L(w)‖, for t in [−reach, reach]; a vmap evaluates many t at once. */
export function landscaper(
  model: Model,
  reach: number,
): (train: TrainState, batch: Labelled) => Promise<Landscape> {
  const loss = meanLoss(model);
  const direction = jit(
    (params: Params, state: State, batch: Labelled): Params => {
      const g = grad(loss)(params, state, batch);
      return tree.scale(g, tree.norm(g).pow(-1));
    },
    { name: "gradient direction" },
  );
  const along = jit(
    (ts: Tensor, v: Params, params: Params, state: State, batch: Labelled): Tensor =>
      vmap((t: Tensor) => loss(tree.axpy(t, v, params), state, batch))(ts),
    { name: "loss along the gradient" },
  );
  const distance = Array.from({ length: 2 * half + 1 }, (_, i) => (reach * (i - half)) / half);
  return async ({ params, state }, batch) => {
    const v = direction(params, state, batch);
    const lanes = lanesFor(distance.length, 4 * tree.size(params));
    const losses: number[] = [];
    for (let from = 0; from < distance.length; from += lanes) {
      const ts = array(distance.slice(from, from + lanes));
      losses.push(...(await along(ts, v, params, state, batch).data()));
    }
    return { distance, loss: losses };
  };
}

/** The largest divisor of `count` (so that one program serves) whose lanes fit. */
export function lanesFor(count: number, bytesPerLane: number): number {
  for (let lanes = count; lanes > 1; lanes--) {
    if (count % lanes === 0 && lanes * bytesPerLane <= laneBytes) return lanes;
  }
  return 1;
}

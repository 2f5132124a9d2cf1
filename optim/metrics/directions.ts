/** Directions in the space of the parameters, to look at the loss along. */
import { grad, jit, mul, random, type Tensor, tree, zerosLike } from "../../src/index.js";
import { reciprocalOrZero } from "../sharpness/perturb.js";
import { filterNorms, randomDirection } from "../sharpness/random-tree.js";
import { mapTrees } from "../trees.js";
import { averaged, type LossOfParams, type Objective } from "./objective.js";

/** Each filter of `d` scaled to the norm of the parameters' filter; biases and scales stand still. */
const filterNormalized = <P>(d: P, params: P): P => {
  const scaled = (x: Tensor, own: Tensor, target: Tensor): Tensor =>
    x.ndim < 2 ? zerosLike(x) : mul(x, mul(target, reciprocalOrZero(own)));
  return mapTrees<P>(scaled, d, filterNorms(d), filterNorms(params));
};

/**
 * Two random Gaussian directions, filter-normalised (Li et al. 2018, "Visualizing the Loss Landscape of
 * Neural Nets") and then made orthogonal to each other. The same key draws the same Gaussian numbers for
 * any weights of one shape, so that methods can be compared.
 *
 * ```ts
 * const w = array([[3], [4]]);
 * const [d] = randomDirections(w, random.key(0));
 * await tree.norm(d).item(); // 5
 * ```
 */
export function randomDirections<P>(params: P, key: Tensor): [P, P] {
  const make = jit(
    (p: P, k: Tensor): [P, P] => {
      const [first, second] = [0, 1].map((i) =>
        filterNormalized(randomDirection(p, random.foldIn(k, i), "normal"), p),
      ) as [P, P];
      const along = mul(tree.dot(first, second), reciprocalOrZero(tree.dot(first, first)));
      return [first, tree.axpy(along.neg(), first, second)];
    },
    { name: "randomDirections" },
  );
  return make(params, key) as [P, P];
}

/**
 * The unit gradient v = ∇L/‖∇L‖, zero where the gradient is.
 *
 * ```ts
 * await (await gradientDirection((w: Tensor) => w.sum(), array([1, 1, 1, 1]))).toArray(); // [0.5, 0.5, 0.5, 0.5]
 * ```
 */
export async function gradientDirection<P>(objective: Objective<P>, params: P): Promise<P> {
  const gradient = averaged("gradientDirection", objective, (loss: LossOfParams<P>) => grad(loss));
  const g = (await gradient(params)) as P;
  return tree.scale(g, reciprocalOrZero(tree.norm(g)));
}

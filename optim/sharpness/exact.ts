/** First and second derivatives of the loss along a direction, and their gradients, exactly. */
import { full, jvp, mul, square, type Tensor, type TensorLike, tree } from "../../src/index.js";
import type { GradFn } from "../gradient.js";

/** In the units of finite differences: A = ρ²·L″ and B = 2ρ·L′. */
export interface ExactCurvature<P> {
  readonly A: Tensor;
  readonly B: Tensor;
  /** ∇A = ρ²·D³L[v,v], with v constant. */
  readonly gradA: P;
  /** ∇B = 2ρ·H·v, with v constant. */
  readonly gradB: P;
  /** ρ·H·v, half of ∂A/∂(ρv). */
  readonly halfGradA: P;
}

/**
 * Loss and gradient along t ↦ w + t·v, differentiated twice in t at 0 by jvp of jvp: the loss gives
 * L′ and L″, the gradient gives H·v and D³L[v,v].
 */
export function exactCurvature<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: readonly [params: P, state: S, batch: B, key: K],
  v: P,
  rho: TensorLike,
): ExactCurvature<P> {
  const along = (t: Tensor) => {
    const { loss, grads } = gradFn(tree.axpy(t, v, params), state, batch, key);
    return { loss, grads };
  };
  const zero = full([], 0, { dtype: "float32" });
  const one = full([], 1, { dtype: "float32" });
  const slope = (t: Tensor) => jvp(along, [t], [one])[1];
  const [first, second] = jvp(slope, [zero], [one]);
  const rho2 = square(rho);
  return {
    A: mul(second.loss, rho2),
    B: mul(first.loss, mul(rho, 2)),
    gradA: tree.scale(second.grads, rho2),
    gradB: tree.scale(first.grads, mul(rho, 2)),
    halfGradA: tree.scale(first.grads, rho),
  };
}

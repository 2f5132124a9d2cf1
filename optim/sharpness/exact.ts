/** First and second derivatives of the loss along a direction, and their gradients, exactly. */
import { jet, mul, square, type Tensor, type TensorLike, tree } from "../../src/index.js";
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
 * Loss and gradient along t ↦ w + t·v, differentiated twice in t at 0: the loss gives L′ and L″, the
 * gradient gives H·v and D³L[v,v].
 */
export function exactCurvature<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: readonly [params: P, state: S, batch: B, key: K],
  v: P,
  rho: TensorLike,
): ExactCurvature<P> {
  const along = (p: P) => {
    const { loss, grads } = gradFn(p, state, batch, key);
    return { loss, grads };
  };
  const [, derivatives] = jet(along, [params], [[v, null]]);
  const [first, second] = derivatives as [ReturnType<typeof along>, ReturnType<typeof along>];
  const rho2 = square(rho);
  return {
    A: mul(second.loss, rho2),
    B: mul(first.loss, mul(rho, 2)),
    gradA: tree.scale(second.grads, rho2),
    gradB: tree.scale(first.grads, mul(rho, 2)),
    halfGradA: tree.scale(first.grads, rho),
  };
}

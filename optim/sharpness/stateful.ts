/** Members that remember something from step to step. */
import type { GradFn, GradResult } from "../gradient.js";

/**
 * A gradient function with a state of its own, a tree of tensors: pure, so that it is traced into the
 * training step with everything else.
 */
export interface StatefulGradFn<H, P, S, B, K, A> {
  /** The state before the first step. */
  init(params: P): H;
  apply(
    sharpState: H,
    params: P,
    state: S,
    batch: B,
    key: K,
  ): [result: GradResult<P, S, A>, sharpState: H];
}

/** One way to make a step: what `apply` is of a stateful member. */
export type StatefulStep<H, P, S, B, K, A> = StatefulGradFn<H, P, S, B, K, A>["apply"];

/**
 * The gradient function with its clean pass already made: a member that asks for the gradient at these
 * very parameters gets that result instead of another pass.
 */
export const withCleanPass =
  <P, S, B, K, A>(
    gradFn: GradFn<P, S, B, K, A>,
    at: P,
    clean: GradResult<P, S, A>,
  ): GradFn<P, S, B, K, A> =>
  (params, state, batch, key) =>
    params === at ? clean : gradFn(params, state, batch, key);

/** Members that remember something from step to step. */
import { type Tensor, tree, where } from "../../src/index.js";
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
 * The leaves of `yes` where the predicate holds, else those of `no`. Both are computed: within one
 * program a device does not know the predicate when work is submitted. Who knows it on the host calls
 * the member's named parts instead.
 */
export const choose = <T>(predicate: Tensor, yes: T, no: T): T =>
  tree.map(
    ((y: Tensor, n: Tensor) => where(predicate, y, n)) as never,
    yes as never,
    no as never,
  ) as T;

/** The clean gradient beside a member's own call of it: one program computes it once. */
export const cleanGradients = <P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  params: P,
  state: S,
  batch: B,
  key: K,
): P => gradFn(params, state, batch, key).grads;

/** Gradient transformations: pure pairs of init and update, as in optax. */
import {
  add,
  DawngradError,
  full,
  isTensor,
  ShapeError,
  type Tensor,
  type TensorLike,
} from "../src/index.js";
import { mapTrees } from "./trees.js";

/** A tree of tensors of the optimizer's own making; opaque to users, who only pass it on. */
export type OptimizerState =
  | Tensor
  | null
  | readonly unknown[]
  | { readonly [key: string]: unknown };

/**
 * `init` makes the state for parameters, `update` turns gradients into updates, which
 * `applyUpdates` adds to the parameters.
 */
export interface Transformation {
  init(params: unknown): OptimizerState;
  update<P>(grads: P, state: OptimizerState, params: P): [updates: P, state: OptimizerState];
}

/**
 * A learning rate (or any coefficient): a number; a tensor, such as an argument of the jitted
 * function in which the optimizer is made; or a schedule, a function of the number of updates so far
 * (an int32 scalar), which the optimizer counts in its state.
 */
export type Coefficient = TensorLike | ((step: Tensor) => TensorLike);

/** A zero for each leaf. */
export const zerosOf = (params: unknown): OptimizerState =>
  mapTrees<OptimizerState>((x) => full(x.shape, 0, { dtype: x.dtype }), params);

/** The step count that schedules and bias corrections start from. */
export const firstStep = (): Tensor => full([], 0, { dtype: "int32" });

/** The next step count. */
export const nextStep = (count: Tensor): Tensor => add(count, 1);

/** The state of a coefficient: a step count for a schedule, else nothing. */
export const coefficientState = (c: Coefficient): Tensor | null =>
  typeof c === "function" ? firstStep() : null;

/** The value at the current step and the state for the next. */
export function takeCoefficient(
  c: Coefficient,
  state: OptimizerState,
): [value: TensorLike, state: Tensor | null] {
  if (typeof c !== "function") return [c, null];
  if (!isTensor(state)) {
    throw new DawngradError(
      "optim: a schedule found no step count in the optimizer's state; make the state with the same " +
        "optimizer's init(params)",
    );
  }
  return [c(state), nextStep(state)];
}

/** Share of a moving average that is kept: of 1 nothing would ever enter it, and 1 − decayᵗ is 0. */
export function checkDecay(op: string, name: string, value: number): void {
  if (!(value >= 0 && value < 1)) {
    throw new DawngradError(`${op}: ${name} is ${value}; give a number >= 0 and < 1`);
  }
}

/** A number of an optimizer must be finite and within a range. */
export function checkNumber(
  op: string,
  name: string,
  value: Coefficient,
  lo = 0,
  hi = Number.POSITIVE_INFINITY,
): void {
  if (typeof value === "number" && !(value >= lo && value <= hi && Number.isFinite(value))) {
    throw new DawngradError(
      `${op}: ${name} is ${value}; give a number >= ${lo}${hi === Number.POSITIVE_INFINITY ? "" : ` and <= ${hi}`}`,
    );
  }
}

/** The entries of a state that this library's optimizer made. */
export function fields<K extends string>(
  op: string,
  state: OptimizerState,
  ...names: readonly K[]
): { readonly [N in K]: unknown } {
  const missing =
    typeof state !== "object" || state === null || isTensor(state) || Array.isArray(state)
      ? names[0]
      : names.find((n) => !(n in state));
  if (missing !== undefined) {
    throw new ShapeError(
      `${op}: the optimizer's state has no "${missing}"; it belongs to another optimizer or other ` +
        "options: make it with this optimizer's init(params)",
    );
  }
  return state as { readonly [N in K]: unknown };
}

/**
 * Parameters plus updates, leaf by leaf (optax.apply_updates).
 *
 * ```ts
 * await applyUpdates(array([1, 2]), array([0.5, 0])).toArray(); // [1.5, 2]
 * ```
 */
export const applyUpdates = <P>(params: P, updates: P): P =>
  mapTrees<P>((p, u) => add(p, u), params, updates);

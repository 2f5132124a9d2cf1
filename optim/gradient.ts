/** Gradient functions: what the sharpness family transforms and what a training step calls. */
import { DawngradError, type Tensor, valueAndGrad } from "../src/index.js";

/** What a loss function returns. */
export interface LossResult<S> {
  /** Float32 scalar. */
  readonly loss: Tensor;
  /** The next state (batch-norm statistics, ...); `null` where there is none. */
  readonly state: S;
  /** Anything else worth returning: a tree of tensors. */
  readonly aux?: unknown;
  /** Losses of the examples `[batch]`, whose mean is `loss`: makes differences of losses precise. */
  readonly perExample?: Tensor;
  /** The model's outputs `[batch, ...]`. */
  readonly logits?: Tensor;
}

/** The type of a loss result's aux; null where there is none. */
export type AuxOf<R> = R extends { readonly aux: infer A } ? A : null;

/**
 * A pure loss: `(params, state, batch, key) => { loss, state, aux?, perExample?, logits? }`. `key`
 * feeds dropout and the like; where nothing is random pass `null`.
 */
export type LossFn<P, S, B, K, R extends LossResult<S> = LossResult<S>> = (
  params: P,
  state: S,
  batch: B,
  key: K,
) => R;

/** What a gradient function returns. */
export interface GradResult<P, S, A> {
  /** The clean loss, at `params` itself, for every member of the family. */
  readonly loss: Tensor;
  /** The direction to descend, in the structure of `params`. */
  readonly grads: P;
  /** The next state, from the clean pass. */
  readonly state: S;
  readonly aux: A;
  readonly perExample?: Tensor;
  readonly logits?: Tensor;
}

/** `(params, state, batch, key) => { loss, grads, state, aux }`. */
export type GradFn<P, S, B, K, A> = (params: P, state: S, batch: B, key: K) => GradResult<P, S, A>;

/**
 * The gradient function of a loss: `loss` and its gradient with respect to `params` in one pass.
 *
 * @throws DawngradError when the loss function does not return `{ loss, state }`.
 *
 * ```ts
 * const loss = (w: Tensor, state: null, x: Tensor) => ({ loss: w.mul(x).sum(), state });
 * const { grads } = gradientOf(loss)(array([1, 2]), null, array([3, 4]), null);
 * await grads.toArray(); // [3, 4]
 * ```
 */
export function gradientOf<P, S, B, K, R extends LossResult<S>>(
  lossFn: (params: P, state: S, batch: B, key: K) => R,
): GradFn<P, S, B, K, AuxOf<R>> {
  const name = lossFn.name || "the loss function";
  const split = (params: P, state: S, batch: B, key: K) => {
    const result = lossFn(params, state, batch, key);
    if (typeof result !== "object" || result === null || !("loss" in result && "state" in result)) {
      throw new DawngradError(
        `gradientOf: '${name}' must return { loss, state, aux? } (state: null where there is none), ` +
          `but it returned ${result === null ? "null" : typeof result}`,
      );
    }
    const { loss, state: next, aux, perExample, logits } = result;
    return [
      loss,
      { state: next, aux: (aux ?? null) as AuxOf<R>, ...given({ perExample, logits }) },
    ] as const;
  };
  Object.defineProperty(split, "name", { value: name });
  const both = valueAndGrad(split, { hasAux: true });
  const gradFn: GradFn<P, S, B, K, AuxOf<R>> = (params, state, batch, key) => {
    const [[loss, rest], grads] = both(params, state, batch, key);
    return { loss, grads, ...rest };
  };
  losses.set(gradFn, lossFn);
  return gradFn;
}

/** The loss function of each gradient function that `gradientOf` made. */
const losses = new WeakMap<object, unknown>();

/**
 * The loss function that `gradientOf` made this gradient function of; undefined for any other. For
 * members that add to the loss before it is differentiated.
 */
export const lossFnOf = <P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
): LossFn<P, S, B, K> | undefined => losses.get(gradFn) as LossFn<P, S, B, K> | undefined;

/** The entries that are there: `undefined` is not a leaf of a result. */
export function given<T extends object>(entries: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(entries).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

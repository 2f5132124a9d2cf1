/** The aux of the family's gradient functions: their own quantities, and the wrapped one's aux. */
import type { GradFn, GradResult } from "../gradient.js";
import { given } from "../gradient.js";

/** A member's quantities; the wrapped gradient function's aux, where it has one, is `inner`. */
export type WithInner<X, A> = A extends null ? X : X & { readonly inner: A };

/** Turns a gradient function into another one; params, state, batch and key keep their types. */
export type SharpnessTransform<X> = <P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
) => GradFn<P, S, B, K, WithInner<X, A>>;

/** A member's result: gradient and aux are its own, everything else comes from the clean pass. */
export function sharpResult<P, S, A, X extends object>(
  clean: GradResult<P, S, A>,
  grads: P,
  own: X,
): GradResult<P, S, WithInner<X, A>> {
  const aux = clean.aux === null || clean.aux === undefined ? own : { ...own, inner: clean.aux };
  return {
    loss: clean.loss,
    grads,
    state: clean.state,
    aux: aux as WithInner<X, A>,
    ...given({ perExample: clean.perExample, logits: clean.logits }),
  };
}

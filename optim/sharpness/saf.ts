/** SAF: the loss's trajectory instead of a second pass. */
import {
  add,
  arange,
  DawngradError,
  equal,
  expandDims,
  full,
  greaterEqual,
  isTensor,
  logicalAnd,
  logSoftmax,
  mod,
  mul,
  scatterAdd,
  sub,
  sum,
  type Tensor,
  type TensorLike,
  take,
  tree,
  valueAndGrad,
  vjp,
  where,
} from "../../src/index.js";
import { type GradFn, type GradResult, gradientOf, lossFnOf } from "../gradient.js";
import { sharpResult, type WithInner } from "./aux.js";
import { checkAmount, checkCount } from "./options.js";
import type { StatefulGradFn } from "./stateful.js";

export interface SafOptions {
  /** Number of training examples: `batch.indices` are 0 to examples − 1. */
  readonly examples: number;
  /** Number of outputs of an example. */
  readonly classes: number;
  /** λ: weight of the trajectory loss. Default 0.3. */
  readonly lambda?: TensorLike;
  /** τ: temperature of the outputs. Default 5. */
  readonly temperature?: number;
  /** Ẽ: how many visits ago the outputs are that an example is compared with. Default 3. */
  readonly back?: number;
  /** Visits of an example before the trajectory loss sets in. Default 5, at least `back`. */
  readonly start?: number;
}

export interface SafState {
  /** Outputs at the last `back` visits of each example, [back·examples, classes]. */
  readonly outputs: Tensor;
  /** Visits of each example so far, int32 [examples]. */
  readonly visits: Tensor;
}

export interface SafAux {
  /** The trajectory loss, λ times the mean divergence. */
  readonly trajectory: Tensor;
}

/** What SAF needs of a batch, beside what the loss function needs. */
export interface IndexedBatch {
  /** Which training example each example of the batch is, int32 [batch]. */
  readonly indices: Tensor;
  readonly weights?: Tensor;
}

/** KL(softmax(past/τ) ‖ softmax(now/τ)) of each example. */
export function divergence(past: Tensor, now: Tensor, temperature: number): Tensor {
  const p = logSoftmax(past.div(temperature));
  const q = logSoftmax(now.div(temperature));
  return sum(mul(p.exp(), sub(p, q)), -1);
}

/**
 * SAF (Du et al. 2022, "Sharpness-Aware Training for Free"): adds λ·mean KL(σ(y_past/τ) ‖ σ(y/τ)) to the
 * loss, where y_past are the outputs for the same example `back` visits ago: a loss that does not fall
 * suddenly is flat along the trajectory. No second pass: the outputs are kept in the state.
 *
 * The loss function returns `logits` [batch, classes], and the batch carries `indices` (an example that
 * is twice in one batch is not remembered). Given
 * `gradientOf(lossFn)`, the term joins the loss before differentiation: the cost of one pass. Of any
 * other gradient function its gradient is taken through the logits, at another backward pass.
 *
 * ```ts
 * const loss = (w: Tensor, state: null, { x }: { x: Tensor; indices: Tensor }) => {
 *   const logits = x.matmul(w);
 *   return { loss: logits.square().mean(), state, logits };
 * };
 * const free = saf({ examples: 4, classes: 2, back: 1, start: 1 })(gradientOf(loss));
 * const batch = { x: array([[1, 2]]), indices: array([3], { dtype: "int32" }) };
 * const w = array([[1, 0], [0, 1]]);
 * const [, next] = free.apply(free.init(w), w, null, batch, null);
 * const [result] = free.apply(next, w, null, batch, null);
 * await result.aux.trajectory.item(); // 0
 * ```
 */
export function saf(options: SafOptions) {
  const { examples, classes, lambda = 0.3, temperature = 5, back = 3, start = 5 } = options;
  checkCount("saf", "examples", examples);
  checkCount("saf", "classes", classes);
  checkCount("saf", "back", back);
  checkCount("saf", "start", start);
  checkAmount("saf", "lambda", lambda);
  checkAmount("saf", "temperature", temperature);
  const since = Math.max(start, back);

  /** The term as a function of the outputs, for the examples of a batch. */
  const trajectoryOf = ({ outputs, visits }: SafState, { indices, weights }: IndexedBatch) => {
    const seen = take(visits, indices, 0);
    // The oldest of the kept outputs is the one that this visit overwrites.
    const rows = add(mul(mod(seen, back), examples), indices);
    const past = take(outputs, rows, 0);
    const active = greaterEqual(seen, since).astype("float32");
    const each = weights === undefined ? active : mul(active, weights);
    const total = weights === undefined ? indices.shape[0]! : sum(weights);
    const term = (logits: Tensor): Tensor =>
      sum(mul(divergence(past, logits, temperature), each))
        .div(total)
        .mul(lambda);
    const remember = (logits: Tensor): SafState => {
      // Which row of the batch an example is, where it is one: looked up once, not once an output.
      const zero = visits.mul(0);
      const times = scatterAdd(zero, indices, indices.mul(0).add(1));
      const places = scatterAdd(zero, indices, arange(indices.shape[0]!).astype("int32"));
      const once = equal(times, 1);
      const fresh = take(logits, where(once, places, 0), 0);
      const slot = arange(back).reshape([back, 1]);
      const here = logicalAnd(equal(mod(visits, back), slot), once);
      const kept = outputs.reshape([back, examples, classes]);
      return {
        outputs: where(expandDims(here, 2), expandDims(fresh, 0), kept).reshape([
          back * examples,
          classes,
        ]),
        visits: add(visits, once.astype("int32")),
      };
    };
    return { term, remember };
  };

  return <P, S, B, K, A>(
    gradFn: GradFn<P, S, B & IndexedBatch, K, A>,
  ): StatefulGradFn<SafState, P, S, B & IndexedBatch, K, WithInner<SafAux, A>> => ({
    init: () => ({
      outputs: full([back * examples, classes], 0, { dtype: "float32" }),
      visits: full([examples], 0, { dtype: "int32" }),
    }),
    apply: (sharpState, params, state, batch, key) => {
      checkBatch(batch);
      const { term, remember } = trajectoryOf(sharpState, batch);
      const { result, logits, trajectory } = withTerm(gradFn, [params, state, batch, key], term);
      return [sharpResult(result, result.grads, { trajectory }), remember(logits)];
    },
  });
}

function checkBatch(batch: unknown): void {
  const indices =
    typeof batch === "object" && batch !== null && "indices" in batch ? batch.indices : undefined;
  if (isTensor(indices) && indices.ndim === 1) return;
  throw new DawngradError(
    "saf: the batch has no indices; give { ..., indices } with the number of each training example, int32 [batch]",
  );
}

function logitsOf(result: { readonly logits?: Tensor }): Tensor {
  if (result.logits) return result.logits;
  throw new DawngradError(
    "saf: compares outputs with past ones; return { loss, state, logits } from the loss function",
  );
}

interface WithTerm<P, S, A> {
  /** Loss and state are the clean ones; the gradient has the term's added. */
  readonly result: GradResult<P, S, A>;
  readonly logits: Tensor;
  readonly trajectory: Tensor;
}

/** A gradient function's result with a term of its outputs added to what is differentiated. */
function withTerm<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  [params, state, batch, key]: readonly [P, S, B, K],
  term: (logits: Tensor) => Tensor,
): WithTerm<P, S, A> {
  const lossFn = lossFnOf(gradFn);
  if (lossFn) {
    const augmented = gradientOf((p: P, s: S, b: B, k: K) => {
      const clean = lossFn(p, s, b, k);
      const trajectory = term(logitsOf(clean));
      const aux = { loss: clean.loss, trajectory, inner: (clean.aux ?? null) as A };
      return { ...clean, loss: add(clean.loss, trajectory), aux };
    });
    const { aux, ...rest } = augmented(params, state, batch, key);
    const result = { ...rest, loss: aux.loss, aux: aux.inner };
    return { result, logits: logitsOf(rest), trajectory: aux.trajectory };
  }
  const result = gradFn(params, state, batch, key);
  const [logits, pullback] = vjp((p: P) => logitsOf(gradFn(p, state, batch, key)), params);
  const [trajectory, byLogits] = valueAndGrad(term)(logits);
  const grads = tree.add(result.grads, pullback(byLogits)[0] as P);
  return { result: { ...result, grads }, logits, trajectory };
}

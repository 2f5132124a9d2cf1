/** CR-SAM spelled out (cr-sam.ts) against the library's, on real batches before training starts. */
import { jit, type Tensor, tree } from "dawngrad";
import { type CrSamAux, crSam, gradientOf } from "dawngrad/optim";
import { crSamGradient } from "./cr-sam.js";
import type { Labelled } from "./images.js";
import { lossOf, type Model, type Params, type State } from "./model.js";
import type { Options } from "./options.js";

export interface Agreement {
  /** The largest difference in a layer's gradient, relative to the layer's largest entry. */
  readonly difference: number;
  /** What float32 rounding can explain. */
  readonly bound: number;
}

/**
 * Compares the two gradients at the initial weights. They compute the same in another order, so the
 * difference is rounding, unless a relu's input is so near 0 that rounding decides its sign: one
 * batch in hundreds. So the first batch that agrees settles it, and a wrong formula agrees on none.
 *
 * @throws Error when the two differ on every batch by more than rounding.
 */
export async function checkAgreement(
  model: Model,
  options: Options,
  params: Params,
  state: State,
  batches: readonly Labelled[],
  spelledOut = crSamGradient<Params, Labelled>,
): Promise<Agreement> {
  const loss = lossOf(model);
  const byHand = jit(spelledOut((p, batch) => loss(p, state, batch).loss, options));
  const library = jit((p: Params, batch: Labelled) => {
    const { grads, aux } = crSam(options)(gradientOf(loss))(p, state, batch, null);
    return { grads, aux };
  });
  let found: Agreement | undefined;
  for (const batch of batches) {
    const ours = byHand(params, batch);
    const { grads, aux } = library(params, batch);
    const difference = await largestDifference(ours, grads);
    const numbers = await readAll(aux);
    found = { difference, bound: roundingBound(numbers, params, batch, options) };
    if (difference <= found.bound) return found;
  }
  throw new Error(
    `CR-SAM spelled out differs from dawngrad/optim's crSam by ${found?.difference.toExponential(1)} ` +
      `(relative), more than the ${found?.bound.toExponential(1)} that float32 rounding explains: one of them is wrong`,
  );
}

/** The numbers of crSam's aux that the bound needs. */
export type Quantities = Readonly<
  Record<"L0" | "Lp" | "Lm" | "A" | "B" | "c0" | "cp" | "cm", number>
>;

async function readAll(aux: CrSamAux): Promise<Quantities> {
  const entries = Object.entries(aux).map(
    async ([name, x]: [string, Tensor]) => [name, await x.item()] as const,
  );
  return Object.fromEntries(await Promise.all(entries)) as Quantities;
}

async function largestDifference(a: Params, b: Params): Promise<number> {
  const [left, right] = [tree.leaves(a), tree.leaves(b)] as [Tensor[], Tensor[]];
  let largest = 0;
  for (const [i, x] of left.entries()) {
    const [xs, ys] = [await x.data(), await right[i]!.data()];
    let [difference, size] = [0, 0];
    xs.forEach((value, j) => {
      difference = Math.max(difference, Math.abs(value - ys[j]!));
      size = Math.max(size, Math.abs(ys[j]!));
      if (Number.isNaN(value) !== Number.isNaN(ys[j]!)) difference = Number.POSITIVE_INFINITY;
    });
    if (size > 0) largest = Math.max(largest, difference / size);
  }
  return largest;
}

const unit = 2 ** -23;

/**
 * A gradient is a chain of contractions. One over K terms is off by about √K units in the last place
 * of its terms' size, so a gradient by r = units·Σ√K, over the contractions of the forward and the
 * backward pass. The step adds three gradients, weighted c0, c₊, c₋. In the paper's form the weights
 * are themselves off: they are about α/x, x a difference of losses, so by α/x² of its rounding. A
 * factor of 4 covers that terms are larger than their sum where they cancel.
 */
export function roundingBound(
  q: Quantities,
  params: Params,
  batch: Labelled,
  { variant, alpha, beta, floor }: Pick<Options, "variant" | "alpha" | "beta" | "floor">,
): number {
  const rows = batch.y.size;
  const terms = params
    .map(({ weight }) => weight.shape)
    .flatMap(([ins, outs]) => [ins!, outs!, rows]);
  const r = unit * terms.reduce((total, K) => total + Math.sqrt(K), 0);
  const weights = Math.abs(q.c0) + Math.abs(q.cp) + Math.abs(q.cm);
  const losses = Math.abs(q.Lp) + Math.abs(q.Lm) + 2 * Math.abs(q.L0);
  const slopeError = (weight: number, x: number, least: number) =>
    weight * (losses / Math.max(Math.abs(x), least) ** 2);
  const inA = slopeError(alpha, q.A, floor.A);
  const inB = slopeError(beta, q.B, floor.B);
  return 4 * r * (weights + (variant === "paper" ? 4 * inA + 2 * inB : 0));
}

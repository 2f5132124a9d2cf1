/** Losses, one value for each example, and accuracy. */
import {
  abs,
  add,
  argmax,
  DtypeError,
  equal,
  exp,
  expandDims,
  greaterEqual,
  iota,
  less,
  lessEqual,
  log,
  logicalAnd,
  max,
  mean,
  mul,
  neg,
  ShapeError,
  softplus,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from "../src/index.js";
import { showShape } from "./layer.js";

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

const show = (x: Tensor): string => `${x.dtype}${showShape(x.shape)}`;

/** Are these labels class indices (as opposed to distributions)? Shapes are checked against logits. */
function areIndices(op: string, logits: Tensor, labels: Tensor): boolean {
  if (logits.dtype !== "float32") {
    throw new DtypeError(`${op}: logits are ${show(logits)}; they must be float32[..., classes]`);
  }
  if (logits.ndim < 1) {
    throw new ShapeError(`${op}: logits are a scalar; they must be float32[..., classes]`);
  }
  const indices = labels.dtype === "int32" || labels.dtype === "uint32";
  const want = indices ? logits.shape.slice(0, -1) : logits.shape;
  if (showShape(labels.shape) !== showShape(want)) {
    throw new ShapeError(
      `${op}: labels ${show(labels)} do not fit logits ${show(logits)}; give integer labels of shape ` +
        `${showShape(logits.shape.slice(0, -1))} or a distribution float32${showShape(logits.shape)}`,
    );
  }
  return indices;
}

/** Where the last axis is the label's class: a comparison, which fuses where a gather would not. */
const isClass = (logits: Tensor, labels: Tensor): Tensor =>
  equal(iota(logits.shape, logits.ndim - 1, { dtype: labels.dtype }), expandDims(labels, -1));

/**
 * −Σ target·log softmax(logits) for each example: [..., classes] to [...]. `labels` are class
 * indices [...] (int32 or uint32) or distributions [..., classes]. Stable for any finite logits. A
 * label out of range gives NaN.
 *
 * @throws ShapeError when labels and logits do not fit.
 *
 * ```ts
 * const loss = softmaxCrossEntropy(array([[0, 0]]), array([1], { dtype: "int32" }));
 * await loss.toArray(); // [0.6931472]
 * ```
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0 }: CrossEntropyOptions = {},
): Tensor {
  const op = "softmaxCrossEntropy";
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ShapeError(`${op}: labelSmoothing is ${labelSmoothing}; give a number from 0 to 1`);
  }
  const indices = areIndices(op, logits, labels);
  const shifted = sub(logits, stopGradient(max(logits, -1, { keepdims: true })));
  const logSum = log(sum(exp(shifted), -1));
  const uniform = labelSmoothing === 0 ? null : sub(logSum, mean(shifted, -1));
  let hard: Tensor;
  if (indices) {
    const target = isClass(logits, labels);
    const picked = sub(logSum, sum(where(target, shifted, 0), -1));
    const valid = logicalAnd(greaterEqual(labels, 0), less(labels, logits.shape.at(-1)!));
    hard = where(valid, picked, Number.NaN);
  } else {
    // Σp·(logSum − shifted): the weights need not add up to 1.
    hard = sum(mul(labels, sub(expandDims(logSum, -1), shifted)), -1);
  }
  return uniform === null ? hard : add(mul(hard, 1 - labelSmoothing), mul(uniform, labelSmoothing));
}

function sameShape(op: string, a: Tensor, b: Tensor): void {
  if (showShape(a.shape) !== showShape(b.shape)) {
    throw new ShapeError(
      `${op}: predictions ${show(a)} and targets ${show(b)} must have the same shape; reshape one, so ` +
        "that nothing is broadcast by accident",
    );
  }
}

/** The mean over all axes but the first. */
const perExample = (x: Tensor): Tensor =>
  x.ndim <= 1
    ? x
    : mean(
        x,
        Array.from({ length: x.ndim - 1 }, (_, i) => i + 1),
      );

/**
 * −y·log σ(x) − (1 − y)·log(1 − σ(x)), the mean over all axes but the first: [batch, ...] to
 * [batch]. Labels are 0, 1 or between. Stable for any logits.
 *
 * ```ts
 * await sigmoidBinaryCrossEntropy(array([0, 100]), array([1, 1])).toArray(); // [0.6931472, 0]
 * ```
 */
export function sigmoidBinaryCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  sameShape("sigmoidBinaryCrossEntropy", logits, labels);
  const y = labels.dtype === "float32" ? labels : labels.astype("float32");
  const positive = mul(y, softplus(neg(logits)));
  const negative = mul(sub(1, y), softplus(logits));
  return perExample(add(positive, negative));
}

/**
 * The squared error, the mean over all axes but the first: [batch, ...] to [batch].
 *
 * ```ts
 * await mse(array([[1, 2], [0, 0]]), array([[0, 0], [0, 2]])).toArray(); // [2.5, 2]
 * ```
 */
export function mse(predictions: Tensor, targets: Tensor): Tensor {
  sameShape("mse", predictions, targets);
  return perExample(square(sub(predictions, targets)));
}

/** The absolute error, the mean over all axes but the first: [batch, ...] to [batch]. */
export function l1(predictions: Tensor, targets: Tensor): Tensor {
  sameShape("l1", predictions, targets);
  return perExample(abs(sub(predictions, targets)));
}

/** ½e² where |e| <= delta and delta·(|e| − ½delta) beyond (Huber 1964), the mean per example. */
export function huber(
  predictions: Tensor,
  targets: Tensor,
  { delta = 1 }: { readonly delta?: number } = {},
): Tensor {
  sameShape("huber", predictions, targets);
  const e = sub(predictions, targets);
  const size = abs(e);
  const inside = mul(square(e), 0.5);
  return perExample(where(lessEqual(size, delta), inside, size.sub(0.5 * delta).mul(delta)));
}

/**
 * Share of examples whose largest logit is the label's, a float32 scalar. Labels are class indices
 * or distributions, as in softmaxCrossEntropy.
 *
 * ```ts
 * const labels = array([1, 0], { dtype: "int32" });
 * await accuracy(array([[0, 1], [0, 1]]), labels).item(); // 0.5
 * ```
 */
export function accuracy(logits: Tensor, labels: Tensor): Tensor {
  const target = areIndices("accuracy", logits, labels) ? labels : argmax(labels, -1);
  return mean(equal(argmax(logits, -1), target).astype("float32"));
}

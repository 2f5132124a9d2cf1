/** Random trees in the structure of the parameters. */
import {
  DawngradError,
  isTensor,
  norm,
  random,
  type Shape,
  type Tensor,
  tree,
} from "../../src/index.js";
import { mapTrees } from "../trees.js";

/**
 * foldIn of the step's key for what members draw: dropout keeps the key itself. One salt for each
 * purpose, so that members in one step do not share numbers.
 */
export const salts = {
  direction: 0x5d1ec7,
  smoothing: 0x5300,
  weights: 0xe5a1,
  mask: 0x55a1,
} as const;

/** The step's key, for a member that draws. */
export function stepKey(op: string, what: string, key: unknown): Tensor {
  if (isTensor(key)) return key;
  throw new DawngradError(
    `${op}: ${what} draws from the step's key, but the key is ${key === null ? "null" : typeof key}; ` +
      "call the gradient function with a random.key(...) of this step",
  );
}

/** `draw` for each leaf, with a key of its own. */
export function randomTree<P>(
  params: P,
  key: Tensor,
  draw: (key: Tensor, shape: Shape) => Tensor,
): P {
  const [leaves, def] = tree.flatten(params);
  return def.unflatten(
    (leaves as Tensor[]).map((w, i) => draw(random.foldIn(key, i), w.shape)),
  ) as P;
}

/** Standard normal or ±1 entries. */
export const randomDirection = <P>(params: P, key: Tensor, kind: "normal" | "rademacher"): P =>
  randomTree(params, key, (k, shape) =>
    kind === "normal" ? random.normal(k, shape) : random.rademacher(k, shape, { dtype: "float32" }),
  );

/**
 * The norm of each filter, broadcastable to its leaf: the weights into one output unit (the last axis
 * counts outputs, in dense [in, out] and in conv HWIO). Vectors and scalars are one filter.
 */
export const filterNorms = <P>(params: P): P =>
  mapTrees<P>(
    (w) =>
      w.ndim < 2
        ? norm(w)
        : norm(w, { axis: Array.from({ length: w.ndim - 1 }, (_, a) => a), keepdims: true }),
    params,
  );

/**
 * Trees: nested arrays and plain objects of tensors, such as parameters and gradients, and arithmetic
 * on whole trees. `null` and `undefined` are empty; instances of classes are leaves unless registered.
 */
import { type Shape, showAval, showShape, sizeOf } from "../core/aval.js";
import { type DType, isFloat, promoteDtypes } from "../core/dtype.js";
import { DtypeError, ShapeError } from "../core/errors.js";
import {
  type CustomNode,
  flattenSame,
  flatten as flattenTree,
  register as registerNode,
  TreeDef,
} from "../core/tree.js";
import { isTensor, type Tensor, type TensorLike } from "../trace/tensor.js";
import { isTensorLike } from "./arguments.js";
import { asOneProgram } from "./jacobian.js";
import {
  add as addTensors,
  astype,
  concatenate,
  equal,
  full,
  mul as mulTensors,
  neg,
  onesLike as onesOf,
  reshape,
  slice,
  sqrt,
  stack as stackTensors,
  sub as subTensors,
  sum,
  unstack as unstackTensor,
  vdot,
  where,
  zerosLike as zerosOf,
} from "./ops/index.js";

export { TreeDef };

/** What a function on leaves sees: tensors, numbers, or whatever leaf type the tree has. */
export type LeafOf<T> = T extends
  | Tensor
  | number
  | boolean
  | string
  | ((...args: never[]) => unknown)
  ? T
  : T extends null | undefined
    ? never
    : T extends readonly (infer E)[]
      ? LeafOf<E>
      : T extends object
        ? LeafOf<T[keyof T]>
        : T;

/** The tree `T` with every leaf replaced by `R`. */
export type MapLeaves<T, R> = T extends
  | Tensor
  | number
  | boolean
  | string
  | ((...args: never[]) => unknown)
  ? R
  : T extends null | undefined
    ? T
    : T extends object
      ? { [K in keyof T]: MapLeaves<T[K], R> }
      : R;

/**
 * Apply a function to corresponding leaves of trees of the same structure (jax.tree.map). When the
 * function gives leaves of the same type, the result has the type of the first tree.
 *
 * @throws ShapeError that names the first leaf where structures differ.
 *
 * ```ts
 * const doubled = tree.map((x) => x.mul(2), { w: array([1, 2]) });
 * await doubled.w.toArray(); // [2, 4]
 * ```
 */
export function map<T>(
  f: (...leaves: [LeafOf<T>, ...LeafOf<T>[]]) => LeafOf<T>,
  first: T,
  ...rest: readonly T[]
): T;
export function map<T, R>(
  f: (...leaves: [LeafOf<T>, ...LeafOf<T>[]]) => R,
  first: T,
  ...rest: readonly T[]
): MapLeaves<T, R>;
export function map(f: (...leaves: never[]) => unknown, ...trees: readonly unknown[]): unknown {
  const [lists, def] = flattenSame("tree.map", trees);
  return def.unflatten(lists[0]!.map((_, i) => f(...(lists.map((l) => l[i]) as never[]))));
}

/**
 * The leaves in order: object keys sorted, arrays as they are (jax.tree.leaves).
 *
 * ```ts
 * tree.leaves({ b: [2, 3], a: 1 }); // [1, 2, 3]
 * ```
 */
export const leaves = <T>(tree: T): LeafOf<T>[] => flattenTree(tree)[0] as LeafOf<T>[];

/**
 * What a tree is without its leaves (jax.tree.structure).
 *
 * ```ts
 * tree.structure([1, { a: 2 }]).size; // 2
 * ```
 */
export const structure = (tree: unknown): TreeDef => flattenTree(tree)[1];

/**
 * Leaves and structure (jax.tree.flatten).
 *
 * ```ts
 * const [list, def] = tree.flatten({ a: 1, b: 2 });
 * list; // [1, 2]
 * ```
 */
export const flatten = <T>(tree: T): [leaves: LeafOf<T>[], def: TreeDef] =>
  flattenTree(tree) as [LeafOf<T>[], TreeDef];

/**
 * A tree from a structure and leaves (jax.tree.unflatten).
 *
 * ```ts
 * tree.unflatten(tree.structure({ a: 0, b: 0 }), [1, 2]); // {"a": 1, "b": 2}
 * ```
 */
export const unflatten = (def: TreeDef, leaves: readonly unknown[]): unknown =>
  def.unflatten(leaves);

/**
 * One tree whose leaves are lists of the corresponding leaves of several.
 *
 * ```ts
 * tree.zip({ a: 1 }, { a: 2 }); // {"a": [1, 2]}
 * ```
 */
export function zip<T>(first: T, ...rest: readonly T[]): MapLeaves<T, LeafOf<T>[]> {
  const [lists, def] = flattenSame("tree.zip", [first, ...rest]);
  return def.unflatten(lists[0]!.map((_, i) => lists.map((l) => l[i]))) as MapLeaves<
    T,
    LeafOf<T>[]
  >;
}

/**
 * Make instances of a class inner nodes of trees (jax.tree_util.register_pytree_node): say which
 * children it has and how to build it from them. `aux` is static and must be comparable as JSON.
 *
 * ```ts
 * class Pair {
 *   a: unknown;
 *   b: unknown;
 *   constructor(a: unknown, b: unknown) {
 *     this.a = a;
 *     this.b = b;
 *   }
 * }
 * tree.register(Pair, {
 *   flatten: (p) => ({ children: [p.a, p.b] }),
 *   unflatten: (_, [a, b]) => new Pair(a, b),
 * });
 * tree.leaves(new Pair(1, 2)); // [1, 2]
 * ```
 */
export const register = <T>(
  type: abstract new (...args: never[]) => T,
  node: CustomNode<T>,
): void => registerNode(type, node);

/**
 * Fold the leaves from the first to the last (jax.tree.reduce).
 *
 * ```ts
 * tree.reduce((total, x) => total + x, { a: 1, b: [2, 3] }, 0); // 6
 * ```
 */
export const reduce = <T, R>(f: (total: R, leaf: LeafOf<T>) => R, tree: T, initial: R): R =>
  leaves(tree).reduce(f, initial);

/**
 * Whether all leaves pass a test; without one, whether all are truthy (jax.tree.all).
 *
 * ```ts
 * tree.all({ a: true, b: [true] }); // true
 * ```
 */
export const all = <T>(tree: T, test: (leaf: LeafOf<T>) => boolean = Boolean): boolean =>
  leaves(tree).every(test);

/**
 * How many elements all leaves have together.
 *
 * ```ts
 * tree.size({ w: zeros([2, 3]), b: zeros([3]) }); // 9
 * ```
 */
export const size = (tree: unknown): number =>
  flattenTree(tree)[0].reduce((n: number, x) => n + (isTensor(x) ? x.size : 1), 0);

/** Leaves as tensors or numbers, or an error with the key path. */
function tensorLeaves(op: string, tree: unknown): { list: TensorLike[]; def: TreeDef } {
  const [raw, def] = flattenTree(tree);
  raw.forEach((x, i) => {
    if (!isTensorLike(x)) {
      throw new DtypeError(
        `${op}: the leaf at "${def.paths()[i] || "(root)"}" is a ${typeof x}; it works on tensors and numbers`,
      );
    }
  });
  return { list: raw as TensorLike[], def };
}

/** Apply a tensor operation to corresponding leaves, all in one program. */
function tensorMap<T>(
  op: string,
  trees: readonly unknown[],
  f: (...leaves: TensorLike[]) => Tensor,
): T {
  for (const t of trees) tensorLeaves(op, t);
  const [lists, def] = flattenSame(op, trees);
  if (lists[0]!.length === 0) return trees[0] as T;
  const outs = asOneProgram(
    op,
    (all: TensorLike[][]) => all[0]!.map((_, i) => f(...all.map((l) => l[i]!))),
    [lists as TensorLike[][]],
  );
  return def.unflatten(outs) as T;
}

/**
 * Sum of two trees, leaf by leaf.
 *
 * ```ts
 * await tree.add({ a: array([1]) }, { a: array([2]) }).a.toArray(); // [3]
 * ```
 */
export const add = <T>(a: T, b: NoInfer<T>): T => tensorMap("tree.add", [a, b], addTensors);

/**
 * Difference of two trees, leaf by leaf.
 *
 * ```ts
 * await tree.sub([array(3)], [array(1)])[0].item(); // 2
 * ```
 */
export const sub = <T>(a: T, b: NoInfer<T>): T => tensorMap("tree.sub", [a, b], subTensors);

/** Run with a scalar beside the trees: a number or tensor that every leaf is combined with. */
function withScalar<T>(
  op: string,
  scalar: TensorLike,
  trees: readonly unknown[],
  f: (s: TensorLike, ...leaves: TensorLike[]) => Tensor,
): T {
  for (const t of trees) tensorLeaves(op, t);
  const [lists, def] = flattenSame(op, trees);
  if (lists[0]!.length === 0) return trees[0] as T;
  const outs = asOneProgram(
    op,
    (s: TensorLike, all: TensorLike[][]) => all[0]!.map((_, i) => f(s, ...all.map((l) => l[i]!))),
    [scalar, lists as TensorLike[][]],
  );
  return def.unflatten(outs) as T;
}

/**
 * Product of two trees, leaf by leaf; for a tree times a number see `scale`.
 *
 * ```ts
 * await tree.mul([array([1, 2])], [array([3, 4])])[0].toArray(); // [3, 8]
 * ```
 */
export const mul = <T>(a: T, b: NoInfer<T>): T => tensorMap("tree.mul", [a, b], mulTensors);

/**
 * A tree times a scalar.
 *
 * ```ts
 * await tree.scale([array([1, 2])], 10)[0].toArray(); // [10, 20]
 * ```
 */
export const scale = <T>(tree: T, by: TensorLike): T =>
  withScalar("tree.scale", by, [tree], (s, x) => mulTensors(x!, s));

/**
 * a·x + y on trees: one fused step along a direction.
 *
 * ```ts
 * await tree.axpy(2, [array([1, 2])], [array([10, 20])])[0].toArray(); // [12, 24]
 * ```
 */
export const axpy = <T>(a: TensorLike, x: T, y: NoInfer<T>): T =>
  withScalar("tree.axpy", a, [x, y], (s, u, v) => addTensors(mulTensors(u!, s), v!));

/**
 * A tree with every sign turned.
 *
 * ```ts
 * await tree.negate([array([1, -2])])[0].toArray(); // [-1, 2]
 * ```
 */
export const negate = <T>(tree: T): T => tensorMap("tree.negate", [tree], neg);

/**
 * Inner product of two trees: a float32 scalar.
 *
 * ```ts
 * await tree.dot([array([1, 2])], [array([3, 4])]).item(); // 11
 * ```
 */
export function dot<T>(a: T, b: NoInfer<T>): Tensor {
  for (const t of [a, b]) tensorLeaves("tree.dot", t);
  const [[xs, ys]] = flattenSame("tree.dot", [a, b]) as unknown as [[TensorLike[], TensorLike[]]];
  if (xs.length === 0) return full([], 0);
  return asOneProgram(
    "tree.dot",
    (p: TensorLike[], q: TensorLike[]) =>
      p.map((x, i) => astype(vdot(x, q[i]!), "float32")).reduce(addTensors),
    [xs, ys],
  );
}

/**
 * Euclidean norm of a tree as one long vector (optax.global_norm): a float32 scalar. Its gradient at 0
 * is 0.
 *
 * ```ts
 * await tree.norm({ a: array([3]), b: array([[4]]) }).item(); // 5
 * ```
 */
export function norm(tree: unknown): Tensor {
  const { list } = tensorLeaves("tree.norm", tree);
  if (list.length === 0) return full([], 0);
  return asOneProgram(
    "tree.norm",
    (xs: TensorLike[]) => safeRoot(xs.map(squares).reduce(addTensors)),
    [list],
  );
}

const squares = (x: TensorLike): Tensor => {
  const f = astype(x, "float32");
  return sum(mulTensors(f, f));
};

/** √s with derivative 0 at 0. */
const safeRoot = (s: Tensor): Tensor => {
  const zero = equal(s, 0);
  return where(zero, 0, sqrt(where(zero, 1, s)));
};

/**
 * Zeros in the shapes and dtypes of a tree.
 *
 * ```ts
 * await tree.zerosLike({ a: array([1, 2]) }).a.toArray(); // [0, 0]
 * ```
 */
export const zerosLike = <T>(tree: T): T => tensorMap("tree.zerosLike", [tree], (x) => zerosOf(x));

/**
 * Ones in the shapes and dtypes of a tree.
 *
 * ```ts
 * await tree.onesLike({ a: array([1, 2]) }).a.toArray(); // [1, 1]
 * ```
 */
export const onesLike = <T>(tree: T): T => tensorMap("tree.onesLike", [tree], (x) => onesOf(x));

/**
 * Every leaf converted to a dtype; with `from`, only leaves of that dtype.
 *
 * ```ts
 * tree.cast({ a: array([1, 2]) }, "int32").a.dtype; // "int32"
 * ```
 */
export const cast = <T>(tree: T, dtype: DType, from?: DType): T =>
  tensorMap("tree.cast", [tree], (x) =>
    astype(x, from === undefined || (isTensor(x) && x.dtype === from) ? dtype : dtypeOf(x)),
  );

const dtypeOf = (x: TensorLike): DType =>
  isTensor(x) ? x.dtype : typeof x === "boolean" ? "bool" : "float32";

/**
 * Trees side by side: every leaf gains a leading axis, ready for vmap.
 *
 * ```ts
 * await tree.stack([{ a: array([1]) }, { a: array([2]) }]).a.toArray(); // [[1], [2]]
 * ```
 */
export function stack<T>(trees: readonly T[], axis = 0): T {
  if (trees.length === 0) throw new ShapeError("tree.stack: needs at least one tree");
  return tensorMap("tree.stack", trees, (...xs) => stackTensors(xs, axis));
}

/**
 * The trees along a leading axis of every leaf: the inverse of `stack`.
 *
 * ```ts
 * const [, second] = tree.unstack({ a: array([1, 2]) });
 * await second!.a.item(); // 2
 * ```
 */
export function unstack<T>(tree: T, axis = 0): T[] {
  const { list, def } = tensorLeaves("tree.unstack", tree);
  if (list.length === 0)
    throw new ShapeError("tree.unstack: the tree has no leaves to count lanes");
  const lanes = list.map((x, i) => {
    const shape: Shape = isTensor(x) ? x.shape : [];
    const n = shape.at(axis);
    if (n === undefined) {
      throw new ShapeError(
        `tree.unstack: the leaf at "${def.paths()[i] || "(root)"}" has shape ${showShape(shape)}, which has no axis ${axis}`,
      );
    }
    return n;
  });
  const other = lanes.findIndex((n) => n !== lanes[0]);
  if (other > 0) {
    throw new ShapeError(
      `tree.unstack: axis ${axis} has size ${lanes[0]} at "${def.paths()[0] || "(root)"}" but ${lanes[other]} ` +
        `at "${def.paths()[other]}"`,
    );
  }
  const columns = asOneProgram(
    "tree.unstack",
    (xs: TensorLike[]) => xs.map((x) => unstackTensor(x, axis)),
    [list],
  );
  return Array.from({ length: lanes[0]! }, (_, k) =>
    def.unflatten(columns.map((c) => c[k]!)),
  ) as T[];
}

/**
 * The whole tree as one vector, and the function that turns such a vector back into a tree
 * (jax.flatten_util.ravel_pytree). Leaves are converted to their common dtype, and back.
 *
 * ```ts
 * const [flat, restore] = tree.ravel({ a: array([1, 2]), b: array([[3]]) });
 * await flat.toArray(); // [1, 2, 3]
 * await restore(flat.mul(2)).b.toArray(); // [[6]]
 * ```
 */
export function ravel<T>(tree: T): [flat: Tensor, restore: (flat: Tensor) => T] {
  const { list, def } = tensorLeaves("tree.ravel", tree);
  const shapes = list.map((x): Shape => (isTensor(x) ? x.shape : []));
  const dtypes = list.map(dtypeOf);
  const dtype = dtypes.length > 0 ? dtypes.reduce(promoteDtypes) : "float32";
  const total = shapes.reduce((n, s) => n + sizeOf(s), 0);
  const flat =
    list.length === 0
      ? full([0], 0)
      : asOneProgram(
          "tree.ravel",
          (xs: TensorLike[]) => concatenate(xs.map((x) => reshape(astype(x, dtype), [-1]))),
          [list],
        );
  const restore = (v: Tensor): T => {
    if (v.ndim !== 1 || v.size !== total) {
      throw new ShapeError(
        `tree.ravel's restore: ${showAval(v.aval)} should be a vector of ${total} elements`,
      );
    }
    if (list.length === 0) return tree;
    const outs = asOneProgram(
      "tree.restore",
      (x: Tensor) => {
        let from = 0;
        return shapes.map((shape, i) => {
          const to = from + sizeOf(shape);
          const piece = reshape(slice(x, [from], [to]), shape);
          from = to;
          // A float tangent or gradient stays float where the leaf was float.
          return isFloat(dtypes[i]!) && isFloat(x.dtype) ? piece : astype(piece, dtypes[i]!);
        });
      },
      [v],
    );
    return def.unflatten(outs) as T;
  };
  return [flat, restore];
}

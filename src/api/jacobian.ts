/** Jacobians, Hessians and Hessian-vector products, composed from jvp, vjp and vmap. */
import { showAval, sizeOf } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { DtypeError, ShapeError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import type { Tensor, TensorLike } from "../trace/tensor.js";
import { applyGraph } from "../trace/trace.js";
import {
  type AnyFunction,
  argnumList,
  asTensor,
  labelOf,
  requireFunction,
  traceCall,
} from "./arguments.js";
import { type GradOf, grad, jvp, vjp, withName } from "./autodiff.js";
import { eye } from "./ops/creation.js";
import { reshape, slice } from "./ops/shape.js";
import { vmap } from "./vmap.js";

/** The derivative of a tree of outputs by a tree of inputs: at each output leaf, the inputs' tree. */
export type JacobianOf<Out, In> = Out extends Tensor | number
  ? In
  : Out extends object
    ? { [K in keyof Out]: JacobianOf<Out[K], In> }
    : Out;

export interface JacobianOptions<
  N extends number | readonly number[] = number | readonly number[],
> {
  /** Which arguments to differentiate with respect to: a number or a list. Default 0. */
  readonly argnums?: N;
}

/** Trace `f` as one graph and apply it: run at once outside a trace. */
export function asOneProgram<A extends readonly unknown[], R>(
  label: string,
  f: (...args: A) => R,
  args: A,
): R {
  const call = traceCall(label, withName(label, f as unknown as AnyFunction), args);
  const outs = applyGraph(call.graph, call.inputs, label, call.outWeak);
  return call.outDef.unflatten(outs) as R;
}

interface Leaves {
  readonly leaves: readonly Tensor[];
  readonly sizes: readonly number[];
  readonly total: number;
  unflatten(leaves: readonly unknown[]): unknown;
}

function floatLeaves(op: string, tree: unknown): Leaves {
  const [raw, def] = flatten(tree);
  const leaves = raw.map((x, i) => {
    const t = asTensor(x as TensorLike);
    if (!isFloat(t.dtype)) {
      throw new DtypeError(
        `${op}: the leaf at "${def.paths()[i] || "(root)"}" is ${showAval(t.aval)}, and only float32 ` +
          'has derivatives; convert it with astype("float32")',
      );
    }
    return t;
  });
  const sizes = leaves.map((x) => sizeOf(x.shape));
  return {
    leaves,
    sizes,
    total: sizes.reduce((a, b) => a + b, 0),
    unflatten: (list) => def.unflatten(list),
  };
}

/** The standard basis of a tree: each leaf gains a leading axis over all elements of the tree. */
function basis(tree: Leaves): unknown {
  const identity = eye(tree.total);
  let from = 0;
  return tree.unflatten(
    tree.leaves.map((x, i) => {
      const n = tree.sizes[i]!;
      const block = slice(identity, [0, from], [tree.total, from + n]);
      from += n;
      return reshape(block, [tree.total, ...x.shape]);
    }),
  );
}

/** Split an axis that runs over all elements of a tree into one piece a leaf. */
function splitBasis(x: Tensor, tree: Leaves, at: "first" | "last"): unknown {
  let from = 0;
  return tree.unflatten(
    tree.leaves.map((leaf, i) => {
      const n = tree.sizes[i]!;
      const axis = at === "first" ? 0 : x.ndim - 1;
      const start = x.shape.map((_, d) => (d === axis ? from : 0));
      const limit = x.shape.map((size, d) => (d === axis ? from + n : size));
      from += n;
      const rest = x.shape.filter((_, d) => d !== axis);
      const shape = at === "first" ? [...leaf.shape, ...rest] : [...rest, ...leaf.shape];
      return reshape(slice(x, start, limit), shape);
    }),
  );
}

const mapLeaves = (tree: unknown, f: (x: Tensor) => unknown): unknown => {
  const [leaves, def] = flatten(tree);
  return def.unflatten(leaves.map((x) => f(x as Tensor)));
};

/** A call as a function of the arguments that it is differentiated by: one, or a list of several. */
function byArgnums<A extends readonly unknown[], R>(
  op: string,
  f: (...args: A) => R,
  args: A,
  argnums: number | readonly number[],
): { readonly at: unknown; readonly f: (at: unknown) => R } {
  const list = argnumList(op, argnums, args.length);
  const one = typeof argnums === "number";
  return {
    at: one ? args[list[0]!] : list.map((n) => args[n]),
    f(at) {
      const all: unknown[] = [...args];
      list.forEach((n, i) => {
        all[n] = one ? at : (at as readonly unknown[])[i];
      });
      return f(...(all as unknown as A));
    },
  };
}

/**
 * The Jacobian by forward mode, one pass for each input element, all in one vmap (jax.jacfwd).
 * Each leaf has the shape `[...output, ...input]`; trees nest as in JAX: at each leaf of the output, the
 * argument's tree, or for a list of `argnums` a list of the arguments' trees.
 *
 * ```ts
 * const J = jacfwd((x: Tensor) => x.mul(x))(array([1, 2]));
 * await J.toArray(); // [[2, 0], [0, 4]]
 * const [dx, dy] = jacfwd((x: Tensor, y: Tensor) => x.mul(y), { argnums: [0, 1] })(array(2), array(3));
 * await dy.item(); // 2
 * ```
 */
export function jacfwd<
  A extends readonly unknown[],
  R,
  const N extends number | readonly number[] = 0,
>(
  f: (...args: A) => R,
  options: JacobianOptions<N> = {},
): (...args: A) => JacobianOf<R, GradOf<A, N>> {
  requireFunction("jacfwd", f);
  const run = (...args: A): unknown => {
    const call = byArgnums("jacfwd", f, args, options.argnums ?? 0);
    const tree = floatLeaves("jacfwd", call.at);
    const push = (t: unknown): unknown => jvp(call.f, [call.at], [t])[1];
    const columns = vmap(push, 0, -1)(basis(tree));
    return mapLeaves(columns, (x) => splitBasis(x, tree, "last"));
  };
  const label = `jacfwd(${labelOf(f as unknown as AnyFunction)})`;
  return ((...args: A) => asOneProgram(label, run, args)) as (
    ...args: A
  ) => JacobianOf<R, GradOf<A, N>>;
}

/**
 * The Jacobian by reverse mode, one pullback for each output element, all in one vmap
 * (jax.jacrev). Same result as `jacfwd`; cheaper where outputs are fewer than inputs.
 *
 * ```ts
 * const J = jacrev((x: Tensor) => x.mul(x))(array([1, 2]));
 * await J.toArray(); // [[2, 0], [0, 4]]
 * ```
 */
export function jacrev<
  A extends readonly unknown[],
  R,
  const N extends number | readonly number[] = 0,
>(
  f: (...args: A) => R,
  options: JacobianOptions<N> = {},
): (...args: A) => JacobianOf<R, GradOf<A, N>> {
  requireFunction("jacrev", f);
  const run = (...args: A): unknown => {
    const call = byArgnums("jacrev", f, args, options.argnums ?? 0);
    const input = floatLeaves("jacrev", call.at);
    const [out, pullback] = vjp(call.f, call.at);
    const outputs = floatLeaves("jacrev", out);
    const rows = vmap((ct: unknown) => pullback(ct as R)[0], 0, 0)(basis(outputs));
    const [rowLeaves] = flatten(rows);
    // rowLeaves[j]: [all outputs, ...input j]; wanted: per output leaf, a tree of inputs.
    const perInput = rowLeaves.map((x) => flatten(splitBasis(x as Tensor, outputs, "first"))[0]);
    return outputs.unflatten(
      outputs.leaves.map((_, i) => input.unflatten(perInput.map((list) => list[i]))),
    );
  };
  const label = `jacrev(${labelOf(f as unknown as AnyFunction)})`;
  return ((...args: A) => asOneProgram(label, run, args)) as (
    ...args: A
  ) => JacobianOf<R, GradOf<A, N>>;
}

/**
 * The Hessian of a scalar function (jax.hessian), forward over reverse. For trees: at each leaf of
 * the argument, the argument's tree.
 *
 * ```ts
 * const H = hessian((x: Tensor) => x.mul(x).mul(x).sum())(array([1, 2]));
 * await H.toArray(); // [[6, 0], [0, 12]]
 * ```
 */
export function hessian<
  A extends readonly unknown[],
  const N extends number | readonly number[] = 0,
>(
  f: (...args: A) => TensorLike,
  options: JacobianOptions<N> = {},
): (...args: A) => JacobianOf<GradOf<A, N>, GradOf<A, N>> {
  requireFunction("hessian", f);
  const inner = withName(
    `hessian(${labelOf(f as unknown as AnyFunction)})`,
    jacrev(f, options) as unknown as AnyFunction,
  );
  return jacfwd(inner as unknown as (...args: A) => GradOf<A, N>, options);
}

/**
 * Hessian-vector product of a scalar function of all its arguments: lists in, a list out. Forward
 * over reverse: about the cost of two gradients, no Hessian is formed.
 *
 * ```ts
 * const [Hv] = hvp((x: Tensor) => x.mul(x).mul(x).sum(), [array([1, 2])], [array([1, 1])]);
 * await Hv.toArray(); // [6, 12]
 * ```
 */
export function hvp<A extends readonly unknown[]>(
  f: (...args: A) => TensorLike,
  primals: A,
  tangents: { readonly [K in keyof A]: A[K] | null },
): A {
  requireFunction("hvp", f);
  for (const [noun, list] of [
    ["primals", primals],
    ["tangents", tangents],
  ] as const) {
    if (Array.isArray(list)) continue;
    throw new ShapeError(
      `hvp: the ${noun} of '${labelOf(f as unknown as AnyFunction)}' must be a list, one entry an ` +
        "argument; write [x] for one",
    );
  }
  const argnums = primals.map((_, i) => i);
  const gradient = (...args: A): A =>
    grad(f as (...args: A) => TensorLike, { argnums })(...args) as unknown as A;
  const label = `hvp(${labelOf(f as unknown as AnyFunction)})`;
  return asOneProgram(
    label,
    (p: A, t: { readonly [K in keyof A]: A[K] | null }) => jvp(gradient, p, t)[1],
    [primals, tangents],
  ) as A;
}

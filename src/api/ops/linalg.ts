/** Products of vectors, matrices and stacks of them, by numpy's rules. */
import { broadcastShapes, normalizeAxis, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asBool, asNumber, isBool } from "./atoms.js";
import { contractPair, type Labelled, ordered } from "./contract.js";
import { promote } from "./promote.js";

/** A product of two operands of a common dtype. Booleans multiply and add as `and` and `or`. */
export function productOf(
  name: string,
  x: TensorLike,
  y: TensorLike,
  f: (a: Atom, b: Atom) => Atom,
): Tensor {
  return operation(name, (trace) => {
    const [a, b] = promote([x, y], trace).atoms as [Atom, Atom];
    if (!isBool(a)) return tracerOf(trace, f(a, b));
    return tracerOf(trace, asBool(f(asNumber(a), asNumber(b))));
  });
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function mismatch(op: string, a: Atom, b: Atom, why: string): ShapeError {
  return new ShapeError(`${op}: ${showAval(a.aval)} and ${showAval(b.aval)}: ${why}`);
}

/** matmul on atoms of one dtype. */
export function matmulAtoms(op: string, a: Atom, b: Atom): Atom {
  const [s, t] = [a.aval.shape, b.aval.shape];
  if (s.length === 0 || t.length === 0) {
    throw mismatch(op, a, b, "a scalar is no matrix; use mul");
  }
  const inner = t.length === 1 ? t[0]! : t[t.length - 2]!;
  if (s[s.length - 1] !== inner) {
    throw mismatch(
      op,
      a,
      b,
      `the last axis of the first (${s[s.length - 1]}) and the ` +
        `${t.length === 1 ? "only" : "second to last"} axis of the second (${inner}) must be equal; ` +
        "transpose or reshape one of them",
    );
  }
  const stackA = s.slice(0, -2);
  const stackB = t.slice(0, -2);
  const stack = broadcastShapes(op, stackA, stackB);
  // Stack axis i is named by its distance from the end; where one operand does not vary it is the
  // other's free axis, so nothing is ever repeated in memory.
  const named = (x: Atom, own: readonly number[], matrix: readonly string[]): Labelled => {
    const offset = stack.length - own.length;
    const varies = own.map((n, i) => n === stack[offset + i] && n !== 1);
    const shape = [...own.filter((_, i) => varies[i]), ...x.aval.shape.slice(own.length)];
    const labels = own.flatMap((_, i) => (varies[i] ? [String(offset + i)] : []));
    return { atom: prims.reshape(x, shape), labels: [...labels, ...matrix] };
  };
  const rows = s.length === 1 ? [] : ["row"];
  const columns = t.length === 1 ? [] : ["column"];
  const left = named(a, stackA, [...rows, "k"]);
  const right = named(b, stackB, ["k", ...columns]);
  const lead = stack.flatMap((_, i) =>
    left.labels.includes(String(i)) || right.labels.includes(String(i)) ? [String(i)] : [],
  );
  const out = [...lead, ...rows, ...columns];
  const product = ordered(contractPair(left, right, out), out);
  const shape = [
    ...stack,
    ...(rows.length > 0 ? [s[s.length - 2]!] : []),
    ...(columns.length > 0 ? [t[t.length - 1]!] : []),
  ];
  return prims.reshape(product, shape);
}

/**
 * Matrix product (numpy.matmul): the last axis of `x` with the second to last of `y`; leading axes are
 * stacks, broadcast together; a vector counts as a row on the left and a column on the right.
 *
 * @throws ShapeError where the sizes do not fit.
 *
 * ```ts
 * await matmul(array([[1, 2], [3, 4]]), array([1, 1])).toArray(); // [3, 7]
 * ```
 */
export const matmul = (x: TensorLike, y: TensorLike): Tensor =>
  productOf("matmul", x, y, (a, b) => matmulAtoms("matmul", a, b));

/**
 * numpy.dot: the inner product of vectors, the matrix product of matrices; beyond that the last axis
 * of `x` with the second to last of `y`, all other axes side by side. Scalars multiply.
 *
 * ```ts
 * await dot(array([1, 2]), array([3, 4])).item(); // 11
 * ```
 */
export const dot = (x: TensorLike, y: TensorLike): Tensor =>
  productOf("dot", x, y, (a, b) => {
    const [m, n] = [a.aval.shape.length, b.aval.shape.length];
    if (m === 0 || n === 0) return outerAtoms(a, b);
    const over = n === 1 ? 0 : n - 2;
    if (a.aval.shape[m - 1] !== b.aval.shape[over]) {
      throw mismatch("dot", a, b, `axis ${m - 1} of the first and ${over} of the second differ`);
    }
    return prims.dotGeneral(a, b, { contract: [[m - 1], [over]], batch: [[], []] });
  });

/** Every element of `a` times every element of `b`: axes of `a`, then of `b`. */
function outerAtoms(a: Atom, b: Atom): Atom {
  const name = (side: string, x: Atom) => x.aval.shape.map((_, d) => `${side}${d}`);
  const [p, q] = [name("a", a), name("b", b)];
  const out = [...p, ...q];
  return ordered(contractPair({ atom: a, labels: p }, { atom: b, labels: q }, out), out);
}

const flat = (a: Atom): Atom => prims.reshape(a, [a.aval.shape.reduce((n, s) => n * s, 1)]);

/**
 * Inner product of two tensors as flat vectors (numpy.vdot).
 *
 * ```ts
 * await vdot(array([[1, 2]]), array([[3], [4]])).item(); // 11
 * ```
 */
export const vdot = (x: TensorLike, y: TensorLike): Tensor =>
  productOf("vdot", x, y, (a, b) => {
    const [p, q] = [flat(a), flat(b)];
    if (p.aval.shape[0] !== q.aval.shape[0]) {
      throw mismatch("vdot", a, b, "they must have equally many elements");
    }
    return prims.dotGeneral(p, q, { contract: [[0], [0]], batch: [[], []] });
  });

/**
 * Sum of products over the last axes (numpy.inner); scalars multiply.
 *
 * ```ts
 * await inner(array([1, 2]), array([[3, 4], [5, 6]])).toArray(); // [11, 17]
 * ```
 */
export const inner = (x: TensorLike, y: TensorLike): Tensor =>
  productOf("inner", x, y, (a, b) => {
    const [m, n] = [a.aval.shape.length, b.aval.shape.length];
    if (m === 0 || n === 0) return outerAtoms(a, b);
    if (a.aval.shape[m - 1] !== b.aval.shape[n - 1]) {
      throw mismatch("inner", a, b, "their last axes differ");
    }
    return prims.dotGeneral(a, b, { contract: [[m - 1], [n - 1]], batch: [[], []] });
  });

/**
 * Every product of two flattened tensors (numpy.outer).
 *
 * ```ts
 * await outer(array([1, 2]), array([3, 4])).toArray(); // [[3, 4], [6, 8]]
 * ```
 */
export const outer = (x: TensorLike, y: TensorLike): Tensor =>
  productOf("outer", x, y, (a, b) => outerAtoms(flat(a), flat(b)));

/**
 * Sum of products over several axes (numpy.tensordot): the last `axes` of `x` with the first of `y`,
 * or two lists of axes to pair.
 *
 * ```ts
 * await tensordot(array([[1, 2], [3, 4]]), array([[1, 0], [0, 1]]), 2).item(); // 5
 * ```
 */
export const tensordot = (
  x: TensorLike,
  y: TensorLike,
  axes: number | readonly [number | readonly number[], number | readonly number[]] = 2,
): Tensor =>
  productOf("tensordot", x, y, (a, b) => {
    const [m, n] = [a.aval.shape.length, b.aval.shape.length];
    let pair: number[][];
    if (typeof axes === "number") {
      if (!Number.isInteger(axes) || axes < 0 || axes > Math.min(m, n)) {
        throw mismatch("tensordot", a, b, `they do not both have ${axes} axes to contract`);
      }
      pair = [range(m).slice(m - axes), range(axes)];
    } else {
      const list = (d: number | readonly number[], rank: number) =>
        (typeof d === "number" ? [d] : d).map((k) => normalizeAxis("tensordot", k, rank));
      pair = [list(axes[0], m), list(axes[1], n)];
    }
    const [p, q] = pair as [number[], number[]];
    if (p.length !== q.length || p.some((d, i) => a.aval.shape[d] !== b.aval.shape[q[i]!])) {
      throw mismatch(
        "tensordot",
        a,
        b,
        `axes [${p.join(",")}] and [${q.join(",")}] do not pair up`,
      );
    }
    if (p.length === 0) return outerAtoms(a, b);
    return prims.dotGeneral(a, b, { contract: [p, q], batch: [[], []] });
  });

type AxisPair = readonly [readonly number[], readonly number[]];

/**
 * The general batched contraction (lax.dot_general): `[[contractX, contractY], [batchX, batchY]]`.
 * The result has the batch axes, then the free axes of `x`, then those of `y`.
 *
 * ```ts
 * await dotGeneral(array([[1, 2]]), array([[3, 4]]), [[[1], [1]], [[], []]]).toArray(); // [[11]]
 * ```
 */
export const dotGeneral = (
  x: TensorLike,
  y: TensorLike,
  [contract, batch = [[], []]]: readonly [AxisPair, AxisPair?],
): Tensor =>
  productOf("dotGeneral", x, y, (a, b) => {
    const at = (axes: readonly number[], of: Atom) =>
      axes.map((d) => normalizeAxis("dotGeneral", d, of.aval.shape.length));
    return prims.dotGeneral(a, b, {
      contract: [at(contract[0], a), at(contract[1], b)],
      batch: [at(batch[0], a), at(batch[1], b)],
    });
  });

/**
 * Kronecker product (numpy.kron): every element of `x` times the whole of `y`.
 *
 * ```ts
 * await kron(array([1, 2]), array([1, 1])).toArray(); // [1, 1, 2, 2]
 * ```
 */
export const kron = (x: TensorLike, y: TensorLike): Tensor =>
  productOf("kron", x, y, (a, b) => {
    const rank = Math.max(a.aval.shape.length, b.aval.shape.length);
    const full = (x: Atom) => {
      const shape = [...new Array<number>(rank - x.aval.shape.length).fill(1), ...x.aval.shape];
      return { shape, atom: prims.reshape(x, shape) };
    };
    const [p, q] = [full(a), full(b)];
    const perm = range(rank).flatMap((d) => [d, rank + d]);
    return prims.reshape(
      prims.transpose(outerAtoms(p.atom, q.atom), perm),
      p.shape.map((n, d) => n * q.shape[d]!),
    );
  });

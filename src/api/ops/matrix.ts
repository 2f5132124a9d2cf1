/** Triangles and diagonals of matrices; the last two axes are the matrix, the rest are a stack. */
import { normalizeAxis, type Shape, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { tracerOf } from "../../trace/tracer.js";
import { asNumber, like } from "./atoms.js";
import { type DtypeOption, onDiagonal } from "./creation.js";
import { toAtom } from "./promote.js";
import { view } from "./shape.js";

/** Where `column - row <= k` in the last two axes of a shape. */
function below(shape: Shape, k: number): Atom {
  const row = prims.iota("int32", shape, shape.length - 2);
  const column = prims.iota("int32", shape, shape.length - 1);
  return prims.le(column, prims.add(row, like(row, k)));
}

function requireMatrix(op: string, a: Atom): void {
  if (a.aval.shape.length < 2) {
    throw new ShapeError(`${op}: ${showAval(a.aval)} has fewer than the two axes of a matrix`);
  }
}

/**
 * Ones at and below the k-th diagonal (numpy.tri).
 *
 * ```ts
 * await tri(2).toArray(); // [[1, 0], [1, 1]]
 * ```
 */
export const tri = (
  n: number,
  m: number = n,
  options: DtypeOption & { readonly k?: number } = {},
): Tensor =>
  operation("tri", (trace) =>
    tracerOf(trace, prims.convert(below([n, m], options.k ?? 0), options.dtype ?? "float32")),
  );

/**
 * The lower triangle; what is above the k-th diagonal becomes 0 (numpy.tril).
 *
 * ```ts
 * await tril(array([[1, 2], [3, 4]])).toArray(); // [[1, 0], [3, 4]]
 * ```
 */
export const tril = (x: TensorLike, k = 0): Tensor =>
  view("tril", x, (a) => {
    requireMatrix("tril", a);
    return prims.select(below(a.aval.shape, k), a, like(a, 0));
  });

/**
 * The upper triangle; what is below the k-th diagonal becomes 0 (numpy.triu).
 *
 * ```ts
 * await triu(array([[1, 2], [3, 4]])).toArray(); // [[1, 2], [0, 4]]
 * ```
 */
export const triu = (x: TensorLike, k = 0): Tensor =>
  view("triu", x, (a) => {
    requireMatrix("triu", a);
    return prims.select(below(a.aval.shape, k - 1), like(a, 0), a);
  });

/** The k-th diagonal of the last two axes: every (size + 1)-th element of a flat square. */
export function diagonalAtom(a: Atom, k: number): Atom {
  const { shape } = a.aval;
  const rank = shape.length;
  const rows = shape[rank - 2]!;
  const columns = shape[rank - 1]!;
  const lead = shape.slice(0, -2);
  const size = Math.max(0, Math.min(rows + Math.min(k, 0), columns - Math.max(k, 0)));
  const zero = lead.map(() => 0);
  const ones = lead.map(() => 1);
  const square = prims.slice(
    a,
    [...zero, Math.min(rows, Math.max(-k, 0)), Math.min(columns, Math.max(k, 0))],
    [...lead, Math.min(rows, Math.max(-k, 0) + size), Math.min(columns, Math.max(k, 0) + size)],
    [...ones, 1, 1],
  );
  const flat = prims.reshape(square, [...lead, size * size]);
  return prims.slice(flat, [...zero, 0], [...lead, size * size], [...ones, size + 1]);
}

/** Axes moved so that `axis1`, `axis2` come last, in that order. */
function lastTwo(op: string, a: Atom, axis1: number, axis2: number): Atom {
  const rank = a.aval.shape.length;
  requireMatrix(op, a);
  const i = normalizeAxis(op, axis1, rank);
  const j = normalizeAxis(op, axis2, rank);
  if (i === j) throw new ShapeError(`${op}: axis1 and axis2 are both ${i}`);
  const rest = Array.from({ length: rank }, (_, d) => d).filter((d) => d !== i && d !== j);
  return prims.transpose(a, [...rest, i, j]);
}

export interface DiagonalOptions {
  readonly offset?: number;
  readonly axis1?: number;
  readonly axis2?: number;
}

/**
 * The diagonal of two axes, as the last axis of the result (numpy.diagonal). A view: no copy.
 *
 * ```ts
 * await diagonal(array([[1, 2], [3, 4]])).toArray(); // [1, 4]
 * ```
 */
export const diagonal = (x: TensorLike, options: DiagonalOptions = {}): Tensor =>
  view("diagonal", x, (a) =>
    diagonalAtom(
      lastTwo("diagonal", a, options.axis1 ?? 0, options.axis2 ?? 1),
      options.offset ?? 0,
    ),
  );

/**
 * The sum of the diagonal (numpy.trace).
 *
 * ```ts
 * await trace(array([[1, 2], [3, 4]])).item(); // 5
 * ```
 */
export const trace = (x: TensorLike, options: DiagonalOptions = {}): Tensor =>
  operation("trace", (t) => {
    const a = lastTwo("trace", toAtom(x, t), options.axis1 ?? 0, options.axis2 ?? 1);
    const line = asNumber(diagonalAtom(a, options.offset ?? 0));
    return tracerOf(t, prims.reduceSum(line, [line.aval.shape.length - 1]));
  });

/**
 * A matrix with the vector on its k-th diagonal, or the k-th diagonal of a matrix (numpy.diag).
 *
 * ```ts
 * await diag(array([1, 2])).toArray(); // [[1, 0], [0, 2]]
 * ```
 */
export const diag = (x: TensorLike, k = 0): Tensor =>
  view("diag", x, (a) => {
    const rank = a.aval.shape.length;
    if (rank === 2) return diagonalAtom(a, k);
    if (rank !== 1) {
      throw new ShapeError(
        `diag: ${showAval(a.aval)} must be a vector or a matrix; for stacks use diagonal`,
      );
    }
    const n = a.aval.shape[0]! + Math.abs(k);
    const fill = lit(0, a.aval.dtype);
    // Element i of the vector is in column i + max(k, 0).
    const row = prims.pad(a, fill, [Math.max(k, 0)], [Math.max(-k, 0)]);
    const wide = prims.broadcastInDim(row, [n, n], [1]);
    return prims.select(onDiagonal(n, n, k), wide, like(wide, 0));
  });

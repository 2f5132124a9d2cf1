/** Contractions as batched matrix products: their sizes, and operands as addresses in buffers. */
import { type Aval, type Shape, sizeOf } from "../core/aval.js";
import type { Atom, Eqn, Var } from "../ir/graph.js";
import { Lit } from "../ir/graph.js";
import { type Idx, idxFlatten, idxUnflatten, idxVar } from "../ir/index-expr.js";
import type { Defs } from "./defs.js";
import type { Target } from "./target.js";
import { viewOf } from "./walk.js";

type Axes = readonly number[];

/** The parameters that every contraction with a matrix template carries (dotGeneral's). */
export interface ContractParams {
  readonly contract: readonly [a: Axes, b: Axes];
  readonly batch: readonly [a: Axes, b: Axes];
}

const freeAxes = (shape: Shape, side: 0 | 1, p: ContractParams): number[] =>
  shape
    .map((_, axis) => axis)
    .filter((axis) => !p.contract[side].includes(axis) && !p.batch[side].includes(axis));

export interface ContractionDims {
  readonly batch: Shape;
  readonly free: readonly [a: Shape, b: Shape];
  readonly contracted: Shape;
}

export function contractionDims(a: Shape, b: Shape, p: ContractParams): ContractionDims {
  return {
    batch: p.batch[0].map((axis) => a[axis]!),
    free: [freeAxes(a, 0, p).map((axis) => a[axis]!), freeAxes(b, 1, p).map((axis) => b[axis]!)],
    contracted: p.contract[0].map((axis) => a[axis]!),
  };
}

/** Sizes of a batched product [batch, m, k] × [batch, k, n]. */
export interface MatrixSizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export function matrixSizes(dims: ContractionDims): MatrixSizes {
  return {
    batch: sizeOf(dims.batch),
    m: sizeOf(dims.free[0]),
    n: sizeOf(dims.free[1]),
    k: sizeOf(dims.contracted),
  };
}

/**
 * Is a matrix template worth while? Others become sums of products, which fuse like any reduction:
 * integers, vectors, and matrices so small or thin that a tile would be mostly empty.
 */
export function fitsTemplate(a: Aval, b: Aval, p: ContractParams, _target: Target): boolean {
  const { batch, m, n, k } = matrixSizes(contractionDims(a.shape, b.shape, p));
  if (a.dtype !== "float32" || Math.min(m, n, k) < 4) return false;
  return batch * m * n * k >= 4096;
}

/** The indices of an operand at [lane, row or column, depth], each a flat position. */
export function operandIndex(
  eqn: Eqn,
  side: 0 | 1,
  lane: Idx,
  free: Idx,
  depth: Idx,
): readonly Idx[] {
  const p = eqn.params as ContractParams;
  const shapes = eqn.inputs.map((x) => x.aval.shape) as [Shape, Shape];
  const dims = contractionDims(shapes[0], shapes[1], p);
  const index = new Array<Idx>(shapes[side].length);
  idxUnflatten(lane, dims.batch).forEach((e, i) => {
    index[p.batch[side][i]!] = e;
  });
  idxUnflatten(depth, dims.contracted).forEach((e, i) => {
    index[p.contract[side][i]!] = e;
  });
  const free_ = freeAxes(shapes[side], side, p);
  idxUnflatten(free, dims.free[side]).forEach((e, i) => {
    index[free_[i]!] = e;
  });
  return index;
}

/** A buffer and the flat position of an element in it. */
export interface Address {
  readonly source: Var;
  readonly flat: Idx;
}

/**
 * Where element `index` of `x` lies, when `x` is a pure view of a stored variable: no arithmetic, no
 * edges, no index arrays.
 */
export function addressOf(
  defs: Defs,
  x: Atom,
  index: readonly Idx[],
  stored: (v: Var) => boolean,
): Address | undefined {
  let at: Atom = x;
  let where = index;
  for (;;) {
    if (at instanceof Lit) return undefined;
    if (stored(at)) return { source: at, flat: idxFlatten(where, at.aval.shape) };
    const eqn = defs.of(at)?.eqn;
    if (eqn?.prim.kind !== "view") return undefined;
    const e = viewOf(defs, eqn, where);
    if (e.kind !== "element" || e.index.some((i) => i.key.includes("load"))) return undefined;
    at = eqn.inputs[e.operand]!;
    where = e.index;
  }
}

/** The stored variable that `x` is a pure view of, if any. */
export function sourceOf(defs: Defs, x: Atom, stored: (v: Var) => boolean): Var | undefined {
  const index = x.aval.shape.map((size, axis) => idxVar(`x${axis}`, size));
  return addressOf(defs, x, index, stored)?.source;
}

/** Contractions as batched matrix products: their sizes, and operands as addresses in buffers. */
import { type Aval, type Shape, sizeOf } from "../core/aval.js";
import type { Atom, Eqn, Var } from "../ir/graph.js";
import { Lit } from "../ir/graph.js";
import {
  type Idx,
  idxAdd,
  idxFlatten,
  idxScale,
  idxUnflatten,
  idxVar,
  type ViewExpr,
} from "../ir/index-expr.js";
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
export function fitsTemplate(a: Aval, b: Aval, p: ContractParams, target: Target): boolean {
  const { batch, m, n, k } = matrixSizes(contractionDims(a.shape, b.shape, p));
  const products = batch * m * n * k;
  if (a.dtype !== "float32") return false;
  if (Math.min(m, n, k) >= 4) return products >= 4096;
  // Lanes that stand above each other waste little on two or three columns, and load every row once.
  const rows = target.software && target.subgroupSize >= 8;
  return rows && m >= 4 && Math.min(n, k) >= 2 && products >= 65536;
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

/** A condition on an index: lo <= value < hi. */
export interface Guard {
  readonly value: Idx;
  readonly lo: number;
  readonly hi: number;
}

/** A buffer and the flat position of an element in it; where a guard does not hold, zero instead. */
export interface Address {
  readonly source: Var;
  readonly flat: Idx;
  readonly guards: readonly Guard[];
}

const isZero = (e: ViewExpr): boolean => e.kind === "index" && e.value.key === "0";

/**
 * Where element `index` of `x` lies, when `x` is a view of a stored variable with zeros around it: no
 * arithmetic, no other edges, no index arrays. Windows of a convolution are such views.
 */
export function addressOf(
  defs: Defs,
  x: Atom,
  index: readonly Idx[],
  stored: (v: Var) => boolean,
): Address | undefined {
  let at: Atom = x;
  let where = index;
  const guards: Guard[] = [];
  for (;;) {
    if (at instanceof Lit) return undefined;
    if (stored(at)) return { source: at, flat: idxFlatten(where, at.aval.shape), guards };
    const eqn = defs.of(at)?.eqn;
    if (eqn?.prim.kind !== "view") return undefined;
    let e = viewOf(defs, eqn, where);
    while (e.kind === "within") {
      const { value, lo, hi } = e;
      if (value.lo >= lo && value.hi < hi) e = e.then;
      else if (value.hi < lo || value.lo >= hi) e = e.else;
      else if (isZero(e.else)) {
        if (value.loads) return undefined;
        guards.push({ value, lo, hi });
        e = e.then;
      } else return undefined;
    }
    if (e.kind !== "element" || e.index.some((i) => i.loads)) return undefined;
    at = eqn.inputs[e.operand]!;
    where = e.index;
  }
}

/** The stored variable that `x` is a view of (with zeros around it, perhaps), if any. */
export function sourceOf(defs: Defs, x: Atom, stored: (v: Var) => boolean): Var | undefined {
  const index = x.aval.shape.map((size, axis) => idxVar(`x${axis}`, size));
  return addressOf(defs, x, index, stored)?.source;
}

/** How much `e` grows by one step of `name`, where that is the same everywhere; else undefined. */
export function stepOf(e: Idx, name: string): number | undefined {
  const mentions = (i: Idx): boolean =>
    i.terms.some(({ atom }) => {
      if (atom.op === "var") return atom.name === name;
      return atom.op === "load" ? atom.index.some(mentions) : mentions(atom.arg);
    });
  let step = 0;
  for (const { atom, coeff } of e.terms) {
    if (atom.op === "var") step += atom.name === name ? coeff : 0;
    else if (atom.op === "load" ? atom.index.some(mentions) : mentions(atom.arg)) return undefined;
  }
  return step;
}

/**
 * The depth of a contraction as `outer` steps of `inner` ones, so that both operands' addresses (and
 * what guards them) go by constant steps within the inner ones. For a matrix that is all of the depth; for
 * a convolution the channels under each tap of its window.
 */
export interface Depth {
  readonly outer: number;
  readonly inner: number;
}

/** Inner steps that are fewer are not worth a loop of their own. */
const leastInner = 3;

export const depthAt = ({ outer, inner }: Depth): Idx =>
  idxAdd(idxScale(idxVar("t", outer), inner), idxVar("k", inner));

export function depthOf(
  dims: ContractionDims,
  address: (side: 0 | 1, depth: Idx) => Address | undefined,
): Depth {
  const total = sizeOf(dims.contracted);
  for (let outer = 1, axis = 0; axis <= dims.contracted.length; axis++) {
    const depth = { outer, inner: total / outer };
    if (depth.inner < leastInner) break;
    const operands = [address(0, depthAt(depth)), address(1, depthAt(depth))];
    const steady = operands.every(
      (a) =>
        a && [a.flat, ...a.guards.map((g) => g.value)].every((e) => stepOf(e, "k") !== undefined),
    );
    if (steady) return depth;
    outer *= dims.contracted[axis] ?? 1;
  }
  return { outer: 1, inner: total };
}

/** Kernels: what one dispatch segment computes. */
import { type Shape, sizeOf } from "../core/aval.js";
import type { Eqn, Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxDiv, idxMod, idxUnflatten, idxVar } from "../ir/index-expr.js";
import { type Across, wholeIndex } from "./across.js";
import {
  type ContractParams,
  contractionDims,
  type MatrixSizes,
  matrixSizes,
  operandIndex,
} from "./contraction.js";

/**
 * One thread (or vector lane) a point. At its point p it computes `vars`, all of `size` elements:
 * reductions, each a loop, and elementwise expressions of them. `inner` are arrays of size·extent
 * elements, written in a last loop over the reduced elements of the point.
 */
export interface LoopKernel {
  readonly kind: "loop";
  readonly size: number;
  /** Where a kernel that computes a part of its points only begins. */
  readonly first?: number;
  readonly vars: readonly Var[];
  readonly inner: InnerLoop | undefined;
  /** Those of the variables that are written to memory. */
  readonly stores: ReadonlySet<Var>;
}

/** A loop over the elements that a reduction reduces, at one point. */
export interface InnerLoop {
  readonly vars: readonly Var[];
  /** The reduction whose operand's elements it visits. */
  readonly over: Eqn;
}

/** A batched matrix product by a template, with an epilogue at each point of the product. */
export interface ContractKernel {
  readonly kind: "contract";
  readonly size: number;
  readonly eqn: Eqn;
  /** Of the part that is computed: of one lane where there are lanes to compute across. */
  readonly sizes: MatrixSizes;
  /** Where a kernel that computes some lanes or rows only begins. */
  readonly first?: { readonly batch: number; readonly m: number };
  /** The product and what the epilogue computes from it. */
  readonly vars: readonly Var[];
  /** And what it computes from all lanes of those. */
  readonly across: Across | undefined;
  readonly stores: ReadonlySet<Var>;
}

export type Kernel = LoopKernel | ContractKernel;

export const pointName = "p";

/** The flat position of a point of a kernel. */
export const pointOf = (size: number): Idx => idxVar(pointName, size);

/** The lane, and the row, of a contraction that a workgroup is at, in terms of `batch` and `m`. */
export const laneOf = ({ sizes, first }: ContractKernel): Idx =>
  idxAdd(idxVar("batch", sizes.batch), first?.batch ?? 0);
export const rowOf = ({ sizes, first }: ContractKernel): Idx =>
  idxAdd(idxVar("m", sizes.m), first?.m ?? 0);

/** Axes and number of elements that a reduction combines. */
export function reduction(eqn: Eqn): { readonly axes: readonly number[]; readonly extent: number } {
  const { shape } = eqn.inputs[0]!.aval;
  const axes = [...(eqn.params as { readonly axes: readonly number[] }).axes].sort((a, b) => a - b);
  return { axes, extent: sizeOf(axes.map((axis) => shape[axis]!)) };
}

/** Are the reduced axes the last ones, so that terms are neighbours in memory? */
export const isInnermost = (axes: readonly number[], shape: Shape): boolean =>
  axes.every((axis, i) => axis === shape.length - axes.length + i);

/** The loop variable of a reduction; loops of equal extent share a name. */
export const loopVar = (extent: number): Idx => idxVar(`r${extent}`, extent);

/** Index of a reduction's operand at a position of its output and one of the loop. */
export function operandAt(eqn: Eqn, out: readonly Idx[], loop: Idx): Idx[] {
  const { shape } = eqn.inputs[0]!.aval;
  const { axes } = reduction(eqn);
  const along = idxUnflatten(
    loop,
    axes.map((axis) => shape[axis]!),
  );
  let next = 0;
  return shape.map((_, axis) => {
    const i = axes.indexOf(axis);
    return i >= 0 ? along[i]! : out[next++]!;
  });
}

export const sizesOf = (eqn: Eqn): MatrixSizes =>
  matrixSizes(
    contractionDims(
      eqn.inputs[0]!.aval.shape,
      eqn.inputs[1]!.aval.shape,
      eqn.params as ContractParams,
    ),
  );

/**
 * The index of an operand's element for a row or column of the product and a depth, where the variable
 * "batch" counts the products: lanes that are computed together, each with all of its batch.
 */
export function operandOf(k: ContractKernel, side: 0 | 1, depth: Idx): readonly Idx[] {
  const { eqn, sizes, across } = k;
  const batch = across ? idxVar("batch", sizes.batch * across.count) : laneOf(k);
  const own = { batch, m: rowOf(k), n: idxVar("n", sizes.n) };
  const lane = { ...own, batch: idxMod(batch, sizes.batch) };
  const at = across ? wholeIndex(sizes, across, idxDiv(batch, sizes.batch), lane) : own;
  return operandIndex(eqn, side, at.batch, side === 0 ? at.m : at.n, depth);
}

export const bytesOf = (v: Var): number => sizeOf(v.aval.shape) * 4;

/** What the rules of several families share: checks with good errors, host indexing, zeros. */
import { type Aval, rowMajor, type Shape, showAval, sizeOf } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { DtypeError, ShapeError } from "../core/errors.js";
import type { NdArray } from "../core/ndarray.js";

export const range = (n: number, from = 0): number[] =>
  Array.from({ length: n }, (_, i) => from + i);

/** `0, 1, …, n-1`: the permutation or axis list that changes nothing. */
export const isIota = (list: readonly number[]): boolean => list.every((v, i) => v === i);

export const listsEqual = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((v, i) => v === b[i]);

/** The axes of a rank that are not listed, in order. */
export const otherAxes = (rank: number, axes: readonly number[]): number[] =>
  range(rank).filter((a) => !axes.includes(a));

/** The entries of `list` whose positions are not in `axes`. */
export const dropAxes = (list: readonly number[], axes: readonly number[]): number[] =>
  list.filter((_, i) => !axes.includes(i));

/** `list` with the entry at `at` replaced. */
export const withEntry = (list: readonly number[], at: number, value: number): number[] =>
  list.map((v, i) => (i === at ? value : v));

/** The element of a host array at a position. */
export function elementAt(x: NdArray, index: readonly number[]): number {
  let flat = 0;
  for (let i = 0; i < index.length; i++) flat = flat * x.shape[i]! + index[i]!;
  return x.data[flat]!;
}

/**
 * The lines of a host array along `axis`: for each, the position of its first element; elements are
 * `step` apart.
 */
export function linesOf(shape: Shape, axis: number): { starts: number[]; step: number } {
  const step = rowMajor(shape)[axis]!;
  const n = shape[axis]!;
  const starts: number[] = [];
  if (sizeOf(shape) === 0) return { starts, step };
  const outer = sizeOf(shape.slice(0, axis));
  for (let o = 0; o < outer; o++) for (let i = 0; i < step; i++) starts.push(o * n * step + i);
  return { starts, step };
}

export function requireLength(op: string, what: string, list: readonly number[], x: Aval): void {
  if (list.length !== x.shape.length) {
    throw new ShapeError(
      `${op}: ${what} [${list.join(",")}] must have one entry for each of the ${x.shape.length} ` +
        `axes of ${showAval(x)}`,
    );
  }
}

/** A list of distinct axes within a rank. */
export function requireAxes(
  op: string,
  what: string,
  axes: readonly number[],
  x: Aval,
  sorted = false,
): void {
  const rank = x.shape.length;
  axes.forEach((a, i) => {
    if (!Number.isInteger(a) || a < 0 || a >= rank) {
      throw new ShapeError(
        `${op}: ${what} ${a} is out of range for ${showAval(x)} of rank ${rank}`,
      );
    }
    if (axes.indexOf(a) !== i || (sorted && i > 0 && axes[i - 1]! > a)) {
      throw new ShapeError(
        `${op}: ${what} [${axes.join(",")}] of ${showAval(x)} must be distinct` +
          (sorted ? " and increasing" : ""),
      );
    }
  });
}

export function requireSameDtype(op: string, avals: readonly Aval[]): void {
  if (avals.some((a) => a.dtype !== avals[0]!.dtype)) {
    throw new DtypeError(
      `${op}: operands ${avals.map(showAval).join(", ")} must have one dtype; convert with astype`,
    );
  }
}

export function requireIndexDtype(op: string, what: string, a: Aval): void {
  if (a.dtype !== "int32" && a.dtype !== "uint32") {
    throw new DtypeError(`${op}: ${what} must be int32 or uint32, not ${showAval(a)}; use astype`);
  }
}

export function requireDtype(op: string, x: Aval, allowed: readonly DType[]): void {
  if (!allowed.includes(x.dtype)) {
    throw new DtypeError(`${op} takes ${allowed.join(", ")}, not ${showAval(x)}; use astype`);
  }
}

export const numeric: readonly DType[] = ["float32", "int32", "uint32"];

/** Keep an exact JavaScript result within a dtype: integers wrap as on the device. */
export function wrapTo(dtype: DType, value: number): number {
  if (isFloat(dtype)) return value;
  return dtype === "int32" ? value | 0 : dtype === "uint32" ? value >>> 0 : Number(value !== 0);
}

/** Abstract values: what is known of an array at trace time. */
import type { DType } from "./dtype.js";
import { ShapeError } from "./errors.js";

export type Shape = readonly number[];

/** Shape and dtype of an array, without its values. */
export interface Aval {
  readonly shape: Shape;
  readonly dtype: DType;
}

export const aval = (shape: Shape, dtype: DType): Aval => ({ shape, dtype });

export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

export const shapesEqual = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

export const avalsEqual = (a: Aval, b: Aval): boolean =>
  a.dtype === b.dtype && shapesEqual(a.shape, b.shape);

/** `float32[2,3]`, as used in every error message. */
export const showAval = (a: Aval): string => `${a.dtype}[${a.shape.join(",")}]`;
export const showShape = (s: Shape): string => `[${s.join(",")}]`;

/** Row-major strides in elements. */
export function rowMajor(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i]!;
  }
  return strides;
}

/** numpy's broadcasting of shapes; `op` names the operation in the error. */
export function broadcastShapes(op: string, ...shapes: Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    shape.forEach((d, i) => {
      const have = out[offset + i]!;
      if (have === 1) out[offset + i] = d;
      else if (d !== 1 && d !== have) {
        throw new ShapeError(
          `${op}: shapes ${shapes.map(showShape).join(" and ")} cannot be broadcast together ` +
            `(sizes ${have} and ${d} at axis ${offset + i - rank}); reshape or expandDims one of them`,
        );
      }
    });
  }
  return out;
}

/** The error of an axis that is not a number: a traced argument, an options object in its place. */
function notAnAxis(op: string, axis: unknown): ShapeError {
  const got =
    typeof axis === "object" && axis !== null
      ? `a ${axis.constructor?.name ?? "object"}`
      : typeof axis === "string"
        ? JSON.stringify(axis)
        : String(axis);
  return new ShapeError(
    `${op}: an axis is a JavaScript number, or a list of them, known when the function is traced, not ` +
      `${got}; make an argument that is traced static (jit's staticArgnums), and give options after the axis`,
  );
}

/** A possibly negative axis as an index into `rank` axes; `op` names the operation in the error. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (typeof axis !== "number") throw notAnAxis(op, axis);
  const out = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || out < 0 || out >= rank) {
    throw new ShapeError(
      `${op}: axis ${axis} is out of range for an array of rank ${rank} ` +
        (rank === 0 ? "(a scalar has no axes)" : `(use ${-rank} to ${rank - 1})`),
    );
  }
  return out;
}

/** A number, a list or nothing (all axes) as a sorted list of distinct axes. */
export function normalizeAxes(
  op: string,
  axis: number | readonly number[] | null | undefined,
  rank: number,
): number[] {
  if (axis === undefined || axis === null) return Array.from({ length: rank }, (_, i) => i);
  const list = typeof axis === "number" ? [axis] : axis;
  if (!Array.isArray(list)) throw notAnAxis(op, axis);
  const out = list.map((a) => normalizeAxis(op, a, rank));
  if (new Set(out).size !== out.length) {
    throw new ShapeError(`${op}: axis list [${list.join(",")}] names an axis twice`);
  }
  return out.sort((a, b) => a - b);
}

export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape) || shape.some((d) => typeof d === "object")) {
    throw new ShapeError(
      `${op}: a shape is a list of JavaScript numbers, known when the function is traced; a tensor or ` +
        "an argument that is traced has none: take sizes from x.shape, or make the argument static " +
        "(jit's staticArgnums)",
    );
  }
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) {
      throw new ShapeError(
        `${op}: shape ${showShape(shape)} must be a list of non-negative integers`,
      );
    }
  }
}

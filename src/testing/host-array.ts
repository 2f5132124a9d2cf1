/** Host arrays as arguments and results of the reference evaluation. */

import type { NestedArray } from "../api/concrete.js";
import { showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { type HostData, type NdArray, ndarray } from "../core/ndarray.js";

/** An array on the host in f64 (or integers). A leaf of trees. */
export class HostArray implements NdArray {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: HostData;

  constructor(x: NdArray) {
    this.shape = x.shape;
    this.dtype = x.dtype;
    this.data = x.data;
  }

  /** The only element. */
  item(): number {
    if (this.data.length !== 1) {
      throw new ShapeError(`item(): ${showAval(this)} has ${this.data.length} elements`);
    }
    return this.data[0]!;
  }

  toArray(): NestedArray {
    let next = 0;
    const build = (axis: number): NestedArray => {
      if (axis === this.shape.length) {
        const v = this.data[next++]!;
        return this.dtype === "bool" ? v !== 0 : v;
      }
      return Array.from({ length: this.shape[axis]! }, () => build(axis + 1));
    };
    return build(0);
  }
}

type Nested = number | boolean | readonly Nested[];

/**
 * A host array from nested arrays, in full f64 precision.
 *
 * ```ts
 * hostArray([[1, 2], [3, 4]]).shape; // [2, 2]
 * ```
 */
export function hostArray(values: Nested, dtype?: DType): HostArray {
  const shape: number[] = [];
  for (let v: Nested = values; Array.isArray(v); v = v[0] as Nested) shape.push(v.length);
  const flat: (number | boolean)[] = [];
  const walk = (v: Nested, axis: number): void => {
    if (Array.isArray(v)) {
      if (v.length !== shape[axis]) {
        throw new ShapeError(`hostArray: ragged nested array at axis ${axis}`);
      }
      for (const child of v) walk(child, axis + 1);
    } else flat.push(v as number | boolean);
  };
  walk(values, 0);
  const kind = dtype ?? (typeof flat[0] === "boolean" ? "bool" : "float32");
  return new HostArray(ndarray(shape, kind, flat));
}

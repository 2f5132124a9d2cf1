/**
 * `Tensor`: the surface that concrete arrays and tracers share. Its methods (add, matmul, ...) are
 * installed by src/api/methods.ts, so that this file depends on no operation.
 */
import { type Aval, type Shape, showAval, sizeOf } from "../core/aval.js";
import type { DType } from "../core/dtype.js";

// Merged with the methods that src/api/methods.ts declares.
export interface Tensor {
  /** Prevents structural types from passing for tensors. */
  readonly __tensor: true;
}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: methods are installed on the prototype by src/api/methods.ts
export abstract class Tensor {
  abstract readonly aval: Aval;
  /** Weakly typed, as a JavaScript number is: takes the dtype of the other operand. */
  abstract readonly weak: boolean;

  get shape(): Shape {
    return this.aval.shape;
  }
  get dtype(): DType {
    return this.aval.dtype;
  }
  get size(): number {
    return sizeOf(this.aval.shape);
  }
  get ndim(): number {
    return this.aval.shape.length;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `${this.constructor.name}(${showAval(this.aval)})`;
  }
}

/** What operations take: a number or boolean is a weakly typed scalar. */
export type TensorLike = Tensor | number | boolean;

export const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

/** A JavaScript number or boolean as an argument: a weakly typed scalar that lives on the host. */
export class HostScalar extends Tensor {
  declare readonly __tensor: true;
  readonly aval: Aval;
  readonly value: number;
  readonly weak = true;

  constructor(value: number | boolean) {
    super();
    this.aval = { shape: [], dtype: typeof value === "boolean" ? "bool" : "float32" };
    this.value = Number(value);
  }
}

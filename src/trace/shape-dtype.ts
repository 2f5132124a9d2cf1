/** A tensor without values: what a function is traced with where nothing is to run. */
import { type Aval, aval, checkShape, type Shape, showAval } from "../core/aval.js";
import { type DType, dtypes } from "../core/dtype.js";
import { ConcretizationError, DtypeError } from "../core/errors.js";
import { Tensor } from "./tensor.js";

/**
 * Shape and dtype of a tensor that is not there (jax.ShapeDtypeStruct). `evalShape`, `explain`,
 * `makeGraph` and `warmup` take it in place of any tensor, so that a model of any size is counted,
 * traced and scheduled without memory for it.
 *
 * @throws ShapeError, DtypeError for a shape or dtype that is none.
 *
 * ```ts
 * const image = new ShapeDtypeStruct([8, 224, 224, 3]);
 * explain((x: Tensor) => x.mul(2).sum())(image).dispatches >= 1; // true
 * ```
 */
export class ShapeDtypeStruct extends Tensor {
  declare readonly __tensor: true;
  readonly aval: Aval;
  readonly weak = false;

  constructor(shape: Shape, dtype: DType = "float32") {
    super();
    checkShape("ShapeDtypeStruct", shape);
    if (!dtypes.includes(dtype)) {
      throw new DtypeError(
        `ShapeDtypeStruct: dtype ${JSON.stringify(dtype)} is not one of ${dtypes.join(", ")}`,
      );
    }
    this.aval = aval([...shape], dtype);
  }

  /** The error of whoever wanted values. */
  refuse(what: string): never {
    throw new ConcretizationError(
      `${what}: a ShapeDtypeStruct ${showAval(this.aval)} has a shape and a dtype but no values; call the ` +
        "function with real tensors",
    );
  }

  override data(): never {
    this.refuse("data()");
  }
  override item(): never {
    this.refuse("item()");
  }
  override toArray(): never {
    this.refuse("toArray()");
  }
  override dispose(): void {
    // There is no memory to give back.
  }
  override [Symbol.dispose](): void {}
}

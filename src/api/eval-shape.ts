/** evalShape: shapes and dtypes of a result without computing it. */
import { ShapeDtypeStruct } from "../trace/shape-dtype.js";
import { type AnyFunction, traceCall } from "./arguments.js";

/**
 * `f`'s result with shapes and dtypes in place of values (jax.eval_shape): `f` is traced, nothing runs
 * and no device is needed. Arguments are trees of tensors, numbers and `ShapeDtypeStruct`s.
 *
 * @throws whatever `f` throws for arguments of these shapes.
 *
 * ```ts
 * const [x, w] = [new ShapeDtypeStruct([8, 32, 32, 3]), new ShapeDtypeStruct([3, 3, 3, 16])];
 * evalShape((a, b) => conv(a, b, { strides: 2 }), x, w).shape; // [8, 15, 15, 16]
 * const model = resnet18();
 * const params = evalShape((key) => model.init(key, [1, 224, 224, 3]).params, random.key(0));
 * tree.size(params); // 11689512
 * ```
 */
export function evalShape<A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A): R {
  const { graph, outDef } = traceCall("evalShape", f as unknown as AnyFunction, args);
  return outDef.unflatten(
    graph.outputAvals.map((a) => new ShapeDtypeStruct(a.shape, a.dtype)),
  ) as R;
}

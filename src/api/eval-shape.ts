/** evalShape: the shape of a result without computing it. */
import type { Shape } from "../core/aval.js";
import type { Tensor } from "../trace/tensor.js";
import { traceFunction } from "../trace/trace.js";

/**
 * The shape of `f`'s result for float32 arguments of the given shapes (jax.eval_shape): `f` is traced,
 * nothing runs and no device is needed.
 *
 * @throws whatever `f` throws for arguments of these shapes.
 *
 * ```ts
 * evalShape((x, w) => conv(x, w, { strides: 2 }), [8, 32, 32, 3], [3, 3, 3, 16]); // [8, 15, 15, 16]
 * ```
 */
export function evalShape(f: (...args: Tensor[]) => Tensor, ...shapes: readonly Shape[]): Shape {
  const inputs = shapes.map((shape) => ({
    aval: { shape: [...shape], dtype: "float32" as const },
    weak: false,
  }));
  return traceFunction("evalShape", inputs, (leaves) => f(...leaves)).graph.outputAvals[0]!.shape;
}

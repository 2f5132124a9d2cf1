/** The multilayer perceptron's loss and gradient on the host. */
import { crossEntropy, dense, denseGradient, relu, reluGradient } from "./dense.js";

export function hostMlp(
  layers: readonly number[],
  params: readonly Float64Array[],
  x: Float32Array,
  y: Float32Array,
): { loss: number; grads: Float64Array[] } {
  const n = x.length / layers[0]!;
  const depth = layers.length - 1;
  const sizesOf = (i: number) => [n, layers[i]!, layers[i + 1]!] as const;
  const inputs: Float64Array[] = [Float64Array.from(x)];
  for (let i = 0; i < depth; i++) {
    const out = dense(inputs[i]!, params[2 * i]!, params[2 * i + 1]!, sizesOf(i));
    inputs.push(i + 1 < depth ? relu(out) : out);
  }
  const { loss, grad } = crossEntropy(inputs[depth]!, y, [n, layers[depth]!]);
  const grads: Float64Array[] = [];
  let g = grad;
  for (let i = depth - 1; i >= 0; i--) {
    const { dx, dw, db } = denseGradient(inputs[i]!, params[2 * i]!, g, sizesOf(i));
    grads.unshift(dw, db);
    g = i > 0 ? reluGradient(inputs[i]!, dx) : dx;
  }
  return { loss, grads };
}

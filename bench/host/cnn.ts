/** The convolutional model's loss and gradient on the host. */
import { type ConvShape, conv3, conv3Gradient, pool2, pool2Gradient } from "./conv.js";
import { crossEntropy, dense, denseGradient, relu, reluGradient } from "./dense.js";

export function hostCnn(
  n: number,
  [w1, b1, w2, b2, w3, b3]: readonly Float64Array[],
  x: Float32Array,
  y: Float32Array,
): { loss: number; grads: Float64Array[] } {
  const first: ConvShape = { n, h: 28, w: 28, ci: 1, co: b1!.length };
  const second: ConvShape = { n, h: 14, w: 14, ci: b1!.length, co: b2!.length };
  const last = [n, 49 * b2!.length, b3!.length] as const;
  const input = Float64Array.from(x);
  const h1 = relu(conv3(input, w1!, b1!, first));
  const p1 = pool2(h1, first);
  const h2 = relu(conv3(p1.out, w2!, b2!, second));
  const p2 = pool2(h2, second);
  const logits = dense(p2.out, w3!, b3!, last);
  const { loss, grad } = crossEntropy(logits, y, [n, b3!.length]);
  const d3 = denseGradient(p2.out, w3!, grad, last);
  const g2 = reluGradient(h2, pool2Gradient(d3.dx, p2.from, h2.length));
  const d2 = conv3Gradient(p1.out, w2!, g2, second);
  const g1 = reluGradient(h1, pool2Gradient(d2.dx, p1.from, h1.length));
  const d1 = conv3Gradient(input, w1!, g1, first);
  return { loss, grads: [d1.dk, d1.db, d2.dk, d2.db, d3.dw, d3.db] };
}

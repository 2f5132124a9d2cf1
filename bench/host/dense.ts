/** Dense layers and the loss in float64, with their gradients: what training is checked against. */

/** x [n, k] · w [k, m] + b [m]. */
export function dense(
  x: Float64Array,
  w: Float64Array,
  b: Float64Array,
  [n, k, m]: readonly [number, number, number],
): Float64Array {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    const row = out.subarray(i * m, (i + 1) * m);
    row.set(b);
    for (let c = 0; c < k; c++) {
      const v = x[i * k + c]!;
      if (v === 0) continue;
      for (let j = 0; j < m; j++) row[j]! += v * w[c * m + j]!;
    }
  }
  return out;
}

/** Gradients of a dense layer for its output's gradient g [n, m]. */
export function denseGradient(
  x: Float64Array,
  w: Float64Array,
  g: Float64Array,
  [n, k, m]: readonly [number, number, number],
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  const dx = new Float64Array(n * k);
  const dw = new Float64Array(k * m);
  const db = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) db[j]! += g[i * m + j]!;
    for (let c = 0; c < k; c++) {
      const v = x[i * k + c]!;
      let sum = 0;
      for (let j = 0; j < m; j++) {
        sum += g[i * m + j]! * w[c * m + j]!;
        dw[c * m + j]! += v * g[i * m + j]!;
      }
      dx[i * k + c] = sum;
    }
  }
  return { dx, dw, db };
}

export const relu = (x: Float64Array): Float64Array => x.map((v) => Math.max(v, 0));

/** The gradient through ReLU whose result was `h`. */
export const reluGradient = (h: Float64Array, g: Float64Array): Float64Array =>
  g.map((v, i) => (h[i]! > 0 ? v : 0));

/** Mean softmax cross-entropy of logits [n, m] with one-hot labels, and its gradient. */
export function crossEntropy(
  logits: Float64Array,
  labels: Float32Array,
  [n, m]: readonly [number, number],
): { loss: number; grad: Float64Array } {
  const grad = new Float64Array(n * m);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const row = logits.subarray(i * m, (i + 1) * m);
    let top = Number.NEGATIVE_INFINITY;
    for (const v of row) top = Math.max(top, v);
    let sum = 0;
    for (const v of row) sum += Math.exp(v - top);
    for (let j = 0; j < m; j++) {
      const at = i * m + j;
      const log = row[j]! - top - Math.log(sum);
      loss -= (labels[at]! * log) / n;
      grad[at] = (Math.exp(log) - labels[at]!) / n;
    }
  }
  return { loss, grad };
}

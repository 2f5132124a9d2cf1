/** Eigenvalues and eigenvectors of a small symmetric matrix on the host. */

export interface SymmetricEigen {
  /** Ascending. */
  readonly values: readonly number[];
  /** vectors[i] belongs to values[i]; orthonormal. */
  readonly vectors: readonly Float64Array[];
}

const sweeps = 60;

/**
 * Cyclic Jacobi rotations in f64 (Golub & Van Loan, 8.5): slow for large matrices, but accurate to
 * rounding for the few dozen rows of a Krylov space. The matrix is symmetrised first.
 */
export function symmetricEigen(matrix: readonly (readonly number[])[]): SymmetricEigen {
  const n = matrix.length;
  const a = matrix.map((row, i) => Float64Array.from(row, (x, j) => (x + matrix[j]![i]!) / 2));
  const v = a.map((_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let off = 0;
    let all = 0;
    a.forEach((row, i) => {
      row.forEach((x, j) => {
        all += x * x;
        if (i !== j) off += x * x;
      });
    });
    if (off <= 1e-30 * all) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, v, p, q);
  }
  const order = a.map((row, i) => [row[i]!, i] as const).sort(([x], [y]) => x - y);
  return {
    values: order.map(([x]) => x),
    vectors: order.map(([, i]) => Float64Array.from(v, (row) => row[i]!)),
  };
}

/** Zero a[p][q] by a rotation of rows and columns p and q; v collects the rotations. */
function rotate(a: Float64Array[], v: Float64Array[], p: number, q: number): void {
  const [ap, aq] = [a[p]!, a[q]!];
  if (ap[q] === 0) return;
  const theta = (aq[q]! - ap[p]!) / (2 * ap[q]!);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  for (const row of a) {
    const [x, y] = [row[p]!, row[q]!];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  }
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [ap[k]!, aq[k]!];
    ap[k] = c * x - s * y;
    aq[k] = s * x + c * y;
  }
  for (const row of v) {
    const [x, y] = [row[p]!, row[q]!];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  }
}

/** The Hessian's spectral density by stochastic Lanczos quadrature. */
import {
  array,
  jit,
  matmul,
  random,
  reshape,
  type Tensor,
  transpose,
  tree,
  vmap,
  zeros,
} from "../../src/index.js";
import { checkCount, probe } from "./hessian-trace.js";
import { hessianRows, orthonormal, rowsAt, withRows } from "./krylov.js";
import { type Objective, release } from "./objective.js";
import { symmetricEigen } from "./symmetric-eigen.js";

export interface DensityOptions {
  /** Random probes. Default 8. */
  readonly probes?: number;
  /** Lanczos steps of each. Default 60. */
  readonly iterations?: number;
  /** Probes in one vmap. Default: all. */
  readonly chunk?: number;
  /** Points of the grid. Default 512. */
  readonly points?: number;
  /** Standard deviation of the Gaussian that smooths, relative to the spectrum's width. Default 0.01. */
  readonly width?: number;
}

export interface SpectralDensity {
  /** The quadrature's nodes and weights, probe by probe; each probe's weights add up to 1. */
  readonly nodes: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
  /** The smoothed density on a grid: its integral is 1. */
  readonly grid: readonly number[];
  readonly density: readonly number[];
  /** Standard deviation of the smoothing, in eigenvalues. */
  readonly sigma: number;
}

const extend = jit(
  (Q: Tensor, HQ: Tensor, images: Tensor, at: Tensor, keys: Tensor) => {
    const one = (basis: Tensor, imageRows: Tensor, image: Tensor, key: Tensor) => [
      withRows(basis, orthonormal(basis, image, key), at.add(1)),
      withRows(imageRows, image, at),
    ];
    return vmap(one)(Q, HQ, images, keys) as [Tensor, Tensor];
  },
  { name: "Lanczos step", donateArgnums: [0, 1] },
);

const project = jit((Q: Tensor, HQ: Tensor) => matmul(Q, transpose(HQ, [0, 2, 1])), {
  name: "Lanczos matrices",
});

/** Gaussian sums of all probes on a grid that reaches beyond every node. */
export function smoothed(
  nodes: readonly (readonly number[])[],
  weights: readonly (readonly number[])[],
  { points = 512, width = 0.01 }: DensityOptions = {},
): Pick<SpectralDensity, "grid" | "density" | "sigma"> {
  const all = nodes.flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const sigma = width * Math.max(high - low, 1e-6 * Math.max(1, Math.abs(high)));
  const from = low - 5 * sigma;
  const step = (high - low + 10 * sigma) / (points - 1);
  const grid = Array.from({ length: points }, (_, i) => from + i * step);
  const scale = 1 / (Math.sqrt(2 * Math.PI) * sigma * nodes.length);
  const density = grid.map((t) =>
    nodes.reduce(
      (total, row, p) =>
        total +
        row.reduce(
          (s, x, i) => s + weights[p]![i]! * scale * Math.exp(-0.5 * ((t - x) / sigma) ** 2),
          0,
        ),
      0,
    ),
  );
  return { grid, density, sigma };
}

/**
 * The density of the Hessian's eigenvalues by stochastic Lanczos quadrature with full
 * re-orthogonalisation (Ubaru, Chen & Saad 2017; Ghorbani et al. 2019; the method of PyHessian): for a
 * random unit vector the eigenvalues of Lanczos' matrix are nodes, and the squared first components of
 * its eigenvectors are weights.
 *
 * ```ts
 * const loss = (w: Tensor) => w.mul(w).mul(array([1, 1, 2])).sum();
 * const d = await spectralDensity(loss, array([1, 1, 1]), random.key(0), { probes: 2 });
 * const trace = d.nodes[0]!.reduce((s, x, i) => s + 3 * x * d.weights[0]![i]!, 0);
 * Math.round(trace * 1000) / 1000; // 8
 * ```
 */
export async function spectralDensity<P>(
  objective: Objective<P>,
  params: P,
  key: Tensor,
  options: DensityOptions = {},
): Promise<SpectralDensity> {
  const op = "spectralDensity";
  const { probes = 8, chunk = probes } = options;
  const size = tree.size(params);
  const iterations = Math.min(options.iterations ?? 60, size);
  for (const [name, value] of Object.entries({ probes, chunk, iterations })) {
    checkCount(op, name, value);
  }
  checkCount(op, "points", options.points ?? 512);
  const products = hessianRows(op, objective);
  const start = jit(
    (p: P, keys: Tensor) =>
      vmap((k: Tensor) => tree.ravel(probe(p, k))[0].mul(1 / Math.sqrt(size)))(keys),
    { name: "Lanczos start" },
  );
  const nodes: number[][] = [];
  const weights: number[][] = [];
  const keys = random.split(key, probes);
  for (let from = 0; from < probes; from += chunk) {
    const part = keys.slice([from, 0], [Math.min(probes, from + chunk), 2]);
    const lanes = part.shape[0]!;
    const first = start(params, part);
    const matrices = await lanczos(params, products, first, part, iterations, [lanes, size]);
    for (const T of matrices) {
      const { values, vectors } = symmetricEigen(T);
      nodes.push([...values]);
      weights.push(vectors.map((v) => v[0]! ** 2));
    }
    release([part, first]);
  }
  keys.dispose();
  return { nodes, weights, ...smoothed(nodes, weights, options) };
}

/** Lanczos' matrices of the start vectors: H projected on each lane's Krylov space. */
async function lanczos<P>(
  params: P,
  products: (params: P, rows: Tensor) => Promise<Tensor>,
  first: Tensor,
  keys: Tensor,
  iterations: number,
  [lanes, size]: readonly [number, number],
): Promise<number[][][]> {
  // One row more for the vector that the last step makes and nobody uses.
  const shape = [lanes, iterations + 1, size];
  const put = jit((Q: Tensor, v: Tensor, at: Tensor) => vmap(withRows, [0, 0, null])(Q, v, at));
  const pick = jit((Q: Tensor, at: Tensor) =>
    reshape(vmap((q: Tensor) => rowsAt(q, at, 1))(Q), [lanes, size]),
  );
  let Q = put(zeros(shape), first, array(0, { dtype: "int32" }));
  let HQ = zeros(shape);
  for (let j = 0; j < iterations; j++) {
    const at = array(j, { dtype: "int32" });
    const rows = pick(Q, at);
    const images = await products(params, rows);
    [Q, HQ] = extend(Q, HQ, images, at, keys);
    release([at, rows, images]);
  }
  const T = project(Q, HQ);
  const matrices = (await T.toArray()) as number[][][];
  release([T, Q, HQ]);
  return matrices.map((m) => m.slice(0, iterations).map((row) => row.slice(0, iterations)));
}

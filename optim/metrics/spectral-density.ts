/** The Hessian's spectral density by stochastic Lanczos quadrature. */
import {
  arange,
  array,
  jit,
  matmul,
  random,
  reshape,
  scan,
  stack,
  type Tensor,
  transpose,
  tree,
  vmap,
  zeros,
} from "../../src/index.js";
import { checkCount, probe } from "./hessian-trace.js";
import { hessianRows, hessianTimes, orthonormal, rowsAt, withRows } from "./krylov.js";
import { type LossOfParams, type Objective, release } from "./objective.js";
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

/** What a step of Lanczos makes of the bases and of H times their rows `at`, for every probe. */
interface Step {
  /** The bases with the next row. */
  readonly bases: Tensor;
  /** Column `at` of every probe's matrix Q H Qᵀ, as far as Q is known: its upper triangle. */
  readonly columns: Tensor;
}

function extend(bases: Tensor, images: Tensor, at: Tensor, keys: Tensor): Step {
  const one = (Q: Tensor, image: Tensor, key: Tensor): Step => ({
    bases: withRows(Q, orthonormal(Q, image, key), at.add(1)),
    columns: matmul(Q, image),
  });
  return vmap(one)(bases, images, keys);
}

const index = (i: number): Tensor => array(i, { dtype: "int32" });

/** Row `at` of every basis. */
const rowsOf = (bases: Tensor, at: Tensor): Tensor =>
  vmap((Q: Tensor) => reshape(rowsAt(Q, at, 1), [-1]))(bases);

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
  const start = (p: P, keys: Tensor): Tensor => {
    const first = vmap((k: Tensor) => tree.ravel(probe(p, k))[0].mul(1 / Math.sqrt(size)))(keys);
    // One row more for the vector that the last step makes and nobody uses.
    return vmap((v: Tensor) => withRows(zeros([iterations + 1, size]), v, index(0)))(first);
  };
  const columns =
    typeof objective === "function"
      ? inOneProgram(op, objective, start, iterations)
      : stepByStep(op, objective, start, iterations);
  const nodes: number[][] = [];
  const weights: number[][] = [];
  const keys = random.split(key, probes);
  for (let from = 0; from < probes; from += chunk) {
    const part = keys.slice([from, 0], [Math.min(probes, from + chunk), 2]);
    const found = await columns(params, part);
    const matrices = ((await found.toArray()) as number[][][]).map(symmetric);
    for (const T of matrices) {
      const { values, vectors } = symmetricEigen(T);
      nodes.push([...values]);
      weights.push(vectors.map((v) => v[0]! ** 2));
    }
    release([part, found]);
  }
  keys.dispose();
  return { nodes, weights, ...smoothed(nodes, weights, options) };
}

/** [lanes, iterations, iterations + 1]: the columns of each probe's matrix. */
type Columns<P> = (params: P, keys: Tensor) => Tensor | Promise<Tensor>;
type Start<P> = (params: P, keys: Tensor) => Tensor;

/** All steps of all probes in one program: nothing is read back until they are done. */
function inOneProgram<P>(
  op: string,
  loss: LossOfParams<P>,
  start: Start<P>,
  iterations: number,
): Columns<P> {
  return jit(
    (params: P, keys: Tensor) => {
      const products = hessianTimes(loss);
      const [, found] = scan(
        (bases: Tensor, at: Tensor) => {
          const next = extend(bases, products(params, rowsOf(bases, at)), at, keys);
          return [next.bases, next.columns] as const;
        },
        start(params, keys),
        arange(iterations, { dtype: "int32" }),
      );
      return transpose(found, [1, 0, 2]);
    },
    { name: op },
  );
}

/** A program a step, with the products' mean over the data's batches. */
function stepByStep<P>(
  op: string,
  objective: Objective<P>,
  start: Start<P>,
  iterations: number,
): Columns<P> {
  const products = hessianRows(op, objective);
  const begin = jit(start, { name: `${op}: start` });
  const pick = jit(rowsOf, { name: `${op}: rows` });
  const next = jit(extend, { name: `${op}: step`, donateArgnums: 0 });
  const join = jit((found: Tensor[]) => stack(found, 1), { name: `${op}: columns` });
  return async (params, keys) => {
    let bases = begin(params, keys);
    const found: Tensor[] = [];
    for (let j = 0; j < iterations; j++) {
      const at = index(j);
      const rows = pick(bases, at);
      const images = await products(params, rows);
      const step = next(bases, images, at, keys);
      bases = step.bases;
      found.push(step.columns);
      release([at, rows, images]);
    }
    const all = join(found);
    release([bases, found]);
    return all;
  };
}

/** A symmetric matrix from the rows that hold its upper triangle's columns. */
const symmetric = (columns: readonly (readonly number[])[]): number[][] =>
  columns.map((_, i) => columns.map((_, j) => columns[Math.max(i, j)]![Math.min(i, j)]!));

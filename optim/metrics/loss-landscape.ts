/** The loss on a line or a plane through the parameters. */
import { array, DawngradError, stack, type Tensor, tree, vmap } from "../../src/index.js";
import { checkCount } from "./hessian-trace.js";
import { averaged, type LossOfParams, type Objective, release } from "./objective.js";

export interface LandscapeOptions {
  /** Points along each direction. Default 25. */
  readonly points?: number;
  /** From where to where, in multiples of the directions. Default [−1, 1]. */
  readonly range?: readonly [number, number];
  /** Points in one vmap: more are faster and take more memory. Default 16. */
  readonly chunk?: number;
}

export interface LossLandscape {
  /** Coordinates along the first direction. */
  readonly x: readonly number[];
  /** Coordinates along the second; [0] for a line. */
  readonly y: readonly number[];
  /** loss[i][j] at params + x[j]·d1 + y[i]·d2. */
  readonly loss: readonly (readonly number[])[];
}

/**
 * The loss on a grid in the plane of two directions (or on a line along one): `randomDirections`,
 * `gradientDirection`, eigenvectors of `topEigenvalues`, or any trees like the parameters. Grid points
 * are lanes of a vmap, in chunks.
 *
 * ```ts
 * const loss = (w: Tensor) => w.mul(w).sum();
 * const { x, loss: values } = await lossLandscape(loss, array([1, 0]), [array([1, 0])], { points: 3 });
 * x; // [-1, 0, 1]
 * values; // [[0, 1, 4]]
 * ```
 */
export async function lossLandscape<P>(
  objective: Objective<P>,
  params: P,
  directions: readonly [P] | readonly [P, P],
  { points = 25, range: [from, to] = [-1, 1], chunk = 16 }: LandscapeOptions = {},
): Promise<LossLandscape> {
  const op = "lossLandscape";
  checkCount(op, "points", points);
  checkCount(op, "chunk", chunk);
  if (!(from < to)) throw new DawngradError(`${op}: the range [${from}, ${to}] is empty`);
  const x = Array.from({ length: points }, (_, i) =>
    points === 1 ? from : from + ((to - from) * i) / (points - 1),
  );
  const y = directions.length === 1 ? [0] : x;
  const [d1, d2 = d1] = directions;
  const evaluate = averaged(
    op,
    objective,
    (loss: LossOfParams<P>) => (p: P, u: P, v: P, at: Tensor) => {
      const one = (a: Tensor, b: Tensor) => loss(tree.axpy(b, v, tree.axpy(a, u, p)));
      const [as, bs] = [at.slice([0, 0], [1, lanes]), at.slice([1, 0], [2, lanes])];
      return vmap(one)(as.reshape([lanes]), bs.reshape([lanes])) as Tensor;
    },
  );
  const grid = y.flatMap((b) => x.map((a) => [a, b] as const));
  const lanes = Math.min(chunk, grid.length);
  const values: number[] = [];
  for (let start = 0; start < grid.length; start += lanes) {
    const part = grid.slice(start, start + lanes);
    // The last chunk is filled up, so that one program serves.
    const padded = Array.from({ length: lanes }, (_, i) => part[i] ?? part[0]!);
    const at = stack([array(padded.map(([a]) => a)), array(padded.map(([, b]) => b))]);
    const losses = await evaluate(params, d1, d2, at);
    values.push(...[...(await losses.data())].slice(0, part.length));
    release([at, losses]);
  }
  return { x, y, loss: y.map((_, i) => values.slice(i * x.length, (i + 1) * x.length)) };
}

/** What is measured of a network: accuracy, curvature, approximation ratio, landscape. */
import { argmax, array, equal, jit, random, sum, type Tensor, where } from "dawngrad";
import { type AnyLayer, softmaxCrossEntropy } from "dawngrad/nn";
import {
  approximationRatio,
  gradientNorm,
  gradientNorms,
  hutchinsonTrace,
  lossLandscape,
  overData,
  randomDirections,
  topEigenvalues,
} from "dawngrad/optim";
import { type Batches, iterate } from "./batches.js";
import { finishedLoss, type Labelled, type Params, type State } from "./networks.js";
import type { Measuring } from "./settings.js";

export interface Network {
  readonly params: Params;
  readonly state: State;
}

export interface Score {
  readonly accuracy: number;
  readonly loss: number;
}

/** Accuracy and mean loss over batches; with `among`, where only these labels are decided between. */
export function scorer(
  model: AnyLayer,
): (n: Network, data: Batches, among?: readonly number[]) => Promise<Score> {
  const score = jit(
    (params: Params, state: State, batch: Labelled, allowed: Tensor | null) => {
      const [all] = model.apply(params, state, batch.x);
      const logits = allowed === null ? all : where(allowed, all, -1e30);
      return {
        right: sum(equal(argmax(logits, -1), batch.y)),
        loss: sum(softmaxCrossEntropy(logits, batch.y)),
      };
    },
    { name: "score" },
  );
  return async ({ params, state }, data, among) => {
    let [right, loss, count] = [0, 0, 0];
    let allowed: Tensor | null = null;
    for await (const batch of iterate(data)) {
      if (among && !allowed) {
        const classes = model.apply(params, state, batch.x)[0].shape.at(-1)!;
        allowed = array(
          Array.from({ length: classes }, (_, k) => among.includes(k)),
          { dtype: "bool" },
        );
      }
      const found = score(params, state, batch, allowed);
      right += await found.right.item();
      loss += await found.loss.item();
      count += batch.y.size;
      found.right.dispose();
      found.loss.dispose();
    }
    return { accuracy: right / count, loss: loss / count };
  };
}

export interface Curvature {
  /** Norm of the full-data gradient, and the mean over mini-batches of 128 of their norms. */
  readonly gradientNorm: number;
  readonly meanBatchNorm: number;
  readonly trace: number;
  readonly traceError: number;
  readonly topEigenvalue: number;
  readonly topResidual: number;
  /** Trace over full-data gradient norm. */
  readonly normalizedTrace: number;
}

/** The same probes for every network, so that they are compared alike. */
const probeSeed = 17;

export async function curvatureOf(
  model: AnyLayer,
  { params, state }: Network,
  batches: Batches,
  m: Measuring,
): Promise<Curvature> {
  const loss = finishedLoss(model, state);
  const data = overData(loss, batches);
  const norm = await gradientNorm(data, params);
  const norms = await gradientNorms(loss, params, iterate(batches));
  const trace = await hutchinsonTrace(data, params, random.key(probeSeed), {
    probes: m.probes,
    chunk: Math.min(m.probes, 8),
  });
  const top = await topEigenvalues(data, params, random.key(probeSeed + 1), {
    iterations: m.lanczos,
    tolerance: 1e-3,
  });
  for (const v of top.vectors) disposeAll(v);
  return {
    gradientNorm: norm,
    meanBatchNorm: norms.meanOfBatches,
    trace: trace.mean,
    traceError: trace.standardError,
    topEigenvalue: top.values[0]!,
    topResidual: top.residuals[0]!,
    normalizedTrace: trace.mean / norm,
  };
}

export interface Ratio {
  readonly ratio: number;
  readonly standardError: number;
}

export async function ratioOf(
  model: AnyLayer,
  { params, state }: Network,
  batches: Batches,
  rho: number,
): Promise<Ratio> {
  const data = overData(finishedLoss(model, state), batches);
  const { ratio, standardError } = await approximationRatio(data, params, { rho });
  return { ratio, standardError };
}

export interface Landscape {
  readonly axis: readonly number[];
  readonly loss: readonly (readonly number[])[];
}

/** Loss in the plane of two random directions: the same Gaussian numbers for every network. */
export async function landscapeOf(
  model: AnyLayer,
  { params, state }: Network,
  batches: Batches,
  m: Measuring,
): Promise<Landscape> {
  const directions = randomDirections(params, random.key(probeSeed + 2));
  const { x, loss } = await lossLandscape(
    overData(finishedLoss(model, state), batches),
    params,
    directions,
    { points: m.grid, range: [-m.reach, m.reach], chunk: 7 },
  );
  disposeAll(directions);
  return { axis: x, loss };
}

function disposeAll(x: unknown): void {
  if (x !== null && typeof x === "object") {
    if ("dispose" in x) (x as Tensor).dispose();
    else for (const v of Object.values(x)) disposeAll(v);
  }
}

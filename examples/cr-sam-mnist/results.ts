/** What a run found, and its file. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { MethodName, Options } from "./options.js";

/** One method trained from one seed. */
export interface Run {
  readonly method: MethodName;
  readonly seed: number;
  /** After each epoch. */
  readonly epochs: readonly EpochResult[];
  /** Of all test images, at the end. */
  readonly testAccuracy: number;
  readonly testLoss: number;
  readonly curvature: Curvature;
  readonly landscape: Landscape;
  /** Median over the epochs after the first, loading included. */
  readonly msPerStep: number;
}

export interface EpochResult {
  /** Mean over the epoch's steps of the mini-batch loss at the weights of that step. */
  readonly trainLoss: number;
  /** Of the first test images only. */
  readonly monitorAccuracy: number;
  readonly monitorLoss: number;
}

/** Flatness at the end of training, on one set of test images for all runs. */
export interface Curvature {
  readonly gradientNorm: number;
  /** Hutchinson's estimate of the Hessian's trace. */
  readonly trace: number;
  readonly traceStandardError: number;
  /** C(w): trace over gradient norm. */
  readonly normalizedTrace: number;
}

/** Loss at w + t·v, v the unit gradient at w, on one set of training images for all runs. */
export interface Landscape {
  readonly distance: readonly number[];
  readonly loss: readonly number[];
}

/** What one training step of a method does on the device. */
export interface StepCost {
  /** As explain() says. */
  readonly dispatches: number;
  readonly submits: number;
  /** As counted in a warm step. */
  readonly counted: { readonly dispatches: number; readonly submits: number };
}

export interface Results {
  /** False if the run was interrupted: there are fewer runs then. */
  readonly complete: boolean;
  readonly device: string;
  readonly data: {
    readonly train: string;
    readonly test: string;
    readonly wrongLabels: number;
  };
  readonly options: Options;
  readonly labels: Readonly<Partial<Record<MethodName, string>>>;
  readonly parameters: number;
  readonly stepsPerEpoch: number;
  /** How many test images the results after each epoch are of. */
  readonly monitored: number;
  readonly costs: Readonly<Partial<Record<MethodName, StepCost>>>;
  /** CR-SAM spelled out against the library's. */
  readonly agreement: { readonly difference: number; readonly bound: number } | null;
  readonly runs: readonly Run[];
}

/** The methods that have runs, in the order of the command line. */
export const methodsOf = (results: Results): MethodName[] =>
  results.options.optimizers.filter((m) => results.runs.some((r) => r.method === m));

export const runsOf = (results: Results, method: MethodName): Run[] =>
  results.runs.filter((r) => r.method === method);

export async function writeJson(file: string, results: Results): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
}

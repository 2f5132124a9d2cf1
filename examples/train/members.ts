/** The sharpness-aware family by name, each member with the options that it takes. */

import type { Tensor } from "dawngrad";
import {
  aeSam,
  type CrSamOptions,
  crSam,
  esam,
  type GradFn,
  gnp,
  gsam,
  lookSam,
  type RegulariserOptions,
  rSam,
  type StatefulGradFn,
  saf,
  sam,
  ssam,
  wsam,
} from "dawngrad/optim";
import type { Options } from "./options.js";

export interface LabelledBatch {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly indices: Tensor;
}

export type Plain = GradFn<unknown, unknown, LabelledBatch, Tensor, unknown>;
/** A gradient function with a state, null for most members. */
export type Gradient = StatefulGradFn<unknown, unknown, unknown, LabelledBatch, Tensor, unknown>;

/** What members need to know of the run. */
export interface Extent {
  readonly steps: number;
  readonly examples: number;
  readonly classes: number;
}

/** Options that are about sharpness: a member has some of them. */
export const sharpnessOptions = [
  "rho",
  "adaptive",
  "alpha",
  "beta",
  "variant",
  "floor",
  "negative",
  "direction",
  "through",
  "curvature",
  "surrogateGap",
  "cr",
  "every",
  "gamma",
  "sigma",
  "sparsity",
  "mask",
  "lambda",
  "perPart",
] as const satisfies readonly (keyof Options)[];
export type SharpnessOption = (typeof sharpnessOptions)[number];

type Member = {
  takes(options: Options): readonly SharpnessOption[];
} & (
  | { readonly stateless: (options: Options) => (gradFn: Plain) => Plain }
  // Each member's state is its own affair.
  | { readonly stateful: (options: Options, extent: Extent) => (gradFn: Plain) => unknown }
);

const perturbation = ({ rho, adaptive }: Options) => ({ rho, adaptive });
const perturbed = ["rho", "adaptive"] as const;

/** Without a floor the logarithms of the paper's form have no lower bound, and training collapses. */
const usualFloor = 0.1;

function regulariser({ alpha = 0.1, beta, variant, floor, negative }: Options): RegulariserOptions {
  const [A = usualFloor, B = A] = floor ?? [];
  return { alpha, beta, variant, floor: { A, B }, ...(negative ? { negative } : {}) };
}
const regularised = ["alpha", "beta", "variant", "floor", "negative"] as const;

const crOptions = (o: Options): CrSamOptions => ({
  ...perturbation(o),
  ...regulariser(o),
  direction: o.direction ?? "gradient",
  through: o.through ?? "stop",
  curvature: o.curvature ?? "finite-difference",
  surrogateGap: o.surrogateGap ?? 0,
});
const crTakes = [...regularised, "direction", "through", "curvature", "surrogateGap"] as const;

/** CR-SAM in the place of SAM, on request. */
const inner = (o: Options) => (o.cr ? { member: crSam(crOptions(o)) } : {});

const both = [...perturbed, "perPart"] as const;

export const members = {
  sam: { takes: () => both, stateless: (o) => sam(perturbation(o)) },
  gnp: {
    takes: () => [...both, "alpha"],
    stateless: (o) => gnp({ ...perturbation(o), alpha: o.alpha ?? 0.8 }),
  },
  gsam: {
    takes: () => [...both, "alpha"],
    stateless: (o) => gsam({ ...perturbation(o), alpha: o.alpha ?? 0.4 }),
  },
  "r-sam": {
    takes: () => [...both, "sigma"],
    stateless: (o) => rSam({ ...perturbation(o), sigma: o.sigma ?? 0.01 }),
  },
  wsam: {
    takes: () => [...both, "gamma"],
    stateless: (o) => wsam({ ...perturbation(o), gamma: o.gamma ?? 0.9 }),
  },
  esam: {
    takes: ({ cr }) => [...both, "gamma", "cr", ...(cr ? regularised : [])],
    stateless: (o) =>
      esam({
        ...perturbation(o),
        exampleShare: o.gamma ?? 0.5,
        ...(o.cr ? { curvature: regulariser(o) } : {}),
      }),
  },
  "cr-sam": { takes: () => [...both, ...crTakes], stateless: (o) => crSam(crOptions(o)) },
  "look-sam": {
    takes: ({ cr }) => [...perturbed, "every", "cr", ...(cr ? crTakes : [])],
    stateful: (o) => lookSam({ ...perturbation(o), every: o.every ?? 5, ...inner(o) }),
  },
  "ae-sam": {
    takes: ({ cr }) => [...perturbed, "cr", ...(cr ? crTakes : [])],
    stateful: (o, { steps }) => aeSam({ ...perturbation(o), steps, ...inner(o) }),
  },
  ssam: {
    takes: () => [...perturbed, "every", "sparsity", "mask"],
    stateful: (o, { steps }) =>
      ssam({
        ...perturbation(o),
        steps,
        samples: "batch",
        variant: o.mask ?? "fisher",
        sparsity: o.sparsity ?? 0.5,
        updateEvery: o.every ?? 100,
      }),
  },
  saf: {
    takes: () => ["lambda"],
    stateful: ({ lambda = 0.3 }, { examples, classes }) => saf({ examples, classes, lambda }),
  },
} as const satisfies Record<string, Member>;

export type MemberName = keyof typeof members;

/** A member as a gradient function with a state; `parts` makes one gradient of several parts of a batch. */
export function memberOf(
  name: MemberName,
  options: Options,
  extent: Extent,
  gradFn: Plain,
  parts: (gradFn: Plain) => Plain,
): Gradient {
  const member: Member = members[name];
  if ("stateful" in member) return member.stateful(options, extent)(parts(gradFn)) as Gradient;
  const sharp = member.stateless(options);
  return withoutState(options.perPart ? parts(sharp(gradFn)) : sharp(parts(gradFn)));
}

export const withoutState = (f: Plain): Gradient => ({
  init: () => null,
  apply: (own, params, state, batch, key) => [f(params, state, batch, key), own],
});

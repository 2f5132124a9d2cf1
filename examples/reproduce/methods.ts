/** The methods that are compared, each with its control. */
import { maximum, mul, type Tensor, tree } from "dawngrad";
import { crSam, type GradFn, rSam, sam } from "dawngrad/optim";
import type { Experiment, Hyper, MethodName } from "./settings.js";

const short = (x: number): string => String(Number(x.toPrecision(3)));

export function labelOf(name: MethodName, { optimizer }: Pick<Experiment, "optimizer">): string {
  return {
    base: optimizer === "sgd" ? "SGD" : "AdamW",
    sam: "SAM",
    "sam-double": "SAM at 2ρ",
    "r-sam": "R-SAM",
    "cr-sam": "CR-SAM (code)",
    "cr-sam-control": "SAM at ρ(1+2β)",
    "cr-sam-paper": "CR-SAM (paper)",
    "cr-sam-paper-control": "SAM at ρ+β/‖g‖",
  }[name];
}

/**
 * What a method is compared with: what the paper compares it with, and its control, which says
 * whether it does more than a larger radius would.
 */
export const comparedWith: Partial<Record<MethodName, readonly MethodName[]>> = {
  sam: ["base"],
  "sam-double": ["sam"],
  "r-sam": ["sam"],
  "cr-sam": ["sam", "cr-sam-control", "sam-double"],
  "cr-sam-paper": ["sam", "cr-sam-paper-control", "sam-double"],
};

/** The radius of a method, before what multiplies it. */
function radiusOf(name: MethodName, h: Hyper): number {
  switch (name) {
    case "cr-sam":
    case "cr-sam-control":
      return h.codeRho ?? h.rho;
    case "cr-sam-paper":
    case "cr-sam-paper-control":
      return h.paperRho ?? h.rho;
    default:
      return h.rho;
  }
}

/** The hyperparameters that a method uses, as text. */
export function settingsOf(name: MethodName, h: Hyper): string {
  const base = `lr ${short(h.lr)}, wd ${short(h.weightDecay)}`;
  const rho = radiusOf(name, h);
  const sharp = `${base}, ρ ${short(rho)}`;
  switch (name) {
    case "base":
      return base;
    case "r-sam":
      return `${sharp}, σ ${short(h.sigma)}`;
    case "sam-double":
      return `${base}, ρ ${short(2 * rho)}`;
    case "cr-sam-control":
      return `${base}, ρ ${short(rho * (1 + 2 * h.beta))}`;
    case "cr-sam":
      return `${sharp}, α ${short(h.alpha)}, β ${short(h.beta)}`;
    case "cr-sam-paper-control":
      return `${sharp}, β ${short(h.paperBeta)}, floor ${short(h.floorB)}`;
    case "cr-sam-paper":
      return `${sharp}, α ${short(h.paperAlpha)}, β ${short(h.paperBeta)}, floors ${short(h.floorA)}, ${short(h.floorB)}`;
    default:
      return sharp;
  }
}

type Base<P, S, B> = GradFn<P, S, B, Tensor, null>;
type Gradient<P, S, B> = GradFn<P, S, B, Tensor, unknown>;

/** `lanes` is CR-SAM's: whether its two perturbed passes are one vmap, or the same kernels twice. */
export function gradientFunction<P, S, B>(
  name: MethodName,
  base: Base<P, S, B>,
  h: Hyper,
  lanes: "vmap" | "sequential" = "vmap",
): Gradient<P, S, B> {
  const rho = radiusOf(name, h);
  switch (name) {
    case "base":
      return base;
    case "sam":
      return sam({ rho })(base);
    case "sam-double":
      return sam({ rho: 2 * rho })(base);
    case "r-sam":
      return rSam({ rho, sigma: h.sigma })(base);
    case "cr-sam":
      return crSam({ rho, alpha: h.alpha, beta: h.beta, lanes })(base);
    case "cr-sam-control":
      return sam({ rho: rho * (1 + 2 * h.beta) })(base);
    case "cr-sam-paper":
      return crSam({
        variant: "paper",
        rho,
        alpha: h.paperAlpha,
        beta: h.paperBeta,
        floor: { A: h.floorA, B: h.floorB },
        lanes,
      })(base);
    case "cr-sam-paper-control":
      return paperControl(base, h, rho);
  }
}

/**
 * What the paper's form is on a quadratic, where A says nothing: SAM at ρ(1 + 2β/max(B, τ)) with
 * B = 2ρ‖g‖, which without a floor is ρ + β/‖g‖.
 */
const paperControl =
  <P, S, B>(base: Base<P, S, B>, h: Hyper, radius: number): Gradient<P, S, B> =>
  (params, state, batch, key) => {
    // The member's own clean pass is this one: one program computes it once.
    const { grads } = base(params, state, batch, key);
    const slope = maximum(mul(tree.norm(grads), 2 * radius), h.floorB);
    const rho = slope
      .pow(-1)
      .mul(2 * h.paperBeta)
      .add(1)
      .mul(radius);
    return sam({ rho })(base)(params, state, batch, key);
  };

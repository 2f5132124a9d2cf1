/** CR-SAM: sharpness-aware minimisation with a curvature regulariser, from three points. */
import {
  add,
  DawngradError,
  full,
  isTensor,
  logicalOr,
  mean,
  mul,
  random,
  sub,
  type Tensor,
  type TensorLike,
  tree,
} from "../../src/index.js";
import type { GradFn } from "../gradient.js";
import { type SharpnessTransform, sharpResult } from "./aux.js";
import {
  alongUnit,
  combine,
  hessianTimes,
  orthogonalTo,
  type Perturbation,
  type Point,
  pointsBesides,
  reciprocalOrZero,
} from "./core.js";
import { exactCurvature } from "./exact.js";
import { checkAmount, checkChoice } from "./options.js";
import { effectiveFloor, isFloored, type Negative, roundingFloor, slopeOf } from "./regulariser.js";

/** A floor for the curvature A ~ ρ² and one for the slope B ~ ρ. */
export interface Floors {
  readonly A: TensorLike;
  readonly B: TensorLike;
}

export interface CrSamOptions {
  /** Radius of the perturbation. Default 0.1. Numbers here may be scalar tensors (schedules). */
  readonly rho?: TensorLike;
  /** Weight of the curvature term. Default 0.1. */
  readonly alpha?: TensorLike;
  /** Weight of the slope term. Default 0.01. */
  readonly beta?: TensorLike;
  /**
   * "code" (default): the authors' published code, which regularises α·A + β·B. "paper": equation 7,
   * α·log A + β·log B, which divides by A and B.
   */
  readonly variant?: "code" | "paper";
  /**
   * Below its floor τ the logarithm goes on as a straight line (see `negative`). One number for both
   * A and B, or one each. Default: the least that float32 rounding of the losses allows, which is
   * also the lower bound of any other.
   */
  readonly floor?: TensorLike | Floors;
  /**
   * The paper form where A or B is under its floor, negative values included: "linear" pulls with
   * 1/τ, "zero" not at all for values <= 0, "softabs" uses ½·log(x² + τ²) everywhere. Default
   * "linear", and "softabs" for exact curvature (the log|·| of its definition).
   */
  readonly negative?: Negative;
  /** v: the normalised gradient (default), or a random unit direction drawn from the step's key. */
  readonly direction?: "gradient" | "normal" | "rademacher";
  /** "stop" (default) holds v constant; "full" differentiates through v = g/‖g‖ too. */
  readonly through?: "stop" | "full";
  /**
   * "finite-difference" (default): A and B from the losses at w ± ρv. "exact": A = ρ²·L″ and
   * B = 2ρ·L′ from derivatives along v (jvp of jvp), with their exact gradients.
   */
  readonly curvature?: "finite-difference" | "exact";
  /** The passes at w ± ρv as one vmap (default), or one after the other in less memory. */
  readonly lanes?: "vmap" | "sequential";
}

/** CR-SAM's quantities, all float32 scalars. */
export interface CrSamAux {
  /** Losses at w, w + ρv, w − ρv. */
  readonly L0: Tensor;
  readonly Lp: Tensor;
  readonly Lm: Tensor;
  /** L₊ + L₋ − 2·L0, about ρ²·vᵀHv. */
  readonly A: Tensor;
  /** L₊ − L₋, about 2ρ·vᵀg. */
  readonly B: Tensor;
  /** ‖∇L(w)‖₂. */
  readonly gradNorm: Tensor;
  /** The step is c0·g0 + cp·g₊ + cm·g₋ (finite differences, v held constant). */
  readonly c0: Tensor;
  readonly cp: Tensor;
  readonly cm: Tensor;
  /** 1 where a floor replaced the logarithm of A or B, else 0: its mean is a share of steps. */
  readonly clamped: Tensor;
}

/** foldIn of the step's key for a random direction: dropout keeps the key itself. */
const directionSalt = 0x5d1ec7;

function randomDirection<P>(params: P, key: unknown, kind: "normal" | "rademacher"): P {
  if (!isTensor(key)) {
    throw new DawngradError(
      `crSam: direction "${kind}" draws from the step's key, but the key is ${key === null ? "null" : typeof key}; ` +
        "call the gradient function with a random.key(...) of this step",
    );
  }
  const [leaves, def] = tree.flatten(params);
  const base = random.foldIn(key, directionSalt);
  return def.unflatten(
    (leaves as Tensor[]).map((w, i) => {
      const k = random.foldIn(base, i);
      return kind === "normal"
        ? random.normal(k, w.shape)
        : random.rademacher(k, w.shape, { dtype: "float32" });
    }),
  ) as P;
}

const scalar = (x: TensorLike): Tensor => (isTensor(x) ? x : full([], x, { dtype: "float32" }));

/**
 * Differences of losses, along random directions example by example before the mean: there they are
 * small against the losses, whose mean would round them away.
 */
function differences<P>(clean: Point<P>, plus: Point<P>, minus: Point<P>, byExample: boolean) {
  const l0 = clean.perExample;
  const lp = plus.perExample;
  const lm = minus.perExample;
  if (byExample && l0 && lp && lm) {
    return { A: mean(sub(sub(lp, l0), sub(l0, lm))), B: mean(sub(lp, lm)) };
  }
  return {
    A: sub(sub(plus.loss, clean.loss), sub(clean.loss, minus.loss)),
    B: sub(plus.loss, minus.loss),
  };
}

/** The slopes φ′(A)·α and φ′(B)·β, and whether a floor was in effect. */
interface Weights {
  readonly a: TensorLike;
  readonly b: TensorLike;
  readonly clamped: Tensor;
}

function weights(
  options: CrSamOptions,
  { A, B }: { readonly A: Tensor; readonly B: Tensor },
  rounding: TensorLike,
): Weights {
  const { alpha = 0.1, beta = 0.01, variant = "code", curvature = "finite-difference" } = options;
  if (variant === "code") return { a: alpha, b: beta, clamped: scalar(0) };
  const negative = options.negative ?? (curvature === "exact" ? "softabs" : "linear");
  const floor = options.floor ?? 0;
  const floors: Floors =
    typeof floor === "object" && !isTensor(floor) ? floor : { A: floor, B: floor };
  const tauA = effectiveFloor(floors.A, rounding);
  const tauB = effectiveFloor(floors.B, rounding);
  return {
    a: mul(slopeOf(A, tauA, negative), alpha),
    b: mul(slopeOf(B, tauB, negative), beta),
    clamped: logicalOr(isFloored(A, tauA, negative), isFloored(B, tauB, negative)).astype(
      "float32",
    ),
  };
}

function auxOf<P>(
  clean: Point<P>,
  { plus, minus, A, B }: { plus: Point<P>; minus: Point<P>; A: Tensor; B: Tensor },
  gradNorm: Tensor,
  { a, b, clamped }: Weights,
): CrSamAux {
  return {
    L0: clean.loss,
    Lp: plus.loss,
    Lm: minus.loss,
    A,
    B,
    gradNorm,
    c0: scalar(mul(a, -2)),
    cp: scalar(add(add(a, b), 1)),
    cm: scalar(sub(a, b)),
    clamped,
  };
}

function check(options: CrSamOptions): void {
  checkAmount("crSam", "rho", options.rho ?? 0);
  checkAmount("crSam", "alpha", options.alpha ?? 0);
  checkAmount("crSam", "beta", options.beta ?? 0);
  checkChoice("crSam", "variant", options.variant ?? "code", ["code", "paper"]);
  checkChoice("crSam", "negative", options.negative ?? "linear", ["linear", "zero", "softabs"]);
  checkChoice("crSam", "through", options.through ?? "stop", ["stop", "full"]);
  checkChoice("crSam", "lanes", options.lanes ?? "vmap", ["vmap", "sequential"]);
  checkChoice("crSam", "direction", options.direction ?? "gradient", [
    "gradient",
    "normal",
    "rademacher",
  ]);
  checkChoice("crSam", "curvature", options.curvature ?? "finite-difference", [
    "finite-difference",
    "exact",
  ]);
  const { floor } = options;
  if (typeof floor === "object" && !isTensor(floor)) {
    checkAmount("crSam", "floor.A", floor.A);
    checkAmount("crSam", "floor.B", floor.B);
  } else checkAmount("crSam", "floor", floor ?? 0);
}

/**
 * CR-SAM (Wu, Luo, Wunsch, AAAI 2024): with v = g0/‖g0‖, L± = L(w ± ρv) and g± their gradients,
 *
 *     A = L₊ + L₋ − 2·L0        B = L₊ − L₋
 *     step = g₊ + a·(g₊ + g₋ − 2·g0) + b·(g₊ − g₋)
 *
 * where a = α, b = β in the published code and a = α/A, b = β/B in the paper (equation 7: the
 * gradient of α·log A + β·log B), guarded by a floor. Loss and gradient at w ± ρv come from one vmap
 * over the sign. `rho: 0` is the base gradient bit for bit, and a gradient of zero gives v = 0.
 *
 * The result's loss and state are the clean pass's; every pass uses the same key.
 *
 * ```ts
 * const loss = (w: Tensor, state: null, c: Tensor) => ({ loss: w.mul(w).mul(c).sum(), state });
 * const step = crSam({ rho: 0.05, alpha: 0.1, beta: 0.01 })(gradientOf(loss));
 * const { grads } = step(array([3, 1]), null, array([0.5, 2]), null);
 * await grads.toArray(); // [3.0306, 4.1632]
 * ```
 */
export function crSam(options: CrSamOptions = {}): SharpnessTransform<CrSamAux> {
  check(options);
  const { rho = 0.1, direction = "gradient", through = "stop", lanes = "vmap" } = options;
  const exact = options.curvature === "exact";
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>) =>
    (params: P, state: S, batch: B, key: K) => {
      const at = [params, state, batch, key] as const;
      const clean = gradFn(params, state, batch, key);
      const gradNorm = tree.norm(clean.grads);
      if (rho === 0) {
        // A literal 0 needs no other pass: the program is that of the base gradient.
        const still = { plus: clean, minus: clean, A: scalar(0), B: scalar(0) };
        const rounding = roundingFloor(clean.loss, clean.loss, clean.loss);
        const aux = auxOf(clean, still, gradNorm, weights(options, still, rounding));
        return sharpResult(clean, clean.grads, aux);
      }
      const raw = direction === "gradient" ? clean.grads : randomDirection(params, key, direction);
      const length = direction === "gradient" ? gradNorm : tree.norm(raw);
      const move: Perturbation<P> = alongUnit(raw, rho, length);
      const { plus, minus } = pointsBesides(gradFn, at, move, clean, lanes);
      const v = (): P => tree.scale(raw, reciprocalOrZero(length));
      const derivatives = exact ? exactCurvature(gradFn, at, v(), rho) : undefined;
      const { A, B } = derivatives ?? differences(clean, plus, minus, direction !== "gradient");
      const rounding = exact ? 0 : roundingFloor(clean.loss, plus.loss, minus.loss);
      const w = weights(options, { A, B }, rounding);
      let grads = derivatives
        ? tree.axpy(w.b, derivatives.gradB, tree.axpy(w.a, derivatives.gradA, plus.grads))
        : combine(clean, plus, minus, w.a, w.b);
      if (through === "full" && direction === "gradient") {
        // ∂(objective)/∂e by the chain rule through v = g/‖g‖, whose derivative is (I − vvᵀ)·H/‖g‖.
        const u = derivatives
          ? tree.axpy(mul(w.a, 2), derivatives.halfGradA, plus.grads)
          : tree.axpy(add(add(w.a, w.b), 1), plus.grads, tree.scale(minus.grads, sub(w.b, w.a)));
        const Hu = hessianTimes(gradFn, at, orthogonalTo(v(), u));
        grads = tree.axpy(mul(reciprocalOrZero(gradNorm), rho), Hu, grads);
      }
      return sharpResult(clean, grads, auxOf(clean, { plus, minus, A, B }, gradNorm, w));
    };
}

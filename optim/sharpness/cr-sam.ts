/** CR-SAM: sharpness-aware minimisation with a curvature regulariser, from three points. */
import {
  add,
  mul,
  neg,
  random,
  sub,
  type Tensor,
  type TensorLike,
  tree,
  vjp,
} from "../../src/index.js";
import type { GradFn } from "../gradient.js";
import { type SharpnessTransform, sharpResult } from "./aux.js";
import { type Arguments, hessianTimes, type Point, pointsBesides } from "./core.js";
import { type ExactCurvature, exactCurvature } from "./exact.js";
import { orthogonalPart } from "./gsam.js";
import { checkAmount, checkChoice } from "./options.js";
import { checkPerturbation, type PerturbOptions, perturb } from "./perturb.js";
import { randomDirection, salts, stepKey } from "./random-tree.js";
import { roundingFloor } from "./regulariser.js";
import {
  checkRegulariser,
  coefficients,
  combine,
  differences,
  type RegulariserOptions,
  type Slopes,
  scalar,
  slopes,
} from "./three-point.js";

export interface CrSamOptions extends Partial<PerturbOptions>, RegulariserOptions {
  /** Radius of the perturbation. Default 0.1. Numbers here may be scalar tensors (schedules). */
  readonly rho?: TensorLike;
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
  /**
   * Take the differences of losses example by example, before the mean, where the loss function
   * returns `perExample`. Default: along random directions, where the mean's rounding would drown them.
   */
  readonly perExample?: boolean;
  /** Weight of GSAM's ascent along the part of g0 orthogonal to g₊. Default 0. */
  readonly surrogateGap?: TensorLike;
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

export function auxOf<P>(
  [clean, plus, minus]: readonly [Point<P>, Point<P>, Point<P>],
  { A, B }: { readonly A: Tensor; readonly B: Tensor },
  gradNorm: Tensor,
  w: Slopes,
): CrSamAux {
  return {
    ...{ L0: clean.loss, Lp: plus.loss, Lm: minus.loss, A, B, gradNorm },
    ...coefficients(w),
    clamped: w.clamped,
  };
}

function check(options: CrSamOptions): void {
  checkPerturbation("crSam", { ...options, rho: options.rho ?? 0.1 });
  checkRegulariser("crSam", options);
  checkAmount("crSam", "surrogateGap", options.surrogateGap ?? 0);
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
}

/**
 * What v = g/‖g‖ adds when it is not held constant: (∂e/∂w)ᵀ·u = H·(∂e/∂g)ᵀ·u, where u is the
 * objective's derivative by e. The inner factor is (ρ/‖g‖)(I − vvᵀ) unless adaptive or masked.
 */
function throughDirection<P, S, B, K, A>(
  gradFn: GradFn<P, S, B, K, A>,
  at: Arguments<P, S, B, K>,
  grads: P,
  options: PerturbOptions,
  u: P,
): P {
  const e = (g: P): P => perturb("crSam", at[0], g, options).e;
  const [, pullback] = vjp(e, grads);
  return hessianTimes(gradFn, at, pullback(u)[0] as P);
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
 * With `adaptive`, e = ρv is ASAM's perturbation; with `surrogateGap`, GSAM's term is added; LookSAM,
 * AE-SAM and ESAM take CR-SAM's options or crSam itself.
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
  const { surrogateGap = 0, perExample = direction !== "gradient" } = options;
  const moving: PerturbOptions = { ...options, rho };
  const exact = options.curvature === "exact";
  const negative = options.negative ?? (exact ? "softabs" : "linear");
  return <P, S, B, K, A>(gradFn: GradFn<P, S, B, K, A>) =>
    (params: P, state: S, batch: B, key: K) => {
      const at = [params, state, batch, key] as const;
      const clean = gradFn(params, state, batch, key);
      const gradNorm = tree.norm(clean.grads);
      if (rho === 0) {
        // A literal 0 needs no other pass: the program is that of the base gradient.
        const still = { A: scalar(0), B: scalar(0) };
        const w = slopes(
          options,
          still,
          roundingFloor(clean.loss, clean.loss, clean.loss),
          negative,
        );
        return sharpResult(clean, clean.grads, auxOf([clean, clean, clean], still, gradNorm, w));
      }
      const raw = direction === "gradient" ? clean.grads : drawn(params, key, direction);
      const move = perturb("crSam", params, raw, moving);
      const { plus, minus } = pointsBesides(gradFn, at, move, clean, lanes);
      const derivatives = exact ? exactCurvature(gradFn, at, move.unit, rho) : undefined;
      const d = derivatives ?? differences([clean, plus, minus], perExample, batch);
      const rounding = exact ? 0 : roundingFloor(clean.loss, plus.loss, minus.loss);
      const w = slopes(options, d, rounding, negative);
      let grads = derivatives
        ? tree.axpy(w.b, derivatives.gradB, tree.axpy(w.a, derivatives.gradA, plus.grads))
        : combine(clean, plus, minus, w);
      if (through === "full" && direction === "gradient") {
        const u = byPerturbation(plus, minus, derivatives, w);
        grads = tree.add(grads, throughDirection(gradFn, at, clean.grads, moving, u));
      }
      if (surrogateGap !== 0) {
        grads = tree.axpy(neg(surrogateGap), orthogonalPart(clean.grads, plus.grads), grads);
      }
      return sharpResult(clean, grads, auxOf([clean, plus, minus], d, gradNorm, w));
    };
}

const drawn = <P>(params: P, key: unknown, kind: "normal" | "rademacher"): P =>
  randomDirection(
    params,
    random.foldIn(stepKey("crSam", `direction "${kind}"`, key), salts.direction),
    kind,
  );

/** The objective's derivative by e, up to multiples of g0 (which the unit direction does not see). */
function byPerturbation<P>(
  plus: Point<P>,
  minus: Point<P>,
  exact: ExactCurvature<P> | undefined,
  { a, b }: Slopes,
): P {
  if (exact) return tree.axpy(mul(a, 2), exact.halfGradA, plus.grads);
  // ∂L₊/∂e = g₊ and ∂L₋/∂e = −g₋: (1 + a + b)·g₊ + (b − a)·g₋.
  return tree.axpy(sub(b, a), minus.grads, tree.scale(plus.grads, add(add(a, b), 1)));
}

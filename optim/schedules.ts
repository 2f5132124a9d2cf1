/**
 * Learning-rate schedules: functions of the step, an int32 scalar that counts updates from 0 (a number
 * works too). optax's formulas. They are traced like everything else, so a compiled training step
 * takes the rate from its own step count.
 */
import {
  asarray,
  clip,
  cos,
  DawngradError,
  div,
  floor,
  full,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  pow,
  type Tensor,
  type TensorLike,
  where,
} from "../src/index.js";

/** A value for each step. */
export type Schedule = (step: TensorLike) => Tensor;

const asFloat = (step: TensorLike): Tensor => asarray(step).astype("float32");

function checkSteps(op: string, name: string, value: number): void {
  if (!(value > 0))
    throw new DawngradError(`${op}: ${name} is ${value}; give a positive number of steps`);
}

/**
 * The same value at every step (optax.constant_schedule).
 *
 * ```ts
 * await constant(0.5)(7).item(); // 0.5
 * ```
 */
export const constant =
  (value: number): Schedule =>
  () =>
    full([], value, { dtype: "float32" });

/**
 * Linear from `initValue` to `endValue` over `steps`, starting at `begin`, and constant on both sides
 * (optax.linear_schedule).
 *
 * ```ts
 * await linear(1, 0, 10)(5).item(); // 0.5
 * ```
 */
export function linear(initValue: number, endValue: number, steps: number, begin = 0): Schedule {
  checkSteps("linear", "steps", steps);
  return (step) => {
    const left = div(clip(asFloat(step).sub(begin), 0, steps), steps)
      .neg()
      .add(1);
    return mul(left, initValue - endValue).add(endValue);
  };
}

/**
 * From `initValue` to `alpha`·`initValue` over `decaySteps` along half a cosine, then constant
 * (optax.cosine_decay_schedule): initValue·((1 − α)·(½(1 + cos(π·t/decaySteps)))^exponent + α).
 *
 * ```ts
 * await cosine(2, 10)(5).item(); // 1
 * ```
 */
export function cosine(
  initValue: number,
  decaySteps: number,
  { alpha = 0, exponent = 1 }: { readonly alpha?: number; readonly exponent?: number } = {},
): Schedule {
  checkSteps("cosine", "decaySteps", decaySteps);
  return (step) => {
    const t = minimum(asFloat(step), decaySteps);
    const half = cos(mul(t, Math.PI / decaySteps))
      .add(1)
      .mul(0.5);
    const curve = exponent === 1 ? half : pow(half, exponent);
    return curve
      .mul(1 - alpha)
      .add(alpha)
      .mul(initValue);
  };
}

export interface WarmupCosineOptions {
  /** Value at step 0. Default 0. */
  readonly initValue?: number;
  /** Value at the end of the warm-up. */
  readonly peakValue: number;
  readonly warmupSteps: number;
  /** Length of the whole schedule, warm-up included. */
  readonly decaySteps: number;
  /** Value at the end. Default 0. */
  readonly endValue?: number;
  readonly exponent?: number;
}

/**
 * Linear warm-up to `peakValue`, then cosine decay to `endValue` (optax.warmup_cosine_decay_schedule).
 *
 * ```ts
 * const rate = warmupCosine({ peakValue: 1, warmupSteps: 10, decaySteps: 20 });
 * await rate(5).item(); // 0.5
 * ```
 */
export function warmupCosine(options: WarmupCosineOptions): Schedule {
  const { initValue = 0, peakValue, warmupSteps, decaySteps, endValue = 0, exponent = 1 } = options;
  if (!(warmupSteps >= 0 && decaySteps > warmupSteps)) {
    throw new DawngradError(
      `warmupCosine: warmupSteps is ${warmupSteps} and decaySteps ${decaySteps}; the warm-up is part of ` +
        "decaySteps and must be shorter",
    );
  }
  const alpha = peakValue === 0 ? 0 : endValue / peakValue;
  const decay = cosine(peakValue, decaySteps - warmupSteps, { alpha, exponent });
  if (warmupSteps === 0) return decay;
  const warmup = linear(initValue, peakValue, warmupSteps);
  return (step) => {
    const t = asFloat(step);
    return where(less(t, warmupSteps), warmup(t), decay(maximum(t.sub(warmupSteps), 0)));
  };
}

/**
 * `initValue`, multiplied by each scale from its boundary on (optax.piecewise_constant_schedule).
 *
 * ```ts
 * await piecewise(1, { 10: 0.1, 20: 0.5 })(15).item(); // 0.1
 * ```
 */
export function piecewise(initValue: number, scales: Readonly<Record<number, number>>): Schedule {
  const boundaries = Object.entries(scales).map(([at, scale]) => [Number(at), scale] as const);
  const wrong = boundaries.find(([at, scale]) => !(at >= 0) || !(scale >= 0));
  if (wrong) {
    throw new DawngradError(
      `piecewise: the boundary ${wrong[0]} with scale ${wrong[1]} is not valid; both must be numbers >= 0`,
    );
  }
  return (step) => {
    const t = asFloat(step);
    return boundaries.reduce<Tensor>(
      (value, [at, scale]) => value.mul(where(greaterEqual(t, at), scale, 1)),
      full([], initValue, { dtype: "float32" }),
    );
  };
}

export interface ExponentialOptions {
  /** The decay starts after this step. Default 0. */
  readonly transitionBegin?: number;
  /** Decay in whole transitions instead of smoothly. */
  readonly staircase?: boolean;
  /** Bound of the value: a lower one where decayRate < 1, else an upper one. */
  readonly endValue?: number;
}

/**
 * initValue·decayRate^(t/transitionSteps) (optax.exponential_decay).
 *
 * ```ts
 * await exponential(1, 10, 0.5)(20).item(); // 0.25
 * ```
 */
export function exponential(
  initValue: number,
  transitionSteps: number,
  decayRate: number,
  options: ExponentialOptions = {},
): Schedule {
  checkSteps("exponential", "transitionSteps", transitionSteps);
  if (!(decayRate > 0)) {
    throw new DawngradError(`exponential: decayRate is ${decayRate}; give a positive number`);
  }
  const { transitionBegin = 0, staircase = false, endValue } = options;
  return (step) => {
    const t = asFloat(step).sub(transitionBegin);
    const p = div(t, transitionSteps);
    const decayed = pow(decayRate, staircase ? floor(p) : p).mul(initValue);
    const value = where(lessEqual(t, 0), initValue, decayed);
    if (endValue === undefined) return value;
    return decayRate < 1 ? maximum(value, endValue) : minimum(value, endValue);
  };
}

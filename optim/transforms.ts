/** The small transformations that optimizers are chains of. optax's names and meaning. */
import {
  add,
  clip as clipValues,
  div,
  equal,
  expm1,
  maximum,
  mul,
  neg,
  sign,
  sqrt,
  square,
  type Tensor,
  tree,
  where,
} from "../src/index.js";
import { type Mask, maskLeaves } from "./combinators.js";
import {
  type Coefficient,
  checkDecay,
  checkNumber,
  coefficientState,
  fields,
  firstStep,
  nextStep,
  type Transformation,
  takeCoefficient,
  zerosOf,
} from "./transformation.js";
import { mapTrees } from "./trees.js";

/**
 * Multiply by a number, a tensor or a schedule's value (optax.scale, optax.scale_by_schedule).
 *
 * ```ts
 * const [u] = scale(3).update(array([1, 2]), null, array([0, 0]));
 * await u.toArray(); // [3, 6]
 * ```
 */
export const scale = (factor: Coefficient): Transformation => ({
  init: () => coefficientState(factor),
  update(grads, state) {
    const [value, next] = takeCoefficient(factor, state);
    return [mapTrees((g) => mul(g, value), grads), next];
  },
});

/** Multiply by the schedule's value at the number of updates so far (optax.scale_by_schedule). */
export const scaleBySchedule = (
  schedule: Coefficient & ((step: Tensor) => unknown),
): Transformation => scale(schedule);

/** Multiply by minus the learning rate: the step downhill (optax.scale_by_learning_rate). */
export function scaleByLearningRate(learningRate: Coefficient): Transformation {
  checkNumber("scaleByLearningRate", "learningRate", learningRate);
  if (typeof learningRate === "function") return scale((step) => neg(learningRate(step)));
  return scale(typeof learningRate === "number" ? -learningRate : neg(learningRate));
}

/**
 * Add `weightDecay`·params (optax.add_decayed_weights); with a mask only on the leaves it selects,
 * such as weights but no biases.
 */
export function addDecayedWeights(weightDecay: Coefficient, mask?: Mask): Transformation {
  checkNumber("addDecayedWeights", "weightDecay", weightDecay);
  return {
    init: () => coefficientState(weightDecay),
    update(grads, state, params) {
      const [value, next] = takeCoefficient(weightDecay, state);
      const decayed = (g: Tensor, p: Tensor): Tensor => add(g, mul(p, value));
      if (mask === undefined) return [mapTrees(decayed, grads, params), next];
      const chosen = maskLeaves("addDecayedWeights", mask, params);
      let i = 0;
      return [mapTrees((g, p) => (chosen[i++] ? decayed(g, p) : g), grads, params), next];
    },
  };
}

/** Clip every element to ±maxDelta (optax.clip). */
export function clip(maxDelta: number): Transformation {
  checkNumber("clip", "maxDelta", maxDelta);
  return {
    init: () => null,
    update: (grads, state) => [mapTrees((g) => clipValues(g, -maxDelta, maxDelta), grads), state],
  };
}

/**
 * Scale the whole gradient down to the norm `maxNorm` where it is longer (optax.clip_by_global_norm).
 * With a sharpness-aware gradient function this clips the final gradient.
 */
export function clipByGlobalNorm(maxNorm: number): Transformation {
  checkNumber("clipByGlobalNorm", "maxNorm", maxNorm, Number.MIN_VALUE);
  return {
    init: () => null,
    update(grads, state) {
      const norm = tree.norm(grads);
      // Exactly 1 up to maxNorm, and no division by zero.
      const factor = div(maxNorm, maximum(norm, maxNorm));
      return [mapTrees((g) => mul(g, factor), grads), state];
    },
  };
}

export interface TraceOptions {
  /** Share of the buffer that is kept. */
  readonly decay: number;
  /** Look ahead: g + decay·buffer. */
  readonly nesterov?: boolean;
  /** Weight 1 − dampening for gradients after the first, as in PyTorch. */
  readonly dampening?: number;
}

/** Momentum: buffer = decay·buffer + g (optax.trace); the first buffer is the first gradient. */
export function trace({ decay, nesterov = false, dampening = 0 }: TraceOptions): Transformation {
  checkNumber("trace", "decay", decay, 0, 1);
  checkNumber("trace", "dampening", dampening, 0, 1);
  return {
    init: (params) => ({
      trace: zerosOf(params),
      // Only dampening treats the first step differently.
      count: dampening === 0 ? null : firstStep(),
    }),
    update(grads, state) {
      const { trace: before, count } = fields("trace", state, "trace", "count");
      const fresh = count === null ? 1 : where(equal(count as Tensor, 0), 1, 1 - dampening);
      const buffer = mapTrees<typeof grads>(
        (b, g) => add(mul(b, decay), count === null ? g : mul(g, fresh)),
        before,
        grads,
      );
      const updates = nesterov
        ? mapTrees<typeof grads>((g, b) => add(g, mul(b, decay)), grads, buffer)
        : buffer;
      return [
        updates,
        { trace: buffer as never, count: count === null ? null : nextStep(count as Tensor) },
      ];
    },
  };
}

/**
 * 1 − decay^t without the cancellation of the literal form, which in float32 is wrong in the fifth
 * digit at decay = 0.999, t = 1.
 */
const biasCorrection = (decay: number, t: Tensor): Tensor =>
  decay === 0 ? t.mul(0).add(1) : neg(expm1(mul(t, Math.log(decay))));

const moving = (decay: number) => (average: Tensor, x: Tensor) =>
  add(mul(average, decay), mul(x, 1 - decay));

export interface EmaOptions {
  readonly decay: number;
  /** Correct the bias towards the zeros that the average starts from. Default true. */
  readonly debias?: boolean;
}

/** Exponential moving average of the updates (optax.ema). */
export function ema({ decay, debias = true }: EmaOptions): Transformation {
  checkDecay("ema", "decay", decay);
  return {
    init: (params) => ({ ema: zerosOf(params), count: firstStep() }),
    update(grads, state) {
      const { ema: before, count } = fields("ema", state, "ema", "count");
      const next = nextStep(count as Tensor);
      const average = mapTrees<typeof grads>(moving(decay), before, grads);
      const bias = biasCorrection(decay, next.astype("float32"));
      return [
        debias ? mapTrees((m) => div(m, bias), average) : average,
        { ema: average as never, count: next },
      ];
    },
  };
}

export interface AdamRule {
  readonly b1?: number;
  readonly b2?: number;
  /** Added outside the root. */
  readonly eps?: number;
}

/** m̂/(√v̂ + eps) with bias-corrected moving averages m of g and v of g² (Kingma & Ba 2015). */
export function scaleByAdam({ b1 = 0.9, b2 = 0.999, eps = 1e-8 }: AdamRule = {}): Transformation {
  checkDecay("scaleByAdam", "b1", b1);
  checkDecay("scaleByAdam", "b2", b2);
  checkNumber("scaleByAdam", "eps", eps);
  return {
    init: (params) => ({ mu: zerosOf(params), nu: zerosOf(params), count: firstStep() }),
    update(grads, state) {
      const before = fields("scaleByAdam", state, "mu", "nu", "count");
      const count = nextStep(before.count as Tensor);
      const t = count.astype("float32");
      const mu = mapTrees<typeof grads>(moving(b1), before.mu, grads);
      const nu = mapTrees<typeof grads>((v, g) => moving(b2)(v, square(g)), before.nu, grads);
      const c1 = biasCorrection(b1, t);
      const c2 = biasCorrection(b2, t);
      const updates = mapTrees<typeof grads>(
        (m, v) => div(div(m, c1), add(sqrt(div(v, c2)), eps)),
        mu,
        nu,
      );
      return [updates, { mu: mu as never, nu: nu as never, count }];
    },
  };
}

export interface RmsRule {
  readonly decay?: number;
  /** Added outside the root. */
  readonly eps?: number;
  /** Divide by the standard deviation instead: subtract the squared moving mean. */
  readonly centered?: boolean;
}

/** g/(√v + eps) with the moving average v of g² (PyTorch's RMSprop, without momentum). */
export function scaleByRms({
  decay = 0.99,
  eps = 1e-8,
  centered = false,
}: RmsRule = {}): Transformation {
  checkDecay("scaleByRms", "decay", decay);
  checkNumber("scaleByRms", "eps", eps);
  return {
    init: (params) => ({ nu: zerosOf(params), mu: centered ? zerosOf(params) : null }),
    update(grads, state) {
      const before = fields("scaleByRms", state, "nu", "mu");
      const nu = mapTrees<typeof grads>((v, g) => moving(decay)(v, square(g)), before.nu, grads);
      const over = (g: Tensor, v: Tensor): Tensor => div(g, add(sqrt(v), eps));
      if (!centered) return [mapTrees(over, grads, nu), { nu: nu as never, mu: null }];
      const mu = mapTrees<typeof grads>(moving(decay), before.mu, grads);
      // Rounding may leave a variance slightly below zero.
      const updates = mapTrees<typeof grads>(
        (g, v, m) => over(g, maximum(v.sub(square(m)), 0)),
        grads,
        nu,
        mu,
      );
      return [updates, { nu: nu as never, mu: mu as never }];
    },
  };
}

export interface LionRule {
  readonly b1?: number;
  readonly b2?: number;
}

/** sign(b1·m + (1 − b1)·g), then m = b2·m + (1 − b2)·g (Chen et al. 2023). */
export function scaleByLion({ b1 = 0.9, b2 = 0.99 }: LionRule = {}): Transformation {
  checkDecay("scaleByLion", "b1", b1);
  checkDecay("scaleByLion", "b2", b2);
  return {
    init: (params) => ({ mu: zerosOf(params) }),
    update(grads, state) {
      const before = fields("scaleByLion", state, "mu").mu;
      const updates = mapTrees<typeof grads>((m, g) => sign(moving(b1)(m, g)), before, grads);
      return [updates, { mu: mapTrees(moving(b2), before, grads) }];
    },
  };
}

/** Distributions that are functions of the basic ones, as jax.random makes them. */
import type { Shape } from "../../core/aval.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { div, mul, neg, pow } from "../ops/arithmetic.js";
import { astype } from "../ops/cast.js";
import { exp, log, log1p, sqrt } from "../ops/exponential.js";
import { floor } from "../ops/rounding.js";
import { exponential, normal, uniform } from "./continuous.js";

/** The smallest normal float32: what logarithms take in place of 0. */
const TINY = 2 ** -126;

/**
 * e to the power sigma · z with z standard normal (jax.random.lognormal).
 *
 * ```ts
 * const x = await random.lognormal(random.key(0), 1, [8]).data();
 * x.every((v) => v > 0); // true
 * ```
 */
export const lognormal = (k: Tensor, sigma: TensorLike = 1, shape: Shape = []): Tensor =>
  operation("random.lognormal", () => exp(mul(normal(k, shape), sigma)));

/**
 * Rayleigh with a scale (jax.random.rayleigh): scale · √(-2 log u).
 *
 * ```ts
 * (await random.rayleigh(random.key(0), 1, [8]).data()).length; // 8
 * ```
 */
export const rayleigh = (k: Tensor, scale: TensorLike = 1, shape: Shape = []): Tensor =>
  operation("random.rayleigh", () => {
    const u = uniform(k, shape, { minval: TINY });
    return mul(sqrt(mul(log(u), -2)), scale);
  });

/**
 * Weibull for minima (jax.random.weibull_min): scale · (-log(1 - u))^(1 / concentration).
 *
 * ```ts
 * (await random.weibullMin(random.key(0), 1, 2, [8]).data()).length; // 8
 * ```
 */
export const weibullMin = (
  k: Tensor,
  scale: TensorLike,
  concentration: TensorLike,
  shape: Shape = [],
): Tensor =>
  operation("random.weibullMin", () =>
    mul(pow(neg(log1p(neg(uniform(k, shape)))), div(1, concentration)), scale),
  );

/**
 * Pareto on [1, ∞) with exponent b (jax.random.pareto): e^(x / b) with x exponential.
 *
 * ```ts
 * const x = await random.pareto(random.key(0), 3, [8]).data();
 * x.every((v) => v >= 1); // true
 * ```
 */
export const pareto = (k: Tensor, b: TensorLike, shape: Shape = []): Tensor =>
  operation("random.pareto", () => exp(div(exponential(k, shape), b)));

/**
 * Maxwell (jax.random.maxwell): the length of a standard normal vector in three dimensions.
 *
 * ```ts
 * (await random.maxwell(random.key(0), [8]).data()).length; // 8
 * ```
 */
export const maxwell = (k: Tensor, shape: Shape = []): Tensor =>
  operation("random.maxwell", () =>
    sqrt(
      normal(k, [...shape, 3])
        .square()
        .sum(-1),
    ),
  );

/**
 * Number of trials until the first success with probability p, int32 (jax.random.geometric):
 * ⌊log u / log(1 - p)⌋ + 1.
 *
 * ```ts
 * const x = await random.geometric(random.key(0), 0.5, [8]).data();
 * x.every((v) => v >= 1); // true
 * ```
 */
export const geometric = (k: Tensor, p: TensorLike, shape: Shape = []): Tensor =>
  operation("random.geometric", () => {
    const u = uniform(k, shape, { minval: TINY });
    return astype(floor(div(log(u), log1p(neg(p)))), "int32").add(1);
  });

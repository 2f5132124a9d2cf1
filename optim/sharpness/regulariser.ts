/**
 * CR-SAM's regulariser: φ_τ, the logarithm with a linear foot, and its slope. The step only ever
 * needs the slope.
 */
import {
  abs,
  add,
  div,
  greater,
  lessEqual,
  maximum,
  mul,
  square,
  type Tensor,
  type TensorLike,
  where,
} from "../../src/index.js";

/** What a curvature or slope below the floor means; see `slopeOf`. */
export type Negative = "linear" | "zero" | "softabs";

/** Keeps a division by the floor finite in float32 where everything is exactly zero. */
const tiny = 2 ** -100;

/**
 * The smallest floor that rounding allows: 64·2⁻²⁴·(|L₊| + |L₋| + 2|L0|), the size of what float32
 * rounding leaves of a difference of losses.
 */
export const roundingFloor = (L0: Tensor, Lp: Tensor, Lm: Tensor): Tensor =>
  mul(add(add(abs(Lp), abs(Lm)), mul(abs(L0), 2)), 64 * 2 ** -24);

/** The floor in effect: the given one, never under the rounding floor nor zero. */
export const effectiveFloor = (given: TensorLike, rounding: TensorLike): Tensor =>
  maximum(maximum(given, rounding), tiny);

/**
 * φ_τ′(x), where φ_τ(x) = x/τ up to τ and 1 + log(x/τ) above:
 * - "linear": 1/max(x, τ);
 * - "zero": the same, but 0 for x <= 0, so that negative values are not driven down;
 * - "softabs": φ = ½·log(x² + τ²) everywhere, φ′ = x/(x² + τ²), which drives |x| down.
 */
export function slopeOf(x: Tensor, floor: Tensor, negative: Negative): Tensor {
  switch (negative) {
    case "linear":
      return div(1, maximum(x, floor));
    case "zero":
      return where(greater(x, 0), div(1, maximum(x, floor)), 0);
    case "softabs": {
      // Divided by the larger of the two first, so that no square over- or underflows.
      const m = maximum(abs(x), floor);
      const xm = div(x, m);
      return div(div(xm, m), add(square(xm), square(div(floor, m))));
    }
  }
}

/** 1 where the floor, not the logarithm, gave the slope. */
export const isFloored = (x: Tensor, floor: Tensor, negative: Negative): Tensor =>
  lessEqual(negative === "softabs" ? abs(x) : x, floor);

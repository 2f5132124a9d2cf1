/** Powers of integers by integers. */
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import { like } from "./atoms.js";

/**
 * x to the power y of two integer arrays, modulo 2^32, by squaring: the bits of y say which of x, x², x⁴, …
 * are factors. 1 / xⁿ of a negative exponent is rounded toward zero as `div` rounds, so it is 0 unless x is
 * 1 or −1 (and for x = 0, where numpy throws).
 */
export function wholePower(x: Atom, y: Atom): Atom {
  const [zero, one] = [like(x, 0), like(x, 1)];
  const bits = x.aval.dtype === "uint32" ? 32 : 31;
  let power = one;
  let square = x;
  let rest = y;
  for (let i = 0; i < bits; i++) {
    const factor = prims.ne(prims.and(rest, one), zero);
    power = prims.select(factor, prims.mul(power, square), power);
    if (i === bits - 1) break;
    square = prims.mul(square, square);
    rest = prims.shiftRightLogical(rest, one);
  }
  if (x.aval.dtype === "uint32") return power;
  const unit = prims.eq(prims.abs(x), one);
  const odd = prims.ne(prims.and(y, one), zero);
  const inverse = prims.select(unit, prims.select(odd, x, one), zero);
  return prims.select(prims.lt(y, zero), inverse, power);
}

/** The elementwise family, every name. */
export * from "./arcs.js";
export { add, div, mul, neg, sub } from "./arithmetic.js";
export * from "./compare.js";
export { bitcast, convert, isFinite, isNan } from "./convert.js";
export { erf, erfc, erfInv } from "./error-function.js";
export { exp, expm1, log, log1p, logistic, rsqrt, sqrt } from "./exponential.js";
export { digamma, lgamma, polygamma } from "./gamma.js";
export * from "./hyperbolic.js";
export * from "./logic.js";
export * from "./power.js";
export { relu } from "./rectify.js";
export { rem } from "./remainder.js";
export { abs, ceil, floor, max, min, round, sign } from "./rounding.js";
export * from "./select.js";
export { threefry2x32 } from "./threefry.js";
export { cos, sin, tan } from "./trigonometric.js";

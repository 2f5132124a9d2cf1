/** The elementwise family, every name. */
export * from "./arithmetic.js";
export * from "./compare.js";
export { bitcast, convert, isFinite, isNan } from "./convert.js";
export * from "./exponential.js";
export * from "./logic.js";
export { abs, ceil, floor, max, min, round, sign } from "./rounding.js";
export * from "./select.js";

/** Special functions. Integers become float32. */
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { elementwise } from "./promote.js";

const FLOAT = { float: true } as const;

/**
 * Error function (scipy.special.erf).
 *
 * ```ts
 * await erf(array([0, 1])).toArray(); // [0, 0.842701]
 * ```
 */
export const erf = (x: TensorLike): Tensor => elementwise("erf", [x], prims.erf, FLOAT);

/**
 * 1 - erf(x), accurate for large x (scipy.special.erfc).
 *
 * ```ts
 * await erfc(array([0, 1])).toArray(); // [1, 0.157299]
 * ```
 */
export const erfc = (x: TensorLike): Tensor => elementwise("erfc", [x], prims.erfc, FLOAT);

/**
 * Inverse error function (lax.erf_inv): ±Infinity at ±1.
 *
 * ```ts
 * await erfInv(array([0, 0.5])).toArray(); // [0, 0.476936]
 * ```
 */
export const erfInv = (x: TensorLike): Tensor => elementwise("erfInv", [x], prims.erfInv, FLOAT);

/**
 * log |Γ(x)| (scipy.special.gammaln).
 *
 * ```ts
 * await lgamma(array([1, 5])).toArray(); // [0, 3.17805]
 * ```
 */
export const lgamma = (x: TensorLike): Tensor => elementwise("lgamma", [x], prims.lgamma, FLOAT);

/**
 * Derivative of log Γ(x) (scipy.special.digamma).
 *
 * ```ts
 * await digamma(array([1])).toArray(); // [-0.577216]
 * ```
 */
export const digamma = (x: TensorLike): Tensor => elementwise("digamma", [x], prims.digamma, FLOAT);

/** Exactly the k largest of many values, without sorting them. */
import {
  add,
  arange,
  bitcast,
  cumsum,
  equal,
  expandDims,
  greater,
  greaterEqual,
  leftShift,
  lessEqual,
  logicalAnd,
  logicalOr,
  sub,
  sum,
  type Tensor,
  type TensorLike,
} from "../../src/index.js";

const radixBits = 4;

/**
 * True at the `k` largest of non-negative float32 values `[n]`; of equal ones the first count. `k` is an
 * integer from 1 to n, or a tensor.
 *
 * Bits of non-negative floats are in the order of their values, so the k-th largest is found digit by
 * digit: eight rounds that each count the values above sixteen candidates.
 */
export function topMask(values: Tensor, k: TensorLike): Tensor {
  const bits = bitcast(values, "uint32");
  const digits = arange(2 ** radixBits).astype("uint32");
  let threshold = bitcast(values.slice([0], [1]).mul(0), "uint32").reshape([]);
  for (let shift = 32 - radixBits; shift >= 0; shift -= radixBits) {
    const candidates = add(leftShift(digits, shift), threshold);
    const counts = sum(
      greaterEqual(expandDims(bits, 0), expandDims(candidates, 1)).astype("int32"),
      1,
    );
    // Counts fall with the digit, and that of 0 is at least k: the last with at least k.
    const digit = sub(sum(greaterEqual(counts, k).astype("int32")), 1);
    threshold = add(threshold, leftShift(digit.astype("uint32"), shift));
  }
  const above = greater(bits, threshold);
  const ties = equal(bits, threshold);
  const room = sub(k, sum(above.astype("int32")));
  return logicalOr(above, logicalAnd(ties, lessEqual(cumsum(ties.astype("int32")), room)));
}

/** How far the device is from the reference, in the units of a primitive's declared error. */
import type { NdArray } from "../../src/core/ndarray.js";
import type { ErrorBound, Primitive } from "../../src/ir/primitive.js";
import { casesOf } from "./elementwise-domains.js";
import { runElementwise } from "./elementwise-kernel.js";

export interface Measured {
  readonly prim: Primitive;
  /** Largest error in units of 2^-23 relative to the result, beyond the bound's absolute part. */
  ulp: number;
  /** Largest |error| / allowed. */
  share: number;
  compared: number;
  /** The worst offence against the bound, if any. */
  failure?: string;
}

const smallestNormal = 2 ** -126;
const largest = 3.4028234663852886e38;

/** |got - want| over what the bound allows; 0 where both are the same kind of special value. */
function judge(got: number, want: number, bound: ErrorBound): { ulp: number; share: number } {
  const wrong = { ulp: Number.POSITIVE_INFINITY, share: Number.POSITIVE_INFINITY };
  const fine = { ulp: 0, share: 0 };
  if (Number.isNaN(want) || Number.isNaN(got)) {
    return Number.isNaN(want) === Number.isNaN(got) ? fine : wrong;
  }
  const unit = 2 ** -23 * Math.abs(want);
  const allowed = bound.ulp * unit + (bound.abs ?? 0);
  if (Math.abs(want) > largest - bound.ulp * 2 ** -23 * largest) {
    // Overflow may happen an error early; beyond it only infinity is right.
    if (got === Math.sign(want) * Number.POSITIVE_INFINITY) return fine;
    if (Math.abs(want) > largest * (1 + bound.ulp * 2 ** -23)) return wrong;
  }
  const error = Math.abs(got - want);
  if (error === 0) return fine;
  // A denormal result may be flushed to zero.
  if (Math.abs(want) < smallestNormal && error <= smallestNormal) return fine;
  return {
    ulp: Math.max(0, error - (bound.abs ?? 0)) / unit,
    share: allowed === 0 ? Number.POSITIVE_INFINITY : error / allowed,
  };
}

function compare(m: Measured, inputs: readonly NdArray[], got: NdArray, want: NdArray): void {
  const bound = got.dtype === "float32" ? m.prim.error : { ulp: 0 };
  for (let i = 0; i < got.data.length; i++) {
    // Devices may read denormal inputs as zero.
    if (inputs.some((x) => x.dtype === "float32" && tiny(x.data[i]!))) continue;
    m.compared++;
    const { ulp, share } = judge(got.data[i]!, want.data[i]!, bound);
    m.ulp = Math.max(m.ulp, ulp);
    if (share > 1 && share > m.share) {
      const at = inputs.map((x) => x.data[i]!).join(", ");
      m.failure = `${m.prim.name}(${at}) = ${got.data[i]} on the device, ${want.data[i]} by reference`;
    }
    m.share = Math.max(m.share, share);
  }
}

const tiny = (x: number): boolean => x !== 0 && Math.abs(x) < smallestNormal;

/** Runs a primitive at both widths over all its cases. Needs an open device. */
export async function measure(prim: Primitive): Promise<Measured> {
  const m: Measured = { prim, ulp: 0, share: 0, compared: 0 };
  for (const { inputs, params } of casesOf(prim)) {
    const want = prim.ref(inputs, params, prim.aval(inputs, params));
    for (const width of [1, 4] as const) {
      const got = await runElementwise(prim, inputs, params, width);
      got.forEach((g, k) => {
        compare(m, inputs, g, want[k]!);
      });
    }
  }
  if (m.compared === 0) throw new Error(`${prim.name}: no inputs to compare on`);
  return m;
}

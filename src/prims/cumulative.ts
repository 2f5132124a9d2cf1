/** Cumulative sum, product, maximum and minimum along an axis. */
import { type Aval, showAval, sizeOf } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { hostData, type NdArray } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { JvpArgs, Primitive } from "../ir/primitive.js";
import { add, mul } from "./arithmetic.js";
import { broadcastInDim, constant, reduceSum, reduceSumP } from "./broadcast.js";
import { le, ne } from "./compare.js";
import { concatenate, iota } from "./concatenate.js";
import { takeAlong } from "./gather.js";
import { reduceMax, reduceMaxP, reduceMin, reduceMinP, reduceProd, reduceProdP } from "./reduce.js";
import { moveAxis, reshape, reverse } from "./reshape.js";
import { max, min } from "./rounding.js";
import { linesOf, numeric, requireDtype, withEntry, wrapTo } from "./rules.js";
import { select } from "./select.js";
import { pad, slice } from "./slice.js";

export interface CumulativeParams {
  readonly axis: number;
  /** From the last element to the first. */
  readonly reverse: boolean;
}

export function requireAxis(op: string, axis: number, x: Aval): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= x.shape.length) {
    throw new ShapeError(
      `${op}: axis ${axis} is out of range for ${showAval(x)} of rank ${x.shape.length}`,
    );
  }
}

/** Elements that one thread combines directly; longer lines go by blocks of this size. */
const blockSize = 64;

interface ScanDefinition {
  readonly name: string;
  readonly fold: (a: number, b: number, dtype: DType) => number;
  readonly combine: (a: Atom, b: Atom) => Atom;
  readonly reduce: (x: Atom, axes: readonly number[]) => Atom;
  readonly identity: (dtype: DType) => number;
}

/** `x` shifted by `by` along its last axis, `value` coming in from the left. */
function shiftRight(x: Atom, by: number, value: Atom): Atom {
  const zeros = x.aval.shape.map(() => 0);
  const last = zeros.length - 1;
  return pad(x, value, withEntry(zeros, last, by), withEntry(zeros, last, -by));
}

/**
 * Inclusive scan of [rows, n] along its lines. Within a block each element is a masked reduction;
 * block totals are scanned by recursion and combined in: log₆₄ n levels, summed as a tree.
 */
function scanLines(x: Atom, d: ScanDefinition): Atom {
  const [rows, n] = x.aval.shape as [number, number];
  const { dtype } = x.aval;
  const identity = lit(d.identity(dtype), dtype);
  if (n <= blockSize) {
    const cube = [rows, n, n];
    const reached = le(iota("int32", cube, 2), iota("int32", cube, 1));
    const values = broadcastInDim(x, cube, [0, 2]);
    return d.reduce(select(reached, values, broadcastInDim(identity, cube, [])), [2]);
  }
  const blocks = Math.ceil(n / blockSize);
  const padded = pad(x, identity, [0, 0], [0, blocks * blockSize - n]);
  const inner = scanLines(reshape(padded, [rows * blocks, blockSize]), d);
  const totals = slice(inner, [0, blockSize - 1], [rows * blocks, blockSize]);
  const before = shiftRight(scanLines(reshape(totals, [rows, blocks]), d), 1, identity);
  const cube = [rows, blocks, blockSize];
  const whole = d.combine(broadcastInDim(before, cube, [0, 1]), reshape(inner, cube));
  return slice(reshape(whole, [rows, blocks * blockSize]), [0, 0], [rows, n]);
}

/** Apply a rule for forward scans of [rows, n] to any axis and direction. */
function onLines(
  { axis, reverse: backwards }: CumulativeParams,
  xs: readonly Atom[],
  f: (...lines: Atom[]) => Atom,
): Atom {
  const { shape } = xs[0]!.aval;
  const last = shape.length - 1;
  const n = shape[axis]!;
  const arranged = xs.map((x) => moveAxis(backwards ? reverse(x, [axis]) : x, axis, last));
  const moved = arranged[0]!.aval.shape;
  const out = f(...arranged.map((x) => reshape(x, [sizeOf(shape) / n, n])));
  const back = moveAxis(reshape(out, moved), last, axis);
  return backwards ? reverse(back, [axis]) : back;
}

function cumulative(
  d: ScanDefinition,
  rules: Pick<Primitive<CumulativeParams>, "jvp" | "transpose" | "kink" | "error">,
): Primitive<CumulativeParams> {
  const prim: Primitive<CumulativeParams> = {
    name: d.name,
    kind: "opaque",
    aval([x], { axis }) {
      requireDtype(d.name, x!, numeric);
      requireAxis(d.name, axis, x!);
      return [x!];
    },
    ref([x], { axis, reverse: backwards }) {
      const { shape, dtype } = x!;
      const data = hostData(dtype, sizeOf(shape));
      const { starts, step } = linesOf(shape, axis);
      const n = shape[axis]!;
      for (const start of starts) {
        let total = d.identity(dtype);
        for (let k = 0; k < n; k++) {
          const at = start + (backwards ? n - 1 - k : k) * step;
          total = d.fold(total, x!.data[at]!, dtype);
          data[at] = total;
        }
      }
      return [{ shape, dtype, data }];
    },
    batch: ({ inputs: [x], params }) => [bind1(prim, [x!], { ...params, axis: params.axis + 1 })],
    simplify: ([x], { axis }) =>
      x!.aval.shape[axis]! <= 1 || x!.aval.shape.includes(0) ? [x!] : null,
    lower: ([x], params) => [onLines(params, [x!], (lines) => scanLines(lines, d))],
    ...rules,
  };
  return prim;
}

const wrapped = (dtype: DType, product: number, a: number, b: number): number =>
  isFloat(dtype) ? product : wrapTo(dtype, Math.imul(a, b));

export const cumsumP: Primitive<CumulativeParams> = cumulative(
  {
    name: "cumsum",
    fold: (a, b, dtype) => wrapTo(dtype, a + b),
    combine: add,
    reduce: reduceSum,
    identity: reduceSumP.reduce!.identity,
  },
  {
    jvp: ({ tangents: [t], params }) => [cumsum(t!, params.axis, params.reverse)],
    transpose: ({ cotangents: [ct], params }) => [cumsum(ct!, params.axis, !params.reverse)],
    error: { ulp: 2 },
  },
);

/**
 * Tangent of a cumulative product: the scan of pairs (p, t) under (p, t)∘(q, u) = (p·q, t·q + p·u),
 * by doubling. No division, so zeros are harmless; O(n log n) work.
 */
function productTangents(x: Atom, t: Atom): Atom {
  const n = x.aval.shape[1]!;
  const { dtype } = x.aval;
  let value = x;
  let tangent = t;
  for (let by = 1; by < n; by *= 2) {
    const earlier = shiftRight(value, by, lit(1, dtype));
    const earlierTangent = shiftRight(tangent, by, lit(0, dtype));
    tangent = add(mul(earlierTangent, value), mul(earlier, tangent));
    value = mul(earlier, value);
  }
  return tangent;
}

export const cumprodP: Primitive<CumulativeParams> = cumulative(
  {
    name: "cumprod",
    fold: (a, b, dtype) => wrapped(dtype, a * b, a, b),
    combine: mul,
    reduce: reduceProd,
    identity: reduceProdP.reduce!.identity,
  },
  {
    jvp: ({ primals: [x], tangents: [t], params }) => [onLines(params, [x!, t!], productTangents)],
    error: { ulp: 2 },
  },
);

/** Each result's tangent is that of the element which first attained it. */
function ownersTangent({ tangents: [t], outputs: [out], params }: JvpArgs<CumulativeParams>) {
  return [
    onLines(params, [out!, t!], (best, tangent) => {
      const { shape } = best.aval;
      const [rows, n] = shape as [number, number];
      const first = slice(best, [0, 0], [rows, 1]);
      const before = concatenate([first, slice(best, [0, 0], [rows, n - 1])], 1);
      const began = select(ne(best, before), iota("int32", shape, 1), constant(0, shape, "int32"));
      return takeAlong(tangent, cummax(began, 1), 1);
    }),
  ];
}

/** Smallest gap between the best and the second best of every prefix. */
const prefixGap =
  (sign: number) =>
  ([x]: readonly NdArray[], { axis, reverse: backwards }: CumulativeParams): number => {
    if (!isFloat(x!.dtype)) return Infinity;
    const n = x!.shape[axis]!;
    let gap = Infinity;
    const { starts, step } = linesOf(x!.shape, axis);
    for (const start of starts) {
      let best = -Infinity;
      let second = -Infinity;
      for (let k = 0; k < n; k++) {
        const v = sign * x!.data[start + (backwards ? n - 1 - k : k) * step]!;
        second = Math.max(Math.min(v, best), second);
        best = Math.max(v, best);
        if (k > 0) gap = Math.min(gap, best - second);
      }
    }
    return gap;
  };

export const cummaxP: Primitive<CumulativeParams> = cumulative(
  {
    name: "cummax",
    fold: (a, b) => Math.max(a, b),
    combine: max,
    reduce: reduceMax,
    identity: reduceMaxP.reduce!.identity,
  },
  { jvp: ownersTangent, kink: prefixGap(1), error: { ulp: 0 } },
);

export const cumminP: Primitive<CumulativeParams> = cumulative(
  {
    name: "cummin",
    fold: (a, b) => Math.min(a, b),
    combine: min,
    reduce: reduceMin,
    identity: reduceMinP.reduce!.identity,
  },
  { jvp: ownersTangent, kink: prefixGap(-1), error: { ulp: 0 } },
);

/** Sums of all elements up to and including each (from the end if `reverse`); integers wrap. */
export function cumsum(x: Atom, axis: number, reverse = false): Atom {
  return bind1(cumsumP, [x], { axis, reverse });
}

/** Products of all elements up to and including each; integers wrap. */
export function cumprod(x: Atom, axis: number, reverse = false): Atom {
  return bind1(cumprodP, [x], { axis, reverse });
}

/**
 * Greatest of all elements up to and including each; NaN from the first NaN on. Of equal elements
 * the first one met carries the tangent.
 */
export function cummax(x: Atom, axis: number, reverse = false): Atom {
  return bind1(cummaxP, [x], { axis, reverse });
}

/** Least of all elements up to and including each; otherwise as `cummax`. */
export function cummin(x: Atom, axis: number, reverse = false): Atom {
  return bind1(cumminP, [x], { axis, reverse });
}

export const cumulativePrimitives = [cumsumP, cumprodP, cummaxP, cumminP] as Primitive[];

/** dotGeneral: batched contraction of any axes, the engine of matmul and einsum. */
import { type Aval, aval, showAval, sizeOf } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { hostData, type NdArray } from "../core/ndarray.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { JvpArgs, Primitive } from "../ir/primitive.js";
import { add } from "./arithmetic.js";
import { addLane } from "./broadcast.js";
import { transpose, transposeP } from "./reshape.js";
import {
  numeric,
  otherAxes,
  range,
  requireAxes,
  requireDtype,
  requireSameDtype,
  wrapTo,
} from "./rules.js";

type Axes = readonly number[];

export interface DotParams {
  readonly contract: readonly [a: Axes, b: Axes];
  readonly batch: readonly [a: Axes, b: Axes];
}

const freeAxes = (x: Aval, side: 0 | 1, { contract, batch }: DotParams): number[] =>
  otherAxes(x.shape.length, [...contract[side], ...batch[side]]);

/** An operand as a dense [batch, free, contracted] array. */
function packed(x: NdArray, side: 0 | 1, params: DotParams): NdArray {
  const perm = [...params.batch[side], ...freeAxes(x, side, params), ...params.contract[side]];
  const shape = perm.map((p) => x.shape[p]!);
  return transposeP.ref([x], { perm }, [aval(shape, x.dtype)])[0]!;
}

/**
 * The cotangent of one operand: contract the result's cotangent with the other operand over the
 * other's free axes, then restore the operand's own order of axes.
 */
function operandCotangent(ct: Atom, other: Atom, side: 0 | 1, x: Aval, params: DotParams): Atom {
  const otherSide = side === 0 ? 1 : 0;
  const batchCount = params.batch[0].length;
  const free = freeAxes(x, side, params);
  const otherFree = freeAxes(other.aval, otherSide, params);
  const ctOther = range(otherFree.length, side === 0 ? batchCount + free.length : batchCount);
  const result = dotGeneral(ct, other, {
    contract: [ctOther, otherFree],
    batch: [range(batchCount), params.batch[otherSide]],
  });
  // The contracted axes come out in the order in which the other operand has them.
  const order = range(params.contract[0].length).sort(
    (i, j) => params.contract[otherSide][i]! - params.contract[otherSide][j]!,
  );
  const axes = [...params.batch[side], ...free, ...order.map((i) => params.contract[side][i]!)];
  return transpose(
    result,
    axes.map((_, axis) => axes.indexOf(axis)),
  );
}

const shifted = (axes: Axes, by: number): number[] => axes.map((a) => a + by);

export const dotGeneralP: Primitive<DotParams> = {
  name: "dotGeneral",
  kind: "contract",
  aval([a, b], params) {
    const { contract, batch } = params;
    requireDtype("dotGeneral", a!, numeric);
    requireSameDtype("dotGeneral", [a!, b!]);
    requireAxes("dotGeneral", "left axes", [...batch[0], ...contract[0]], a!);
    requireAxes("dotGeneral", "right axes", [...batch[1], ...contract[1]], b!);
    for (const [what, pair] of [
      ["contracted", contract],
      ["batch", batch],
    ] as const) {
      const fits =
        pair[0].length === pair[1].length &&
        pair[0].every((axis, i) => a!.shape[axis] === b!.shape[pair[1][i]!]);
      if (!fits) {
        throw new ShapeError(
          `dotGeneral: the ${what} axes [${pair[0].join(",")}] of ${showAval(a!)} and ` +
            `[${pair[1].join(",")}] of ${showAval(b!)} must pair axes of equal size`,
        );
      }
    }
    const shape = [
      ...batch[0].map((axis) => a!.shape[axis]!),
      ...freeAxes(a!, 0, params).map((axis) => a!.shape[axis]!),
      ...freeAxes(b!, 1, params).map((axis) => b!.shape[axis]!),
    ];
    return [aval(shape, a!.dtype)];
  },
  ref([a, b], params, [out]) {
    const { dtype } = out!;
    const x = packed(a!, 0, params);
    const y = packed(b!, 1, params);
    const lanes = sizeOf(params.batch[0].map((axis) => a!.shape[axis]!));
    const depth = sizeOf(params.contract[0].map((axis) => a!.shape[axis]!));
    const rows = sizeOf(freeAxes(a!, 0, params).map((axis) => a!.shape[axis]!));
    const columns = sizeOf(freeAxes(b!, 1, params).map((axis) => b!.shape[axis]!));
    const product = isFloat(dtype) ? (p: number, q: number) => p * q : Math.imul;
    const data = hostData(dtype, lanes * rows * columns);
    let at = 0;
    for (let l = 0; l < lanes; l++) {
      for (let i = 0; i < rows; i++) {
        const row = (l * rows + i) * depth;
        for (let j = 0; j < columns; j++) {
          const column = (l * columns + j) * depth;
          let total = 0;
          for (let k = 0; k < depth; k++) {
            total = wrapTo(dtype, total + product(x.data[row + k]!, y.data[column + k]!));
          }
          data[at++] = total;
        }
      }
    }
    return [{ shape: out!.shape, dtype, data }];
  },
  jvp({ primals: [a, b], tangents: [ta, tb], params }: JvpArgs<DotParams>) {
    const left = ta && dotGeneral(ta, b!, params);
    const right = tb && dotGeneral(a!, tb, params);
    return [left && right ? add(left, right) : (left ?? right ?? null)];
  },
  transpose({ cotangents: [ct], inputs: [a, b], avals: [aAval, bAval], params }) {
    return [
      a === null ? operandCotangent(ct!, b!, 0, aAval!, params) : null,
      b === null ? operandCotangent(ct!, a!, 1, bAval!, params) : null,
    ];
  },
  batch({ inputs: [a, b], mapped: [mapA, mapB], size, params: { contract, batch } }) {
    const noBatch = batch[0].length === 0;
    // With one mapped operand the lane is one more free axis, where that puts it first.
    if (!mapB && noBatch) {
      return [
        dotGeneral(a!, b!, { contract: [shifted(contract[0], 1), contract[1]], batch: [[], []] }),
      ];
    }
    if (!mapA && noBatch && contract[0].length === a!.aval.shape.length) {
      return [
        dotGeneral(a!, b!, { contract: [contract[0], shifted(contract[1], 1)], batch: [[], []] }),
      ];
    }
    // Otherwise a batch axis; the operand that lacks it has stride 0 there.
    return [
      dotGeneral(mapA ? a! : addLane(a!, size), mapB ? b! : addLane(b!, size), {
        contract: [shifted(contract[0], 1), shifted(contract[1], 1)],
        batch: [
          [0, ...shifted(batch[0], 1)],
          [0, ...shifted(batch[1], 1)],
        ],
      }),
    ];
  },
  error: { ulp: 2 },
};

/**
 * Sum of products over the `contract` axes of `a` and `b`, for each index of the `batch` axes
 * (lax.dot_general). The result has the batch axes, then the other axes of `a`, then those of `b`.
 */
export function dotGeneral(a: Atom, b: Atom, { contract, batch }: DotParams): Atom {
  return bind1(dotGeneralP, [a, b], {
    contract: [[...contract[0]], [...contract[1]]],
    batch: [[...batch[0]], [...batch[1]]],
  });
}

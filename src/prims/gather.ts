/** gather along an axis (a view whose index is itself loaded) and scatterAdd, its adjoint. */
import { type Aval, aval, rowMajor, shapesEqual, showAval, sizeOf } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxLoad } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { add } from "./arithmetic.js";
import { addLane, broadcastInDim, constant, reduceSum, zerosOf } from "./broadcast.js";
import { eq, ge, lt } from "./compare.js";
import { iota } from "./concatenate.js";
import { and } from "./logic.js";
import { moveAxis, reshape, transpose } from "./reshape.js";
import {
  elementAt,
  listsEqual,
  numeric,
  range,
  requireDtype,
  requireIndexDtype,
  requireSameDtype,
  wrapTo,
} from "./rules.js";
import { clamp, select } from "./select.js";

export interface GatherParams {
  /** The axis of the operand that the indices address. */
  readonly axis: number;
  /** How many leading axes operand, indices and result share. */
  readonly batch: number;
}

/** Shape of `operand` taken at `indices`; the errors of gather and of scatterAdd. */
function gatheredShape(
  op: string,
  x: Aval,
  indices: Aval,
  { axis, batch }: GatherParams,
): number[] {
  requireIndexDtype(op, "indices", indices);
  const sound =
    Number.isInteger(axis) &&
    Number.isInteger(batch) &&
    0 <= batch &&
    batch <= axis &&
    axis < x.shape.length &&
    listsEqual(x.shape.slice(0, batch), indices.shape.slice(0, batch));
  if (!sound) {
    throw new ShapeError(
      `${op}: indices ${showAval(indices)} do not address axis ${axis} of ${showAval(x)} with ` +
        `${batch} batch axes: need batch <= axis < rank and the same leading batch sizes`,
    );
  }
  return [...x.shape.slice(0, axis), ...indices.shape.slice(batch), ...x.shape.slice(axis + 1)];
}

/** Indices clamped to what a read of them addresses. */
function clampedIndices(indices: Atom, size: number): Atom {
  const { shape, dtype } = indices.aval;
  const at = (value: number) => broadcastInDim(lit(value, dtype), shape, []);
  return clamp(at(0), indices, at(Math.max(0, size - 1)));
}

export const gatherP: Primitive<GatherParams> = {
  name: "gather",
  kind: "view",
  aval([x, indices], params) {
    const shape = gatheredShape("gather", x!, indices!, params);
    if (x!.shape[params.axis] === 0 && !shape.includes(0)) {
      throw new ShapeError(`gather: axis ${params.axis} of ${showAval(x!)} has nothing to take`);
    }
    return [aval(shape, x!.dtype)];
  },
  ref([x, indices], { axis, batch }, [out]) {
    const count = indices!.shape.length - batch;
    const last = x!.shape[axis]! - 1;
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const which = elementAt(indices!, [...at.slice(0, batch), ...at.slice(axis, axis + count)]);
        const from = Math.min(Math.max(which, 0), last);
        return elementAt(x!, [...at.slice(0, axis), from, ...at.slice(axis + count)]);
      }),
    ];
  },
  jvp: ({ primals: [, indices], tangents: [t], params }) => [gather(t!, indices!, params)],
  transpose({ cotangents: [ct], inputs: [, indices], avals: [x], params }) {
    const at = clampedIndices(indices!, x!.shape[params.axis]!);
    return [scatterAdd(zerosOf(x!), at, ct!, params), null];
  },
  batch({ inputs: [x, indices], mapped: [mapX, mapIndices], size, params: { axis, batch } }) {
    if (batch === 0 && !mapIndices) return [gather(x!, indices!, { axis: axis + 1, batch })];
    if (batch === 0 && !mapX) {
      const out = gather(x!, indices!, { axis, batch });
      const rest = range(out.aval.shape.length).filter((a) => a !== axis);
      return [transpose(out, [axis, ...rest])];
    }
    return [
      gather(mapX ? x! : addLane(x!, size), mapIndices ? indices! : addLane(indices!, size), {
        axis: axis + 1,
        batch: batch + 1,
      }),
    ];
  },
  view({ index, inputs: [x, indices], params: { axis, batch } }) {
    const count = indices!.shape.length - batch;
    const at = [...index.slice(0, batch), ...index.slice(axis, axis + count)];
    return {
      kind: "element",
      operand: 0,
      index: [
        ...index.slice(0, axis),
        idxLoad(1, at, x!.shape[axis]!),
        ...index.slice(axis + count),
      ],
    };
  },
  error: { ulp: 0 },
};

/**
 * `x` at the given positions along `axis`: shape `x.shape[:axis] ++ indices.shape[batch:] ++
 * x.shape[axis+1:]`. The first `batch` axes of `x` and `indices` correspond. Indices (int32 or
 * uint32) out of range are clamped.
 */
export function gather(x: Atom, indices: Atom, { axis, batch }: GatherParams): Atom {
  return bind1(gatherP, [x, indices], { axis, batch });
}

/** `x` at `indices` of the same shape, line by line along `axis` (numpy's take_along_axis). */
export function takeAlong(x: Atom, indices: Atom, axis: number): Atom {
  const last = x.aval.shape.length - 1;
  const inner = gather(moveAxis(x, axis, last), moveAxis(indices, axis, last), {
    axis: last,
    batch: last,
  });
  return moveAxis(inner, last, axis);
}

/** Where indices address the operand at all, spread over the shape of the updates. */
function addressed(indices: Atom, x: Aval, updates: Aval, { axis, batch }: GatherParams): Atom {
  const { shape, dtype } = indices.aval;
  const at = (value: number) => broadcastInDim(lit(value, dtype), shape, []);
  const below = lt(indices, at(x.shape[axis]!));
  const inside = dtype === "uint32" ? below : and(ge(indices, at(0)), below);
  const dims = [...range(batch), ...range(shape.length - batch, axis)];
  return broadcastInDim(inside, updates.shape, dims);
}

export const scatterAddP: Primitive<GatherParams> = {
  name: "scatterAdd",
  kind: "opaque",
  aval([x, indices, updates], params) {
    requireDtype("scatterAdd", x!, numeric);
    requireSameDtype("scatterAdd", [x!, updates!]);
    const shape = gatheredShape("scatterAdd", x!, indices!, params);
    if (!shapesEqual(shape, updates!.shape)) {
      throw new ShapeError(
        `scatterAdd: updates ${showAval(updates!)} must have shape [${shape.join(",")}], that of ` +
          `${showAval(x!)} taken at ${showAval(indices!)} along axis ${params.axis}`,
      );
    }
    return [x!];
  },
  ref([x, indices, updates], { axis, batch }) {
    const data = x!.data.slice();
    const size = x!.shape[axis]!;
    const lanes = sizeOf(x!.shape.slice(0, batch));
    const between = sizeOf(x!.shape.slice(batch, axis));
    const count = sizeOf(indices!.shape.slice(batch));
    const inner = rowMajor(x!.shape)[axis]!;
    for (let l = 0; l < lanes; l++) {
      for (let b = 0; b < between; b++) {
        const outer = l * between + b;
        for (let j = 0; j < count; j++) {
          const to = indices!.data[l * count + j]!;
          if (to < 0 || to >= size) continue;
          for (let i = 0; i < inner; i++) {
            const at = (outer * size + to) * inner + i;
            const update = updates!.data[(outer * count + j) * inner + i]!;
            data[at] = wrapTo(x!.dtype, data[at]! + update);
          }
        }
      }
    }
    return [{ shape: x!.shape, dtype: x!.dtype, data }];
  },
  jvp({ primals: [x, indices], tangents: [tx, , tu], params }) {
    if (!tu) return [tx ?? null];
    return [scatterAdd(tx ?? zerosOf(x!.aval), indices!, tu, params)];
  },
  transpose({ cotangents: [ct], inputs, avals: [x, , updates], params }) {
    const [xIn, indices, updatesIn] = inputs;
    const toUpdates = () =>
      select(
        addressed(indices!, x!, updates!, params),
        gather(ct!, indices!, params),
        zerosOf(updates!),
      );
    return [xIn === null ? ct! : null, null, updatesIn === null ? toUpdates() : null];
  },
  batch({ inputs: [x, indices, updates], mapped, size, params: { axis, batch } }) {
    const lane = (a: Atom, isMapped: boolean) => (isMapped ? a : addLane(a, size));
    const [mapX, mapIndices, mapUpdates] = mapped as [boolean, boolean, boolean];
    const shared = batch === 0 && !mapIndices;
    return [
      scatterAdd(
        lane(x!, mapX),
        shared ? indices! : lane(indices!, mapIndices),
        lane(updates!, mapUpdates),
        { axis: axis + 1, batch: shared ? 0 : batch + 1 },
      ),
    ];
  },
  simplify: ([x, , updates]) => (sizeOf(updates!.aval.shape) === 0 ? [x!] : null),
  /**
   * Each element of the result sums the updates that address it: one reduction over the updates,
   * with no atomics, so that it is reproducible. The work is the number of updates times the size
   * of the axis.
   */
  lower([x, indices, updates], { axis, batch }) {
    const { shape, dtype } = x!.aval;
    const rank = shape.length;
    const count = sizeOf(indices!.aval.shape.slice(batch));
    // [..., axis, ...] with the updates' own axis before the result's.
    const wide = [...shape.slice(0, axis), count, ...shape.slice(axis)];
    const flatIndices = reshape(indices!, [...shape.slice(0, batch), count]);
    const flatUpdates = reshape(updates!, [
      ...shape.slice(0, axis),
      count,
      ...shape.slice(axis + 1),
    ]);
    const hit = eq(
      broadcastInDim(flatIndices, wide, [...range(batch), axis]),
      iota(indices!.aval.dtype, wide, axis + 1),
    );
    const spread = broadcastInDim(flatUpdates, wide, [
      ...range(axis + 1),
      ...range(rank - axis - 1, axis + 2),
    ]);
    return [add(x!, reduceSum(select(hit, spread, constant(0, wide, dtype)), [axis]))];
  },
  error: { ulp: 2 },
};

/**
 * `x` with `updates` added where `indices` address `axis` (the adjoint of `gather`): repeated indices
 * add up, indices out of range (negative ones too) are dropped.
 */
export function scatterAdd(x: Atom, indices: Atom, updates: Atom, p: GatherParams): Atom {
  return bind1(scatterAddP, [x, indices, updates], { axis: p.axis, batch: p.batch });
}

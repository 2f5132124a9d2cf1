/** gather along an axis: a view whose index is itself loaded; its transpose is scatterAdd. */
import { type Aval, aval, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxLoad } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { addLane, broadcastInDim, zerosOf } from "./broadcast.js";
import { transpose } from "./reshape.js";
import { elementAt, listsEqual, range, requireIndexDtype } from "./rules.js";
import { scatterAdd } from "./scatter.js";
import { clamp } from "./select.js";

export interface GatherParams {
  /** The axis of the operand that the indices address. */
  readonly axis: number;
  /** How many leading axes operand, indices and result share. */
  readonly batch: number;
}

/** Shape of `operand` taken at `indices`; the errors of gather and of scatterAdd. */
export function gatheredShape(
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

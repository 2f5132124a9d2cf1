/** dynamicSlice and dynamicUpdateSlice: slices whose starts are data. */
import { type Aval, aval, showAval, showShape } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { type NdArray, ndFromFunction } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import {
  type Idx,
  idxAdd,
  idxConst,
  idxLoad,
  idxSub,
  type ViewExpr,
  viewWithin,
} from "../ir/index-expr.js";
import type { BatchArgs, Primitive } from "../ir/primitive.js";
import { addLane, zerosOf } from "./broadcast.js";

import { elementAt, listsEqual, requireIndexDtype, requireSameDtype } from "./rules.js";

/** How many leading axes operand, starts (and update) and result share. */
interface LaneParams {
  readonly batch: number;
}

interface DynamicSliceParams extends LaneParams {
  readonly sizes: readonly number[];
}

function checkStarts(
  op: string,
  x: Aval,
  starts: readonly Aval[],
  sizes: readonly number[],
  batch: number,
): void {
  const lanes = x.shape.slice(0, batch);
  const window = x.shape.slice(batch);
  if (!(batch >= 0 && batch <= x.shape.length)) {
    throw new ShapeError(`${op}: ${showAval(x)} does not have ${batch} batch axes`);
  }
  if (starts.length !== window.length || sizes.length !== window.length) {
    throw new ShapeError(
      `${op}: ${showAval(x)} needs ${window.length} starts and sizes, but there are ` +
        `${starts.length} starts and sizes ${showShape(sizes)}`,
    );
  }
  for (const [i, s] of starts.entries()) {
    requireIndexDtype(op, `start ${i}`, s);
    if (!listsEqual(s.shape, lanes)) {
      throw new ShapeError(
        `${op}: start ${i} is ${showAval(s)}, must have shape ${showShape(lanes)}`,
      );
    }
  }
  sizes.forEach((n, i) => {
    if (!Number.isInteger(n) || n < 0 || n > window[i]!) {
      throw new ShapeError(
        `${op}: a window of ${showShape(sizes)} does not fit into ${showAval(x)}` +
          (batch > 0 ? ` (${batch} batch axes)` : ""),
      );
    }
  });
}

/** Starts clamped so that the window fits, for the lane of a position. */
const startsAt = (
  at: readonly number[],
  x: NdArray,
  starts: readonly NdArray[],
  sizes: readonly number[],
  batch: number,
): number[] =>
  starts.map((s, i) =>
    Math.min(Math.max(elementAt(s, at.slice(0, batch)), 0), x.shape[batch + i]! - sizes[i]!),
  );

/** The clamped start of window axis `i` as an index expression; starts are operands `first`, … */
function startIdx(
  i: number,
  first: number,
  index: readonly Idx[],
  x: Aval,
  size: number,
  batch: number,
): Idx {
  const room = x.shape[batch + i]! - size;
  return room === 0 ? idxConst(0) : idxLoad(first + i, index.slice(0, batch), room + 1);
}

/** Give every operand the lane axis, the first `windows` of them being arrays, the rest starts. */
function laneOperands<P>(args: BatchArgs<P>, windows: number, batch: number) {
  const lane = (x: Atom, i: number) => (args.mapped[i] ? x : addLane(x, args.size));
  const arrays = args.inputs.slice(0, windows).map(lane);
  const starts = args.inputs.slice(windows);
  // The same starts in every lane: the lane axis is one more window axis, taken whole.
  const shared = batch === 0 && !args.mapped.slice(windows).includes(true);
  return shared
    ? { arrays, starts: [lit(0, "int32"), ...starts], shared }
    : { arrays, starts: starts.map((s, i) => lane(s, windows + i)), shared };
}

export const dynamicSliceP: Primitive<DynamicSliceParams> = {
  name: "dynamicSlice",
  kind: "view",
  aval([x, ...starts], { sizes, batch }) {
    checkStarts("dynamicSlice", x!, starts, sizes, batch);
    return [aval([...x!.shape.slice(0, batch), ...sizes], x!.dtype)];
  },
  ref([x, ...starts], { sizes, batch }, [out]) {
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const from = startsAt(at, x!, starts, sizes, batch);
        return elementAt(
          x!,
          at.map((p, axis) => (axis < batch ? p : p + from[axis - batch]!)),
        );
      }),
    ];
  },
  jvp: ({ primals: [, ...starts], tangents: [t], params }) => [
    dynamicSlice(t!, starts, params.sizes, params.batch),
  ],
  transpose({ cotangents: [ct], inputs: [, ...starts], avals: [x], params }) {
    const from = starts as Atom[];
    return [dynamicUpdateSlice(zerosOf(x!), ct!, from, params.batch), ...starts.map(() => null)];
  },
  batch(args) {
    const { sizes, batch } = args.params;
    const { arrays, starts, shared } = laneOperands(args, 1, batch);
    return [
      dynamicSlice(
        arrays[0]!,
        starts,
        shared ? [args.size, ...sizes] : sizes,
        shared ? 0 : batch + 1,
      ),
    ];
  },
  simplify: ([x], { sizes, batch }) =>
    listsEqual(x!.aval.shape.slice(batch), sizes) ? [x!] : null,
  view({ index, inputs: [x], params: { sizes, batch } }) {
    return {
      kind: "element",
      operand: 0,
      index: index.map((e, axis) => {
        const i = axis - batch;
        return i < 0 ? e : idxAdd(e, startIdx(i, 1, index, x!, sizes[i]!, batch));
      }),
    };
  },
  error: { ulp: 0 },
};

/**
 * The window of `sizes` at `starts` (int32 or uint32, clamped so that the window fits, as
 * lax.dynamic_slice). The first `batch` axes of `x`, of each start and of the result correspond.
 */
export function dynamicSlice(
  x: Atom,
  starts: readonly Atom[],
  sizes: readonly number[],
  batch = 0,
): Atom {
  return bind1(dynamicSliceP, [x, ...starts], { sizes: [...sizes], batch });
}

export const dynamicUpdateSliceP: Primitive<LaneParams> = {
  name: "dynamicUpdateSlice",
  kind: "view",
  aval([x, update, ...starts], { batch }) {
    requireSameDtype("dynamicUpdateSlice", [x!, update!]);
    if (!listsEqual(update!.shape.slice(0, batch), x!.shape.slice(0, batch))) {
      throw new ShapeError(
        `dynamicUpdateSlice: ${showAval(x!)} and update ${showAval(update!)} must share ` +
          `${batch} leading batch axes`,
      );
    }
    checkStarts("dynamicUpdateSlice", x!, starts, update!.shape.slice(batch), batch);
    return [x!];
  },
  ref([x, update, ...starts], { batch }) {
    const sizes = update!.shape.slice(batch);
    return [
      ndFromFunction(x!.shape, x!.dtype, (at) => {
        const from = startsAt(at, x!, starts, sizes, batch);
        const inside = at.map((p, axis) => (axis < batch ? p : p - from[axis - batch]!));
        return inside.every((p, axis) => p >= 0 && p < update!.shape[axis]!)
          ? elementAt(update!, inside)
          : elementAt(x!, at);
      }),
    ];
  },
  jvp({ primals: [x, update, ...starts], tangents: [tx, tu], params }) {
    const to = tx ?? zerosOf(x!.aval);
    return [dynamicUpdateSlice(to, tu ?? zerosOf(update!.aval), starts, params.batch)];
  },
  transpose({ cotangents: [ct], inputs, avals: [, update], params: { batch } }) {
    const starts = inputs.slice(2) as Atom[];
    return [
      inputs[0] === null ? dynamicUpdateSlice(ct!, zerosOf(update!), starts, batch) : null,
      inputs[1] === null ? dynamicSlice(ct!, starts, update!.shape.slice(batch), batch) : null,
      ...starts.map(() => null),
    ];
  },
  batch(args) {
    const { batch } = args.params;
    const { arrays, starts, shared } = laneOperands(args, 2, batch);
    return [dynamicUpdateSlice(arrays[0]!, arrays[1]!, starts, shared ? 0 : batch + 1)];
  },
  simplify: ([x, update]) => (listsEqual(x!.aval.shape, update!.aval.shape) ? [update!] : null),
  view({ index, inputs: [x, update], params: { batch } }) {
    const inside = index.map((e, axis) => {
      const i = axis - batch;
      return i < 0 ? e : idxSub(e, startIdx(i, 2, index, x!, update!.shape[axis]!, batch));
    });
    const old: ViewExpr = { kind: "element", operand: 0, index };
    let expr: ViewExpr = { kind: "element", operand: 1, index: inside };
    for (const [axis, value] of inside.entries()) {
      const size = update!.shape[axis]!;
      if (axis < batch || (value.lo >= 0 && value.hi < size)) continue;
      expr = viewWithin(value, 0, size, expr, old);
    }
    return expr;
  },
  error: { ulp: 0 },
};

/**
 * `x` with the window at `starts` replaced by `update` (lax.dynamic_update_slice); starts clamp and
 * batch axes correspond as in `dynamicSlice`.
 */
export function dynamicUpdateSlice(
  x: Atom,
  update: Atom,
  starts: readonly Atom[],
  batch = 0,
): Atom {
  return bind1(dynamicUpdateSliceP, [x, update, ...starts], { batch });
}

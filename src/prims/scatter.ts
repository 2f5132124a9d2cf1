/** scatterAdd: add updates at indexed positions along an axis, deterministically. */
import { type Aval, rowMajor, shapesEqual, showAval, sizeOf } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { add } from "./arithmetic.js";
import { addLane, broadcastInDim, constant, zerosOf } from "./broadcast.js";
import { eq, ge, lt } from "./compare.js";
import { iota } from "./concatenate.js";
import { type GatherParams, gather, gatheredShape } from "./gather.js";
import { and } from "./logic.js";
import { reduceSum } from "./reduce.js";
import { reshape } from "./reshape.js";
import { numeric, range, requireDtype, requireSameDtype, wrapTo } from "./rules.js";
import { select } from "./select.js";

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

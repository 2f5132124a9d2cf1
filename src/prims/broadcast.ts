/** broadcastInDim and reduceSum, each the other's transpose. */
import {
  type Aval,
  checkShape,
  type Shape,
  shapesEqual,
  showAval,
  showShape,
} from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, definitionOf, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxConst } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { type ReduceParams, reduction, sortedAxes } from "./reduction.js";
import { reshape } from "./reshape.js";
import { elementAt, isIota, numeric, otherAxes, wrapTo } from "./rules.js";

interface BroadcastParams {
  readonly shape: Shape;
  readonly dims: readonly number[];
}

export const broadcastInDimP: Primitive<BroadcastParams> = {
  name: "broadcastInDim",
  kind: "view",
  aval([x], { shape, dims }) {
    checkShape("broadcastInDim", shape);
    const fits =
      dims.length === x!.shape.length &&
      dims.every(
        (d, i) =>
          Number.isInteger(d) &&
          d > (dims[i - 1] ?? -1) &&
          d < shape.length &&
          (x!.shape[i] === 1 || x!.shape[i] === shape[d]),
      );
    if (!fits) {
      throw new ShapeError(
        `broadcastInDim: ${showAval(x!)} does not broadcast to ${showShape(shape)} with its axes ` +
          `at [${dims.join(",")}]: give one increasing target axis for each axis, of the same size ` +
          "or from size 1",
      );
    }
    return [{ shape, dtype: x!.dtype }];
  },
  ref([x], { shape, dims }) {
    return [
      ndFromFunction(shape, x!.dtype, (at) =>
        elementAt(
          x!,
          dims.map((d, i) => (x!.shape[i] === 1 ? 0 : at[d]!)),
        ),
      ),
    ];
  },
  jvp: ({ tangents: [t], params }) => [bind1(broadcastInDimP, [t!], params)],
  transpose({ cotangents: [ct], avals: [x], params: { shape, dims } }) {
    const axes = shape.flatMap((n, axis) => {
      const from = dims.indexOf(axis);
      return from < 0 || (x!.shape[from] === 1 && n !== 1) ? [axis] : [];
    });
    return [reshape(reduceSum(ct!, axes), x!.shape)];
  },
  batch({ inputs: [x], size, params: { shape, dims } }) {
    return [broadcastInDim(x!, [size, ...shape], [0, ...dims.map((d) => d + 1)])];
  },
  simplify([x], { shape, dims }) {
    if (shapesEqual(x!.aval.shape, shape) && isIota(dims)) return [x!];
    const inner = definitionOf(x!, broadcastInDimP);
    if (!inner) return null;
    return [
      broadcastInDim(
        inner.inputs[0]!,
        shape,
        inner.params.dims.map((d) => dims[d]!),
      ),
    ];
  },
  view({ index, inputs: [x], params: { dims } }) {
    return {
      kind: "element",
      operand: 0,
      index: dims.map((d, i) => (x!.shape[i] === 1 ? idxConst(0) : index[d]!)),
    };
  },
  error: { ulp: 0 },
};

/**
 * `x` spread over `shape`: axis i of `x` becomes axis `dims[i]` of the result (lax.broadcast_in_dim).
 * `dims` increases; an axis of size 1 may expand.
 */
export function broadcastInDim(x: Atom, shape: Shape, dims: readonly number[]): Atom {
  return bind1(broadcastInDimP, [x], { shape: [...shape], dims: [...dims] });
}

export const reduceSumP: Primitive<ReduceParams> = reduction({
  name: "reduceSum",
  dtypes: numeric,
  fold: (a, b, dtype) => wrapTo(dtype, a + b),
  spec: {
    identity: () => 0,
    combine: (a, b) => `(${a} + ${b})`,
    subgroup: "subgroupAdd",
  },
  error: 2,
  jvp: ({ tangents: [t], params }) => [reduceSum(t!, params.axes)],
  transpose: ({ cotangents: [ct], avals: [x], params }) => [spread(ct!, x!, params.axes)],
});

/** Sum over `axes`; integers wrap. */
export function reduceSum(x: Atom, axes: readonly number[]): Atom {
  return bind1(reduceSumP, [x], sortedAxes(axes));
}

/** Spread the result of a reduction over the reduced axes again. */
export const spread = (out: Atom, x: Aval, axes: readonly number[]): Atom =>
  broadcastInDim(out, x.shape, otherAxes(x.shape.length, axes));

/** A constant array: a broadcast view of a scalar. */
export function constant(value: number, shape: Shape, dtype: DType): Atom {
  return broadcastInDim(lit(value, dtype), shape, []);
}

export function zerosOf(a: Aval): Atom {
  return constant(0, a.shape, a.dtype);
}

/** `x` repeated along a new lane axis 0: a view. */
export function addLane(x: Atom, size: number): Atom {
  const { shape } = x.aval;
  return broadcastInDim(
    x,
    [size, ...shape],
    shape.map((_, axis) => axis + 1),
  );
}

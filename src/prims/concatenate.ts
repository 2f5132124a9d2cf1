/** concatenate, iota and stopGradient: views of many operands, of none and of one. */
import { aval, checkShape, type Shape, showAval, sizeOf } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { hostData, ndFromFunction } from "../core/ndarray.js";
import { bind1, definitionOf } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxAdd, type ViewExpr, viewWithin } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { addLane, constant, zerosOf } from "./broadcast.js";
import {
  dropAxes,
  listsEqual,
  numeric,
  requireDtype,
  requireSameDtype,
  withEntry,
} from "./rules.js";
import { slice } from "./slice.js";

interface AxisParams {
  readonly axis: number;
}

/** Where each operand begins along the axis, and the total. */
function offsetsOf(shapes: readonly Shape[], axis: number): number[] {
  const out = [0];
  for (const s of shapes) out.push(out[out.length - 1]! + s[axis]!);
  return out;
}

export const concatenateP: Primitive<AxisParams> = {
  name: "concatenate",
  kind: "view",
  aval(inputs, { axis }) {
    const first = inputs[0];
    if (!first) throw new ShapeError("concatenate: needs at least one operand");
    requireSameDtype("concatenate", inputs);
    const rank = first.shape.length;
    const fits =
      Number.isInteger(axis) &&
      axis >= 0 &&
      axis < rank &&
      inputs.every(
        (x) =>
          x.shape.length === rank &&
          listsEqual(dropAxes(x.shape, [axis]), dropAxes(first.shape, [axis])),
      );
    if (!fits) {
      throw new ShapeError(
        `concatenate: operands ${inputs.map(showAval).join(", ")} must have the same rank and the ` +
          `same sizes on every axis but axis ${axis}`,
      );
    }
    const offsets = offsetsOf(
      inputs.map((x) => x.shape),
      axis,
    );
    return [aval(withEntry(first.shape, axis, offsets[inputs.length]!), first.dtype)];
  },
  ref(inputs, { axis }, [out]) {
    // From the axis inwards each operand is contiguous: copy one run an outer position.
    const data = hostData(out!.dtype, sizeOf(out!.shape));
    const outer = sizeOf(out!.shape.slice(0, axis));
    let at = 0;
    for (let o = 0; o < outer; o++) {
      for (const x of inputs) {
        const n = sizeOf(x.shape.slice(axis));
        data.set(x.data.subarray(o * n, (o + 1) * n), at);
        at += n;
      }
    }
    return [{ shape: out!.shape, dtype: out!.dtype, data }];
  },
  jvp({ primals, tangents, params }) {
    return [
      concatenate(
        tangents.map((t, i) => t ?? zerosOf(primals[i]!.aval)),
        params.axis,
      ),
    ];
  },
  transpose({ cotangents: [ct], inputs, avals, params: { axis } }) {
    const shape = ct!.aval.shape;
    const offsets = offsetsOf(
      avals.map((a) => a.shape),
      axis,
    );
    return inputs.map((x, i) =>
      x !== null
        ? null
        : slice(
            ct!,
            shape.map((_, a) => (a === axis ? offsets[i]! : 0)),
            shape.map((n, a) => (a === axis ? offsets[i + 1]! : n)),
          ),
    );
  },
  batch({ inputs, mapped, size, params }) {
    const lanes = inputs.map((x, i) => (mapped[i] ? x : addLane(x, size)));
    return [concatenate(lanes, params.axis + 1)];
  },
  simplify(inputs, { axis }) {
    if (inputs.length === 1) return [inputs[0]!];
    const full = inputs.filter((x) => x.aval.shape[axis]! > 0);
    if (full.length === inputs.length) return null;
    return [full.length === 0 ? inputs[0]! : concatenate(full, axis)];
  },
  view({ index, inputs, params: { axis } }) {
    const offsets = offsetsOf(
      inputs.map((x) => x.shape),
      axis,
    );
    const value = index[axis]!;
    // A balanced decision tree: log₂ of the number of operands comparisons an element.
    const among = (from: number, to: number): ViewExpr => {
      if (to - from === 1) {
        const at = index.map((e, a) => (a === axis ? idxAdd(e, -offsets[from]!) : e));
        return { kind: "element", operand: from, index: at };
      }
      const middle = (from + to) >> 1;
      const [first, second] = [among(from, middle), among(middle, to)];
      return viewWithin(value, offsets[from]!, offsets[middle]!, first, second);
    };
    return among(0, inputs.length);
  },
  error: { ulp: 0 },
};

/** The operands one after another along `axis`. */
export function concatenate(xs: readonly Atom[], axis: number): Atom {
  return bind1(concatenateP, xs, { axis });
}

interface IotaParams extends AxisParams {
  readonly dtype: DType;
  readonly shape: Shape;
}

export const iotaP: Primitive<IotaParams> = {
  name: "iota",
  kind: "view",
  aval(_, { dtype, shape, axis }) {
    checkShape("iota", shape);
    requireDtype("iota", aval(shape, dtype), numeric);
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
      throw new ShapeError(`iota: axis ${axis} is out of range for ${showAval({ shape, dtype })}`);
    }
    return [aval(shape, dtype)];
  },
  ref: (_, { dtype, shape, axis }) => [ndFromFunction(shape, dtype, (at) => at[axis]!)],
  // It has no operand that could carry lanes.
  batch: ({ size, params: { dtype, shape, axis } }) => [iota(dtype, [size, ...shape], axis + 1)],
  simplify: (_, { dtype, shape, axis }) => (shape[axis] === 1 ? [constant(0, shape, dtype)] : null),
  view: ({ index, params }) => ({ kind: "index", value: index[params.axis]! }),
  error: { ulp: 0 },
};

/** An array whose every element is its position along `axis`. */
export function iota(dtype: DType, shape: Shape, axis: number): Atom {
  return bind1(iotaP, [], { dtype, shape: [...shape], axis });
}

export const stopGradientP: Primitive = {
  name: "stopGradient",
  kind: "view",
  aval: ([x]) => [x!],
  ref: ([x]) => [x!],
  // No jvp: the tangent is zero.
  batch: ({ inputs: [x] }) => [stopGradient(x!)],
  simplify([x]) {
    return !isFloat(x!.aval.dtype) || definitionOf(x!, stopGradientP) ? [x!] : null;
  },
  view: ({ index }) => ({ kind: "element", operand: 0, index }),
  error: { ulp: 0 },
};

/** `x` itself, with derivative zero. */
export function stopGradient(x: Atom): Atom {
  return bind1(stopGradientP, [x], {});
}

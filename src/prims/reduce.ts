/** Reductions over axes: product, maximum, minimum, and, or (the sum stands with its transpose). */
import { sizeOf } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { EmitContext, JvpArgs, Primitive } from "../ir/primitive.js";
import { add, div, mul } from "./arithmetic.js";
import { constant, reduceSum, reduceSumP, spread } from "./broadcast.js";
import { eq } from "./compare.js";
import { bestGap, type ReduceParams, reduction, sortedAxes } from "./reduction.js";
import { reshape, transpose } from "./reshape.js";
import { numeric, otherAxes } from "./rules.js";
import { select } from "./select.js";
import { pad, slice } from "./slice.js";

export { reduceSum } from "./broadcast.js";

/**
 * d(Π x) by halving: multiply the two halves of the line, and their tangents by the product rule.
 * Unlike out·Σ t/x it is right where elements are zero. O(n) work in log₂ n steps.
 */
function productTangent(x: Atom, t: Atom, axes: readonly number[]): Atom {
  const { shape, dtype } = x.aval;
  const kept = otherAxes(shape.length, axes);
  const outShape = kept.map((a) => shape[a]!);
  const rows = sizeOf(outShape);
  let n = sizeOf(axes.map((a) => shape[a]!));
  if (n === 0 || rows === 0) return constant(0, outShape, dtype);
  const flat = (a: Atom) => reshape(transpose(a, [...kept, ...axes]), [rows, n]);
  let value = flat(x);
  let tangent = flat(t);
  while (n > 1) {
    const odd = n % 2;
    if (odd) {
      value = pad(value, lit(1, dtype), [0, 0], [0, 1]);
      tangent = pad(tangent, lit(0, dtype), [0, 0], [0, 1]);
    }
    const half = (n + odd) / 2;
    const first = (a: Atom) => slice(a, [0, 0], [rows, half]);
    const second = (a: Atom) => slice(a, [0, half], [rows, 2 * half]);
    tangent = add(mul(first(tangent), second(value)), mul(first(value), second(tangent)));
    value = mul(first(value), second(value));
    n = half;
  }
  return reshape(tangent, outShape);
}

export const reduceProdP: Primitive<ReduceParams> = reduction({
  name: "reduceProd",
  dtypes: numeric,
  fold: (a, b, dtype) =>
    isFloat(dtype) ? a * b : dtype === "int32" ? Math.imul(a, b) : Math.imul(a, b) >>> 0,
  spec: {
    identity: () => 1,
    combine: (a, b) => `(${a} * ${b})`,
    subgroup: "subgroupMul",
  },
  error: 2,
  jvp: ({ primals: [x], tangents: [t], params }) => [productTangent(x!, t!, params.axes)],
});

/** A maximum that propagates NaN whatever the driver's own does; tested by bits, not by a != a. */
const nanAware =
  (builtin: "max" | "min") => (a: string, b: string, dtype: DType, ctx: EmitContext) => {
    if (!isFloat(dtype)) return `${builtin}(${a}, ${b})`;
    const f = ctx.helper(`reduce_${builtin}`, (type, name) => {
      const isNan = (x: string) =>
        `(bitcast<${type("u32")}>(${x}) & ${type("u32")}(0x7fffffffu)) > ${type("u32")}(0x7f800000u)`;
      return (
        `fn ${name}(a: ${type("f32")}, b: ${type("f32")}) -> ${type("f32")} {\n` +
        `  return select(select(${builtin}(a, b), b, ${isNan("b")}), a, ${isNan("a")});\n}`
      );
    });
    return `${f}(${a}, ${b})`;
  };

/** The least and the greatest value of each dtype. */
export const extremes: Record<DType, readonly [least: number, greatest: number]> = {
  float32: [-Infinity, Infinity],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
  bool: [0, 1],
};

/** Ties share the tangent equally, as in JAX. */
function extremumTangent({ primals, tangents, outputs, params }: JvpArgs<ReduceParams>) {
  const x = primals[0]!;
  const t = tangents[0]!;
  const { shape, dtype } = x.aval;
  const chosen = eq(x, spread(outputs[0]!, x.aval, params.axes));
  const zero = constant(0, shape, dtype);
  const total = reduceSum(select(chosen, t, zero), params.axes);
  const count = reduceSum(select(chosen, constant(1, shape, dtype), zero), params.axes);
  return [div(total, count)];
}

export const reduceMaxP: Primitive<ReduceParams> = reduction({
  name: "reduceMax",
  dtypes: numeric,
  fold: (a, b) => Math.max(a, b),
  spec: { identity: (dtype) => extremes[dtype][0], combine: nanAware("max") },
  error: 0,
  jvp: extremumTangent,
  kink: (group) => bestGap(group, 1),
});

export const reduceMinP: Primitive<ReduceParams> = reduction({
  name: "reduceMin",
  dtypes: numeric,
  fold: (a, b) => Math.min(a, b),
  spec: { identity: (dtype) => extremes[dtype][1], combine: nanAware("min") },
  error: 0,
  jvp: extremumTangent,
  kink: (group) => bestGap(group, -1),
});

export const reduceAndP: Primitive<ReduceParams> = reduction({
  name: "reduceAnd",
  dtypes: ["bool"],
  fold: (a, b) => Number(a !== 0 && b !== 0),
  spec: { identity: () => 1, combine: (a, b) => `(${a} & ${b})`, subgroup: "subgroupAll" },
  error: 0,
});

export const reduceOrP: Primitive<ReduceParams> = reduction({
  name: "reduceOr",
  dtypes: ["bool"],
  fold: (a, b) => Number(a !== 0 || b !== 0),
  spec: { identity: () => 0, combine: (a, b) => `(${a} | ${b})`, subgroup: "subgroupAny" },
  error: 0,
});

/** Product over `axes`; integers wrap. */
export function reduceProd(x: Atom, axes: readonly number[]): Atom {
  return bind1(reduceProdP, [x], sortedAxes(axes));
}

/** Maximum over `axes`; NaN if any element is. Of nothing: the least value of the dtype. */
export function reduceMax(x: Atom, axes: readonly number[]): Atom {
  return bind1(reduceMaxP, [x], sortedAxes(axes));
}

/** Minimum over `axes`; NaN if any element is. Of nothing: the greatest value of the dtype. */
export function reduceMin(x: Atom, axes: readonly number[]): Atom {
  return bind1(reduceMinP, [x], sortedAxes(axes));
}

/** Whether all of the bools along `axes` are true. */
export function reduceAnd(x: Atom, axes: readonly number[]): Atom {
  return bind1(reduceAndP, [x], sortedAxes(axes));
}

/** Whether any of the bools along `axes` is true. */
export function reduceOr(x: Atom, axes: readonly number[]): Atom {
  return bind1(reduceOrP, [x], sortedAxes(axes));
}

export const reducePrimitives = [
  reduceSumP,
  reduceProdP,
  reduceMaxP,
  reduceMinP,
  reduceAndP,
  reduceOrP,
] as Primitive[];

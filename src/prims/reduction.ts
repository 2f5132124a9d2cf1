/** What reductions share: checks, the host loop, batching and simplification. */
import { aval, rowMajor } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { JvpArgs, Primitive, ReduceSpec } from "../ir/primitive.js";
import { reshape } from "./reshape.js";
import { dropAxes, otherAxes, requireAxes, requireDtype } from "./rules.js";

export interface ReduceParams {
  readonly axes: readonly number[];
}

/** The elements that each output of a reduction combines, in row-major order. */
function* groups(x: NdArray, axes: readonly number[]): Generator<number[]> {
  const kept = otherAxes(x.shape.length, axes);
  const steps = rowMajor(x.shape);
  const positions = (over: readonly number[]): number[] =>
    over.reduce(
      (list, a) =>
        list.flatMap((p) => Array.from({ length: x.shape[a]! }, (_, i) => p + i * steps[a]!)),
      [0],
    );
  const inside = positions(axes);
  for (const p of positions(kept)) yield inside.map((q) => x.data[p + q]!);
}

/** What the members of the family do not share. */
export interface ReductionDefinition {
  readonly name: string;
  readonly dtypes: readonly DType[];
  readonly fold: (a: number, b: number, dtype: DType) => number;
  readonly spec: ReduceSpec;
  readonly error: number;
  readonly jvp?: (args: JvpArgs<ReduceParams>) => readonly (Atom | null)[];
  readonly transpose?: Primitive<ReduceParams>["transpose"];
  readonly kink?: (group: readonly number[]) => number;
}

export function reduction(d: ReductionDefinition): Primitive<ReduceParams> {
  const prim: Primitive<ReduceParams> = {
    name: d.name,
    kind: "reduce",
    aval([x], { axes }) {
      requireDtype(d.name, x!, d.dtypes);
      requireAxes(d.name, "axes", axes, x!, true);
      return [aval(dropAxes(x!.shape, axes), x!.dtype)];
    },
    ref([x], { axes }, [out]) {
      const identity = d.spec.identity(x!.dtype);
      const fold = (group: readonly number[]) =>
        group.reduce((a, b) => d.fold(a, b, x!.dtype), identity);
      return [ndarray(out!.shape, x!.dtype, Array.from(groups(x!, axes), fold))];
    },
    batch: ({ inputs: [x], params }) => [
      bind1(prim, [x!], { axes: params.axes.map((a) => a + 1) }),
    ],
    simplify([x], { axes }) {
      const { shape } = x!.aval;
      // The sign of a zero sum is not specified: one element is its own sum.
      if (axes.every((a) => shape[a] === 1)) return [reshape(x!, dropAxes(shape, axes))];
      return null;
    },
    reduce: d.spec,
    error: { ulp: d.error },
    ...(d.jvp && { jvp: d.jvp }),
    ...(d.transpose && { transpose: d.transpose }),
  };
  if (d.kink) {
    const smallest = d.kink;
    return Object.assign(prim, {
      kink: ([x]: readonly NdArray[], { axes }: ReduceParams) =>
        isFloat(x!.dtype)
          ? Array.from(groups(x!, axes), smallest).reduce((a, b) => Math.min(a, b), Infinity)
          : Infinity,
    });
  }
  return prim;
}

/** Parameters of a reduction over axes in any order. */
export const sortedAxes = (axes: readonly number[]): ReduceParams => ({
  axes: [...axes].sort((a, b) => a - b),
});

/** The gap between the best element and the next one. */
export function bestGap(group: readonly number[], sign: number): number {
  const [best, next] = group.map((v) => v * sign).sort((a, b) => b - a);
  return best === undefined || next === undefined ? Infinity : best - next;
}

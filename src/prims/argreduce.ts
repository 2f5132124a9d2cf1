/** argmax and argmin: the position of an extremum along an axis. */
import { aval, showAval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { constant, spread } from "./broadcast.js";
import { eq } from "./compare.js";
import { iota } from "./concatenate.js";
import { isNan } from "./convert.js";
import { requireAxis } from "./cumulative.js";
import { or } from "./logic.js";
import { reduceMax, reduceMin } from "./reduce.js";
import { bestGap } from "./reduction.js";
import { dropAxes, linesOf, numeric, requireDtype } from "./rules.js";
import { select } from "./select.js";

interface ArgParams {
  readonly axis: number;
}

const lines = (x: NdArray, axis: number): number[][] => {
  const { starts, step } = linesOf(x.shape, axis);
  const n = x.shape[axis]!;
  return starts.map((s) => Array.from({ length: n }, (_, k) => x.data[s + k * step]!));
};

function positionOf(
  name: string,
  sign: number,
  best: (x: Atom, axes: readonly number[]) => Atom,
): Primitive<ArgParams> {
  const prim: Primitive<ArgParams> = {
    name,
    kind: "opaque",
    aval([x], { axis }) {
      requireDtype(name, x!, numeric);
      requireAxis(name, axis, x!);
      if (x!.shape[axis] === 0) {
        throw new ShapeError(
          `${name}: axis ${axis} of ${showAval(x!)} is empty: nothing to choose`,
        );
      }
      return [aval(dropAxes(x!.shape, [axis]), "int32")];
    },
    ref([x], { axis }, [out]) {
      const first = (line: readonly number[]): number => {
        const nan = line.findIndex(Number.isNaN);
        if (nan >= 0) return nan;
        return line.reduce((at, v, i) => (sign * v > sign * line[at]! ? i : at), 0);
      };
      return [ndarray(out!.shape, "int32", lines(x!, axis).map(first))];
    },
    batch: ({ inputs: [x], params }) => [bind1(prim, [x!], { axis: params.axis + 1 })],
    simplify: ([x], { axis }) =>
      x!.aval.shape[axis] === 1 ? [constant(0, dropAxes(x!.aval.shape, [axis]), "int32")] : null,
    lower([x], { axis }) {
      const { shape, dtype } = x!.aval;
      const equal = eq(x!, spread(best(x!, [axis]), x!.aval, [axis]));
      // The extremum is NaN exactly where some element is.
      const hit = isFloat(dtype) ? or(equal, isNan(x!)) : equal;
      const beyond = constant(shape[axis]!, shape, "int32");
      return [reduceMin(select(hit, iota("int32", shape, axis), beyond), [axis])];
    },
    kink: ([x], { axis }) =>
      isFloat(x!.dtype)
        ? lines(x!, axis).reduce((gap, line) => Math.min(gap, bestGap(line, sign)), Infinity)
        : Infinity,
    error: { ulp: 0 },
  };
  return prim;
}

export const argmaxP: Primitive<ArgParams> = positionOf("argmax", 1, reduceMax);
export const argminP: Primitive<ArgParams> = positionOf("argmin", -1, reduceMin);

/** Position (int32) of the greatest element along `axis`: the first of equals, the first NaN if any. */
export function argmax(x: Atom, axis: number): Atom {
  return bind1(argmaxP, [x], { axis });
}

/** Position (int32) of the least element along `axis`: the first of equals, the first NaN if any. */
export function argmin(x: Atom, axis: number): Atom {
  return bind1(argminP, [x], { axis });
}

/** reshape, transpose and reverse: the same elements in another order or arrangement. */
import { checkShape, type Shape, shapesEqual, showAval, showShape, sizeOf } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, definitionOf } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxAdd, idxFlatten, idxScale, idxUnflatten } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { elementAt, isIota, requireAxes, requireLength } from "./rules.js";

export const reshapeP: Primitive<{ readonly shape: Shape }> = {
  name: "reshape",
  kind: "view",
  aval([x], { shape }) {
    checkShape("reshape", shape);
    if (sizeOf(shape) !== sizeOf(x!.shape)) {
      throw new ShapeError(
        `reshape: ${showAval(x!)} has ${sizeOf(x!.shape)} elements, which do not fill ` +
          `${showShape(shape)} (${sizeOf(shape)})`,
      );
    }
    return [{ shape, dtype: x!.dtype }];
  },
  ref: ([x], { shape }) => [{ shape, dtype: x!.dtype, data: x!.data.slice() }],
  jvp: ({ tangents: [t], params }) => [reshape(t!, params.shape)],
  transpose: ({ cotangents: [ct], avals: [x] }) => [reshape(ct!, x!.shape)],
  batch: ({ inputs: [x], size, params }) => [reshape(x!, [size, ...params.shape])],
  simplify([x], { shape }) {
    if (shapesEqual(x!.aval.shape, shape)) return [x!];
    const inner = definitionOf(x!, reshapeP);
    return inner && [reshape(inner.inputs[0]!, shape)];
  },
  view: ({ index, inputs: [x], output }) => ({
    kind: "element",
    operand: 0,
    index: idxUnflatten(idxFlatten(index, output.shape), x!.shape),
  }),
  error: { ulp: 0 },
};

/** The elements of `x` in row-major order, arranged in `shape`. */
export function reshape(x: Atom, shape: Shape): Atom {
  return bind1(reshapeP, [x], { shape: [...shape] });
}

/** The permutation that undoes `perm`. */
export const inversePermutation = (perm: readonly number[]): number[] =>
  perm.map((_, i) => perm.indexOf(i));

export const transposeP: Primitive<{ readonly perm: readonly number[] }> = {
  name: "transpose",
  kind: "view",
  aval([x], { perm }) {
    requireLength("transpose", "permutation", perm, x!);
    requireAxes("transpose", "permutation", perm, x!);
    return [{ shape: perm.map((p) => x!.shape[p]!), dtype: x!.dtype }];
  },
  ref([x], { perm }, [out]) {
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const from = new Array<number>(perm.length);
        perm.forEach((p, i) => {
          from[p] = at[i]!;
        });
        return elementAt(x!, from);
      }),
    ];
  },
  jvp: ({ tangents: [t], params }) => [transpose(t!, params.perm)],
  transpose: ({ cotangents: [ct], params }) => [transpose(ct!, inversePermutation(params.perm))],
  batch: ({ inputs: [x], params }) => [transpose(x!, [0, ...params.perm.map((p) => p + 1)])],
  simplify([x], { perm }) {
    if (isIota(perm)) return [x!];
    const inner = definitionOf(x!, transposeP);
    if (!inner) return null;
    return [
      transpose(
        inner.inputs[0]!,
        perm.map((p) => inner.params.perm[p]!),
      ),
    ];
  },
  view: ({ index, params }) => ({
    kind: "element",
    operand: 0,
    index: inversePermutation(params.perm).map((p) => index[p]!),
  }),
  error: { ulp: 0 },
};

/** Axis i of the result is axis `perm[i]` of `x`. */
export function transpose(x: Atom, perm: readonly number[]): Atom {
  return bind1(transposeP, [x], { perm: [...perm] });
}

/** `x` with one axis moved to another place, the others in order. */
export function moveAxis(x: Atom, from: number, to: number): Atom {
  const perm = x.aval.shape.map((_, axis) => axis).filter((axis) => axis !== from);
  perm.splice(to, 0, from);
  return transpose(x, perm);
}

export const reverseP: Primitive<{ readonly axes: readonly number[] }> = {
  name: "reverse",
  kind: "view",
  aval([x], { axes }) {
    requireAxes("reverse", "axes", axes, x!);
    return [x!];
  },
  ref([x], { axes }) {
    const from = (at: readonly number[]) =>
      at.map((p, axis) => (axes.includes(axis) ? x!.shape[axis]! - 1 - p : p));
    return [ndFromFunction(x!.shape, x!.dtype, (at) => elementAt(x!, from(at)))];
  },
  jvp: ({ tangents: [t], params }) => [reverse(t!, params.axes)],
  transpose: ({ cotangents: [ct], params }) => [reverse(ct!, params.axes)],
  batch: ({ inputs: [x], params }) => [
    reverse(
      x!,
      params.axes.map((a) => a + 1),
    ),
  ],
  simplify([x], { axes }) {
    const shape = x!.aval.shape;
    const real = axes.filter((a) => shape[a]! > 1);
    if (real.length === 0) return [x!];
    const inner = definitionOf(x!, reverseP);
    if (inner) {
      const both = new Set(real);
      for (const a of inner.params.axes) if (!both.delete(a)) both.add(a);
      return [reverse(inner.inputs[0]!, [...both])];
    }
    const sorted = real.every((a, i) => i === 0 || real[i - 1]! < a);
    return real.length === axes.length && sorted ? null : [reverse(x!, real)];
  },
  view: ({ index, inputs: [x], params }) => ({
    kind: "element",
    operand: 0,
    index: index.map((e, axis) =>
      params.axes.includes(axis) ? idxAdd(idxScale(e, -1), x!.shape[axis]! - 1) : e,
    ),
  }),
  error: { ulp: 0 },
};

/** `x` with the order of elements along each of `axes` reversed. */
export function reverse(x: Atom, axes: readonly number[]): Atom {
  return bind1(reverseP, [x], { axes: [...axes].sort((a, b) => a - b) });
}

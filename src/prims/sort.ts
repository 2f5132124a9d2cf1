/** sort: a stable sort of lines by a key, other operands following; argsort comes with it. */
import { aval, shapesEqual, showAval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { hostData } from "../core/ndarray.js";
import { bind, bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { addLane, constant } from "./broadcast.js";
import { requireAxis } from "./cumulative.js";
import { gatherP, takeAlong } from "./gather.js";
import { moveAxis } from "./reshape.js";
import { linesOf } from "./rules.js";
import { sortingPermutation } from "./sort-lines.js";

/**
 * Permute the lines along the last axis: operands `x`, the permutation and its inverse (int32, the
 * shape of `x`). A gather, but since it is a permutation its transpose is one too.
 */
export const permuteP: Primitive = {
  name: "permute",
  kind: "view",
  aval([x, permutation, inverse]) {
    const sound =
      x!.shape.length > 0 &&
      [permutation!, inverse!].every((p) => p.dtype === "int32" && shapesEqual(p.shape, x!.shape));
    if (!sound) {
      throw new ShapeError(
        `permute: ${showAval(x!)} needs an int32 permutation and its inverse of the same shape, ` +
          `not ${showAval(permutation!)} and ${showAval(inverse!)}`,
      );
    }
    return [x!];
  },
  ref([x, permutation], _, outputs) {
    const last = x!.shape.length - 1;
    return gatherP.ref([x!, permutation!], { axis: last, batch: last }, outputs);
  },
  jvp: ({ primals: [, permutation, inverse], tangents: [t] }) => [
    permute(t!, permutation!, inverse!),
  ],
  transpose: ({ cotangents: [ct], inputs: [, permutation, inverse] }) => [
    permute(ct!, inverse!, permutation!),
    null,
    null,
  ],
  batch({ inputs, mapped, size }) {
    const [x, permutation, inverse] = inputs.map((a, i) => (mapped[i] ? a : addLane(a, size)));
    return [permute(x!, permutation!, inverse!)];
  },
  view({ index, inputs: [x, permutation], output }) {
    const last = x!.shape.length - 1;
    const params = { axis: last, batch: last };
    return gatherP.view!({ index, inputs: [x!, permutation!], output, params });
  },
  error: { ulp: 0 },
};

/** Lines of `x` along its last axis in the order of `permutation`, whose inverse is given. */
export function permute(x: Atom, permutation: Atom, inverse: Atom): Atom {
  return bind1(permuteP, [x, permutation, inverse], {});
}

interface SortParams {
  readonly axis: number;
}

/** Ascending, all NaN equal and last. */
const compareKeys = (a: number, b: number): number => {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
};

export const sortP: Primitive<SortParams> = {
  name: "sort",
  kind: "opaque",
  /** The operands sorted, the permutation that sorts them and its inverse (int32). */
  aval(operands, { axis }) {
    const key = operands[0];
    if (!key) throw new ShapeError("sort: needs at least one operand");
    requireAxis("sort", axis, key);
    if (!operands.every((x) => shapesEqual(x.shape, key.shape))) {
      throw new ShapeError(
        `sort: operands ${operands.map(showAval).join(", ")} must have one shape`,
      );
    }
    return [...operands, aval(key.shape, "int32"), aval(key.shape, "int32")];
  },
  ref(operands, { axis }, outputs) {
    const key = operands[0]!;
    const data = outputs.map((o) => hostData(o.dtype, key.data.length));
    const count = operands.length;
    const { starts, step } = linesOf(key.shape, axis);
    for (const start of starts) {
      const at = (k: number) => start + k * step;
      const order = Array.from({ length: key.shape[axis]! }, (_, k) => k);
      order.sort((i, j) => compareKeys(key.data[at(i)]!, key.data[at(j)]!) || i - j);
      for (const [k, from] of order.entries()) {
        operands.forEach((x, i) => {
          data[i]![at(k)] = x.data[at(from)]!;
        });
        data[count]![at(k)] = from;
        data[count + 1]![at(from)] = k;
      }
    }
    return outputs.map((o, i) => ({ shape: o.shape, dtype: o.dtype, data: data[i]! }));
  },
  jvp({ primals, tangents, outputs, params: { axis } }) {
    const last = primals[0]!.aval.shape.length - 1;
    const [permutation, inverse] = outputs
      .slice(primals.length)
      .map((p) => moveAxis(p, axis, last));
    const follow = (t: Atom) =>
      moveAxis(permute(moveAxis(t, axis, last), permutation!, inverse!), last, axis);
    return [...tangents.map((t) => t && follow(t)), null, null];
  },
  batch({ inputs, mapped, size, params }) {
    const lanes = inputs.map((x, i) => (mapped[i] ? x : addLane(x, size)));
    return bind(sortP, lanes, { axis: params.axis + 1 });
  },
  simplify(operands, { axis }) {
    const { shape } = operands[0]!.aval;
    if (shape[axis]! > 1 && !shape.includes(0)) return null;
    const still = constant(0, shape, "int32");
    return [...operands, still, still];
  },
  lower(operands, { axis }) {
    const last = operands[0]!.aval.shape.length - 1;
    const [permutation, inverse] = sortingPermutation(moveAxis(operands[0]!, axis, last)).map((p) =>
      moveAxis(p, last, axis),
    );
    return [...operands.map((x) => takeAlong(x, permutation!, axis)), permutation!, inverse!];
  },
  kink([key], { axis }) {
    if (!isFloat(key!.dtype)) return Infinity;
    const { starts, step } = linesOf(key!.shape, axis);
    let gap = Infinity;
    for (const start of starts) {
      const line = Array.from(
        { length: key!.shape[axis]! },
        (_, k) => key!.data[start + k * step]!,
      );
      line.sort((a, b) => a - b);
      for (let k = 1; k < line.length; k++) gap = Math.min(gap, line[k]! - line[k - 1]!);
    }
    return gap;
  },
  error: { ulp: 0 },
};

/**
 * Lines of the first operand along `axis` in ascending order, the other operands permuted alike
 * (lax.sort). Stable; -0 equals 0; NaN comes last. Returns the sorted operands, then the int32
 * permutation (argsort), then its inverse (the rank of each element).
 */
export function sort(operands: readonly Atom[], axis: number): Atom[] {
  return [...bind(sortP, operands, { axis })];
}

/** slice and pad, each the other's transpose. */
import { aval, type Shape, shapesEqual, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { ndFromFunction } from "../core/ndarray.js";
import { bind1, definitionOf, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import { idxAdd, idxDiv, idxMod, idxScale, type ViewExpr, viewWithin } from "../ir/index-expr.js";
import type { Primitive } from "../ir/primitive.js";
import { sub } from "./arithmetic.js";
import { broadcastInDim, constant, reduceSum, zerosOf } from "./broadcast.js";
import { elementAt, range, requireLength, requireSameDtype } from "./rules.js";
import { select } from "./select.js";

interface SliceParams {
  readonly start: readonly number[];
  readonly limit: readonly number[];
  readonly strides: readonly number[];
}

export const sliceP: Primitive<SliceParams> = {
  name: "slice",
  kind: "view",
  aval([x], { start, limit, strides }) {
    requireLength("slice", "start", start, x!);
    requireLength("slice", "limit", limit, x!);
    requireLength("slice", "strides", strides, x!);
    const shape = x!.shape.map((n, i) => {
      const [from, to, step] = [start[i]!, limit[i]!, strides[i]!];
      const sound =
        Number.isInteger(from) &&
        Number.isInteger(to) &&
        Number.isInteger(step) &&
        0 <= from &&
        from <= to &&
        to <= n &&
        step >= 1;
      if (!sound) {
        throw new ShapeError(
          `slice: start ${from}, limit ${to}, stride ${step} do not fit axis ${i} of ` +
            `${showAval(x!)}: need 0 <= start <= limit <= ${n} and stride >= 1`,
        );
      }
      return Math.ceil((to - from) / step);
    });
    return [aval(shape, x!.dtype)];
  },
  ref([x], { start, strides }, [out]) {
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) =>
        elementAt(
          x!,
          at.map((p, i) => start[i]! + p * strides[i]!),
        ),
      ),
    ];
  },
  jvp: ({ tangents: [t], params }) => [bind1(sliceP, [t!], params)],
  transpose({ cotangents: [ct], avals: [x], params: { start, strides } }) {
    const shape = ct!.aval.shape;
    const lo = shape.map((n, i) => (n === 0 ? 0 : start[i]!));
    const hi = shape.map(
      (n, i) => x!.shape[i]! - lo[i]! - (n === 0 ? 0 : (n - 1) * strides[i]! + 1),
    );
    const interior = strides.map((s) => s - 1);
    return [pad(ct!, lit(0, ct!.aval.dtype), lo, hi, interior)];
  },
  batch: ({ inputs: [x], size, params: { start, limit, strides } }) => [
    slice(x!, [0, ...start], [size, ...limit], [1, ...strides]),
  ],
  simplify([x], { start, limit, strides }) {
    const { shape } = x!.aval;
    const count = limit.map((to, i) => Math.ceil((to - start[i]!) / strides[i]!));
    if (shapesEqual(shape, count)) return [x!];
    const inner = definitionOf(x!, sliceP);
    if (!inner) return null;
    const from = start.map((s, i) => inner.params.start[i]! + s * inner.params.strides[i]!);
    const step = strides.map((s, i) => s * inner.params.strides[i]!);
    const to = count.map((n, i) => (n === 0 ? from[i]! : from[i]! + (n - 1) * step[i]! + 1));
    return [slice(inner.inputs[0]!, from, to, step)];
  },
  view: ({ index, params: { start, strides } }) => ({
    kind: "element",
    operand: 0,
    index: index.map((e, i) => idxAdd(idxScale(e, strides[i]!), start[i]!)),
  }),
  error: { ulp: 0 },
};

/** Elements `start[i], start[i] + strides[i], … < limit[i]` along each axis i (lax.slice). */
export function slice(
  x: Atom,
  start: readonly number[],
  limit: readonly number[],
  strides: readonly number[] = start.map(() => 1),
): Atom {
  return bind1(sliceP, [x], { start: [...start], limit: [...limit], strides: [...strides] });
}

interface PadParams {
  readonly lo: readonly number[];
  readonly hi: readonly number[];
  readonly interior: readonly number[];
}

/** Size of an axis after `interior` values were put between its elements. */
const dilated = (n: number, interior: number): number =>
  n === 0 ? 0 : (n - 1) * (interior + 1) + 1;

/** What is left of a cotangent of a padded array for the array itself. */
function unpad(ct: Atom, shape: Shape, { lo, hi, interior }: PadParams): Atom {
  const zero = lit(0, ct.aval.dtype);
  const negate = (list: readonly number[]) => list.map((v) => (v === 0 ? 0 : -v));
  const spread = pad(ct, zero, negate(lo), negate(hi));
  const from = shape.map(() => 0);
  return slice(
    spread,
    from,
    spread.aval.shape,
    interior.map((k) => k + 1),
  );
}

export const padP: Primitive<PadParams> = {
  name: "pad",
  kind: "view",
  aval([x, value], { lo, hi, interior }) {
    requireLength("pad", "lo", lo, x!);
    requireLength("pad", "hi", hi, x!);
    requireLength("pad", "interior", interior, x!);
    requireSameDtype("pad", [x!, value!]);
    if (value!.shape.length !== 0) {
      throw new ShapeError(`pad: the padding value must be a scalar, not ${showAval(value!)}`);
    }
    const shape = x!.shape.map((n, i) => {
      const size = lo[i]! + hi[i]! + dilated(n, interior[i]!);
      if (!(interior[i]! >= 0) || !Number.isInteger(size) || size < 0) {
        throw new ShapeError(
          `pad: lo ${lo[i]}, hi ${hi[i]}, interior ${interior[i]} of axis ${i} of ` +
            `${showAval(x!)} give a size of ${size}; interior must be >= 0 and the size too`,
        );
      }
      return size;
    });
    return [aval(shape, x!.dtype)];
  },
  ref([x, value], { lo, interior }, [out]) {
    return [
      ndFromFunction(out!.shape, x!.dtype, (at) => {
        const from: number[] = [];
        for (const [i, p] of at.entries()) {
          const q = (p - lo[i]!) / (interior[i]! + 1);
          if (!Number.isInteger(q) || q < 0 || q >= x!.shape[i]!) return value!.data[0]!;
          from.push(q);
        }
        return elementAt(x!, from);
      }),
    ];
  },
  jvp({ primals: [x], tangents: [t, v], params }) {
    return [bind1(padP, [t ?? zerosOf(x!.aval), v ?? lit(0, x!.aval.dtype)], params)];
  },
  transpose({ cotangents: [ct], inputs, avals: [x], params }) {
    const inside = unpad(ct!, x!.shape, params);
    const total = (a: Atom) => reduceSum(a, range(a.aval.shape.length));
    return [
      inputs[0] === null ? inside : null,
      inputs[1] === null ? sub(total(ct!), total(inside)) : null,
    ];
  },
  batch({ inputs: [x, value], mapped: [mapX, mapValue], size, params }) {
    const lo = [0, ...params.lo];
    const hi = [0, ...params.hi];
    const interior = [0, ...params.interior];
    const { dtype } = value!.aval;
    if (!mapValue) return [pad(x!, value!, lo, hi, interior)];
    // One value a lane: choose between the lane's own value and the padded array.
    const bare = mapX ? x!.aval.shape.slice(1) : x!.aval.shape;
    const inside = pad(
      constant(1, bare, "bool"),
      lit(0, "bool"),
      params.lo,
      params.hi,
      params.interior,
    );
    const shape = [size, ...inside.aval.shape];
    const axes = range(inside.aval.shape.length, 1);
    const padded = mapX
      ? pad(x!, lit(0, dtype), lo, hi, interior)
      : broadcastInDim(pad(x!, lit(0, dtype), params.lo, params.hi, params.interior), shape, axes);
    return [
      select(broadcastInDim(inside, shape, axes), padded, broadcastInDim(value!, shape, [0])),
    ];
  },
  simplify([x], { lo, hi, interior }) {
    const { shape } = x!.aval;
    const none = lo.every(
      (v, i) => v === 0 && hi[i] === 0 && (interior[i] === 0 || shape[i]! <= 1),
    );
    if (none) return [x!];
    const cropOnly =
      interior.every((v, i) => v === 0 || shape[i]! <= 1) &&
      lo.every((v) => v <= 0) &&
      hi.every((v) => v <= 0);
    if (!cropOnly) return null;
    return [
      slice(
        x!,
        lo.map((v) => 0 - v),
        shape.map((n, i) => n + hi[i]!),
      ),
    ];
  },
  view({ index, inputs: [x], params: { lo, interior } }) {
    const outside: ViewExpr = { kind: "element", operand: 1, index: [] };
    const from = index.map((e, i) => idxAdd(e, -lo[i]!));
    let expr: ViewExpr = {
      kind: "element",
      operand: 0,
      index: from.map((e, i) => idxDiv(e, interior[i]! + 1)),
    };
    for (const [i, value] of from.entries()) {
      const step = interior[i]! + 1;
      if (step > 1) {
        expr = viewWithin(idxMod(value, step), 0, 1, expr, outside);
      }
      const size = dilated(x!.shape[i]!, interior[i]!);
      if (value.lo < 0 || value.hi >= size) {
        expr = viewWithin(value, 0, size, expr, outside);
      }
    }
    return expr;
  },
  error: { ulp: 0 },
};

/**
 * `x` with `value` added: `lo` before, `hi` after (negative: removed), `interior` between elements of
 * each axis (lax.pad).
 */
export function pad(
  x: Atom,
  value: Atom,
  lo: readonly number[],
  hi: readonly number[],
  interior: readonly number[] = lo.map(() => 0),
): Atom {
  return bind1(padP, [x, value], { lo: [...lo], hi: [...hi], interior: [...interior] });
}

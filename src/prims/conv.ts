/**
 * conv: the general convolution, a dotGeneral that also contracts over a sliding window.
 *
 *     out[b, i, p, j] = Σ_c Σ_k a[b, i, c, (p·stride + k·dilation − lo)/base] · w[b, j, c, k]
 *
 * Each operand says which of its axes are batch (in both: lanes, groups), free (in one: examples or
 * lanes on the left, features or lanes on the right), contracted and spatial; `out` orders the result.
 * So every layout is a list of axes, grouped convolutions are a batch axis, a lane on one operand is
 * one more free axis (nothing is repeated), and both gradients are convolutions again.
 */
import { type Aval, aval, showAval, sizeOf } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { hostData, type NdArray } from "../core/ndarray.js";
import { bind1, lit } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { JvpArgs, Primitive } from "../ir/primitive.js";
import { add } from "./arithmetic.js";
import { dotGeneral } from "./dot.js";
import { inversePermutation, transpose, transposeP } from "./reshape.js";
import {
  listsEqual,
  numeric,
  range,
  requireAxes,
  requireDtype,
  requireSameDtype,
  wrapTo,
} from "./rules.js";
import { pad } from "./slice.js";
import {
  elementOf,
  exchanged,
  inverted,
  positionsOf,
  reachOf,
  requireDims,
  spanOf,
  type WindowDim,
  windowOf,
} from "./window-map.js";
import { windows } from "./windows.js";

type Axes = readonly number[];

/** The roles of an operand's axes. */
export interface ConvAxes {
  readonly batch: Axes;
  readonly free: Axes;
  readonly contract: Axes;
  readonly spatial: Axes;
}

export interface ConvParams {
  readonly lhs: ConvAxes;
  readonly rhs: ConvAxes;
  /** Axis i of the result is axis `out[i]` of [batch, free of lhs, spatial, free of rhs]. */
  readonly out: Axes;
  /** One a spatial axis: its window is the right operand's size there. */
  readonly dims: readonly WindowDim[];
}

const sizesAt = (x: Aval, axes: Axes): number[] => axes.map((a) => x.shape[a]!);

const allAxes = ({ batch, free, contract, spatial }: ConvAxes): number[] => [
  ...batch,
  ...free,
  ...contract,
  ...spatial,
];

/** Where the groups of the result's axes begin in [batch, free of lhs, spatial, free of rhs]. */
function sections({ lhs, rhs }: ConvParams) {
  const free = lhs.batch.length;
  const spatial = free + lhs.free.length;
  const other = spatial + lhs.spatial.length;
  return { free, spatial, other, rank: other + rhs.free.length };
}

/** Positions in the result of the canonical axes from `from` to `to`. */
function resultAxes({ out }: ConvParams, from: number, to: number): number[] {
  const where = inversePermutation(out);
  return where.slice(from, to);
}

/** Shape of [batch, free of lhs, spatial, free of rhs]. */
const canonicalShape = (a: Aval, w: Aval, { lhs, rhs, dims }: ConvParams): number[] => [
  ...sizesAt(a, lhs.batch),
  ...sizesAt(a, lhs.free),
  ...positionsOf(dims),
  ...sizesAt(w, rhs.free),
];

/** The result's roles as the left operand of the convolution that gives the left cotangent. */
function lhsCotangent(ct: Atom, w: Atom, a: Aval, params: ConvParams): Atom {
  const { lhs, rhs, dims } = params;
  const s = sections(params);
  // Canonical result: batch, free of lhs, spatial, contracted: put each axis where the operand has it.
  const canonical = [...lhs.batch, ...lhs.free, ...lhs.spatial, ...lhs.contract];
  return conv(ct, w, {
    lhs: {
      batch: resultAxes(params, 0, s.free),
      free: resultAxes(params, s.free, s.spatial),
      spatial: resultAxes(params, s.spatial, s.other),
      contract: resultAxes(params, s.other, s.rank),
    },
    rhs: { batch: rhs.batch, free: rhs.contract, contract: rhs.free, spatial: rhs.spatial },
    out: inversePermutation(canonical),
    dims: dims.map((d, i) => inverted(d, a.shape[lhs.spatial[i]!]!)),
  });
}

/** The cotangent of the right operand: the left one's windows over the result's cotangent. */
function rhsCotangent(ct: Atom, a: Atom, params: ConvParams): Atom {
  const { lhs, rhs, dims } = params;
  const s = sections(params);
  const canonical = [...rhs.batch, ...rhs.contract, ...rhs.spatial, ...rhs.free];
  return conv(a, ct, {
    lhs: { batch: lhs.batch, free: lhs.contract, contract: lhs.free, spatial: lhs.spatial },
    rhs: {
      batch: resultAxes(params, 0, s.free),
      free: resultAxes(params, s.other, s.rank),
      contract: resultAxes(params, s.free, s.spatial),
      spatial: resultAxes(params, s.spatial, s.other),
    },
    out: inversePermutation(canonical),
    dims: dims.map(exchanged),
  });
}

const shifted = (axes: ConvAxes): ConvAxes => ({
  batch: axes.batch.map((a) => a + 1),
  free: axes.free.map((a) => a + 1),
  contract: axes.contract.map((a) => a + 1),
  spatial: axes.spatial.map((a) => a + 1),
});

/** An operand as a dense [batch, free, contract, spatial] array, and the sizes of the four groups. */
function packed(x: NdArray, axes: ConvAxes): { data: NdArray["data"]; sizes: number[] } {
  const perm = allAxes(axes);
  const shape = perm.map((p) => x.shape[p]!);
  const [y] = transposeP.ref([x], { perm }, [aval(shape, x.dtype)]);
  const groups = [axes.batch, axes.free, axes.contract, axes.spatial];
  return { data: y!.data, sizes: groups.map((g) => sizeOf(g.map((a) => x.shape[a]!))) };
}

export const convP: Primitive<ConvParams> = {
  name: "conv",
  kind: "opaque",
  aval([a, w], params) {
    const { lhs, rhs, out, dims } = params;
    requireDtype("conv", a!, numeric);
    requireSameDtype("conv", [a!, w!]);
    requireDims("conv", dims);
    for (const [x, axes, side] of [
      [a!, lhs, "left"],
      [w!, rhs, "right"],
    ] as const) {
      requireAxes("conv", `${side} axes`, allAxes(axes), x);
      if (allAxes(axes).length !== x.shape.length || axes.spatial.length !== dims.length) {
        throw new ShapeError(
          `conv: the ${side} operand ${showAval(x)} must have each axis in one role (batch, free, ` +
            `contract, spatial) and ${dims.length} spatial ones`,
        );
      }
    }
    for (const [what, left, right] of [
      ["batch", sizesAt(a!, lhs.batch), sizesAt(w!, rhs.batch)],
      ["contracted", sizesAt(a!, lhs.contract), sizesAt(w!, rhs.contract)],
      ["window", windowOf(dims), sizesAt(w!, rhs.spatial)],
    ] as const) {
      if (!listsEqual(left, right)) {
        throw new ShapeError(
          `conv: the ${what} sizes [${left.join(",")}] and [${right.join(",")}] of ${showAval(a!)} ` +
            `and ${showAval(w!)} must be equal`,
        );
      }
    }
    const shape = canonicalShape(a!, w!, params);
    requireAxes("conv", "result axes", out, aval(shape, a!.dtype));
    return [
      aval(
        out.map((c) => shape[c]!),
        a!.dtype,
      ),
    ];
  },
  ref([a, w], params, [result]) {
    const { dtype } = result!;
    const x = packed(a!, params.lhs);
    const y = packed(w!, params.rhs);
    const [batch, rows, channels, points] = x.sizes as [number, number, number, number];
    const [, columns, , taps] = y.sizes as [number, number, number, number];
    const places = sizeOf(positionsOf(params.dims));
    const sizes = params.lhs.spatial.map((axis) => a!.shape[axis]!);
    // The flat spatial element under each place and tap of the window.
    const under = flatElements(params.dims, sizes);
    const product = isFloat(dtype) ? (p: number, q: number) => p * q : Math.imul;
    const data = hostData(dtype, batch * rows * places * columns);
    let at = 0;
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < rows; i++) {
        for (let p = 0; p < places; p++) {
          for (let j = 0; j < columns; j++) {
            let total = 0;
            for (let c = 0; c < channels; c++) {
              const left = ((b * rows + i) * channels + c) * points;
              const right = ((b * columns + j) * channels + c) * taps;
              for (let k = 0; k < taps; k++) {
                const from = under[p * taps + k]!;
                if (from < 0) continue;
                total = wrapTo(dtype, total + product(x.data[left + from]!, y.data[right + k]!));
              }
            }
            data[at++] = total;
          }
        }
      }
    }
    const shape = canonicalShape(a!, w!, params);
    return transposeP.ref([{ shape, dtype, data }], { perm: params.out }, [result!]);
  },
  jvp({ primals: [a, w], tangents: [ta, tw], params }: JvpArgs<ConvParams>) {
    const left = ta && conv(ta, w!, params);
    const right = tw && conv(a!, tw, params);
    return [left && right ? add(left, right) : (left ?? right ?? null)];
  },
  transpose({ cotangents: [ct], inputs: [a, w], avals: [aAval], params }) {
    return [
      a === null ? lhsCotangent(ct!, w!, aAval!, params) : null,
      w === null ? rhsCotangent(ct!, a!, params) : null,
    ];
  },
  batch({ inputs: [a, w], mapped: [mapA, mapW], params }) {
    const s = sections(params);
    const lhs = mapA ? shifted(params.lhs) : params.lhs;
    const rhs = mapW ? shifted(params.rhs) : params.rhs;
    // The lane in [batch, free of lhs, spatial, free of rhs], and the result with it in front.
    const lane = mapA && mapW ? 0 : mapA ? s.free : s.other;
    const out = [lane, ...params.out.map((c) => (c < lane ? c : c + 1))];
    const { dims } = params;
    if (mapA && mapW) {
      const both = (axes: ConvAxes) => ({ ...axes, batch: [0, ...axes.batch] });
      return [conv(a!, w!, { lhs: both(lhs), rhs: both(rhs), out, dims })];
    }
    const one = (axes: ConvAxes, mapped: boolean | undefined) =>
      mapped ? { ...axes, free: [0, ...axes.free] } : axes;
    return [conv(a!, w!, { lhs: one(lhs, mapA), rhs: one(rhs, mapW), out, dims })];
  },
  lower: ([a, w], params) => [asProduct(a!, w!, params)],
  error: { ulp: 2 },
};

/** For each place and tap (row-major both) the flat spatial element under it, -1 for padding. */
function flatElements(dims: readonly WindowDim[], sizes: readonly number[]): Int32Array {
  const places = positionsOf(dims);
  const taps = windowOf(dims);
  const count = [sizeOf(places), sizeOf(taps)] as const;
  const out = new Int32Array(count[0] * count[1]);
  for (let p = 0; p < count[0]; p++) {
    for (let k = 0; k < count[1]; k++) {
      let [p_, k_] = [p, k];
      let flat = 0;
      let step = 1;
      for (let i = dims.length - 1; i >= 0 && flat >= 0; i--) {
        const at = elementOf(dims[i]!, sizes[i]!, p_ % places[i]!, k_ % taps[i]!);
        flat = at < 0 ? -1 : flat + at * step;
        step *= sizes[i]!;
        p_ = Math.floor(p_ / places[i]!);
        k_ = Math.floor(k_ / taps[i]!);
      }
      out[p * count[1] + k] = flat;
    }
  }
  return out;
}

/**
 * A product of the left operand's windows with the right operand. The padding is a step of its own,
 * so that the windows over it are pure strides. Of the two ways to see the same elements (places with
 * a window, or the window's offsets with places) the one with the smaller window is taken, so that the
 * forward pass and the gradient of its weights look at the same windows.
 */
function asProduct(a: Atom, w: Atom, params: ConvParams): Atom {
  const { lhs, rhs, out } = params;
  const swap = sizeOf(windowOf(params.dims)) > sizeOf(positionsOf(params.dims));
  const dims = swap ? params.dims.map(exchanged) : params.dims;
  // Windows take the spatial axes in increasing order.
  const order = range(dims.length).sort((i, j) => lhs.spatial[i]! - lhs.spatial[j]!);
  const spatial = order.map((i) => lhs.spatial[i]!);
  const padded = padFor(a, lhs.spatial, dims);
  const seen = windows(padded.atom, lit(0, a.aval.dtype), {
    axes: spatial,
    dims: order.map((i) => padded.dims[i]!),
  });
  const first = dims.length === 0 ? 0 : spatial[spatial.length - 1]! + 1;
  const moved = (axis: number) => (axis < first ? axis : axis + dims.length);
  const inner = range(dims.length).map((i) => first + order.indexOf(i));
  const [places, taps] = swap ? [inner, lhs.spatial] : [lhs.spatial, inner];
  // Contract in the right operand's own order of axes.
  const pairs = [
    ...taps.map((left, i) => [left, rhs.spatial[i]!] as const),
    ...lhs.contract.map((left, i) => [moved(left), rhs.contract[i]!] as const),
  ].sort((p, q) => p[1] - q[1]);
  const product = dotGeneral(seen, w, {
    contract: [pairs.map((p) => p[0]), pairs.map((p) => p[1])],
    batch: [lhs.batch.map(moved), rhs.batch],
  });
  // dotGeneral leaves free axes in their operands' order.
  const s = sections(params);
  const left = [
    ...lhs.free.map((axis, i) => [moved(axis), s.free + i] as const),
    ...places.map((axis, i) => [axis, s.spatial + i] as const),
  ].sort((p, q) => p[0] - q[0]);
  const right = rhs.free.map((axis, i) => [axis, s.other + i] as const);
  right.sort((p, q) => p[0] - q[0]);
  const have = [...range(s.free), ...left.map((p) => p[1]), ...right.map((p) => p[1])];
  return transpose(
    product,
    out.map((c) => have.indexOf(c)),
  );
}

/** The array with its padding (and base dilation) written out, and the windows' map over it. */
function padFor(
  a: Atom,
  axes: Axes,
  dims: readonly WindowDim[],
): { atom: Atom; dims: readonly WindowDim[] } {
  const { shape, dtype } = a.aval;
  const lo = shape.map(() => 0);
  const hi = shape.map(() => 0);
  const interior = shape.map(() => 0);
  const pure = dims.map((d, i) => {
    const axis = axes[i]!;
    const span = spanOf(shape[axis]!, d.base);
    const { least, most } = reachOf(d);
    // Only what is missing is added; what no window reaches stays.
    lo[axis] = Math.max(0, -least);
    hi[axis] = Math.max(0, most - span + 1);
    interior[axis] = d.base - 1;
    return { ...d, base: 1, lo: d.lo - lo[axis]! };
  });
  const none = [...lo, ...hi, ...interior].every((v) => v === 0);
  return { atom: none ? a : pad(a, lit(0, dtype), lo, hi, interior), dims: pure };
}

/** The general convolution; see the top of this file for its axes and `window-map.ts` for its dims. */
export function conv(a: Atom, w: Atom, { lhs, rhs, out, dims }: ConvParams): Atom {
  const copy = ({ batch, free, contract, spatial }: ConvAxes): ConvAxes => ({
    batch: [...batch],
    free: [...free],
    contract: [...contract],
    spatial: [...spatial],
  });
  return bind1(convP, [a, w], {
    lhs: copy(lhs),
    rhs: copy(rhs),
    out: [...out],
    dims: dims.map((d) => ({ ...d })),
  });
}

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
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { JvpArgs, Primitive } from "../ir/primitive.js";
import { add } from "./arithmetic.js";
import { type ConvAxes, type ConvParams, canonicalShape, sections, sizesAt } from "./conv-axes.js";
import { asProduct } from "./conv-lower.js";
import { byPhases } from "./phases.js";
import { inversePermutation, transposeP } from "./reshape.js";
import {
  listsEqual,
  numeric,
  requireAxes,
  requireDtype,
  requireSameDtype,
  wrapTo,
} from "./rules.js";
import {
  elementOf,
  exchanged,
  inverted,
  positionsOf,
  requireDims,
  type WindowDim,
  windowOf,
} from "./window-map.js";

const allAxes = ({ batch, free, contract, spatial }: ConvAxes): number[] => [
  ...batch,
  ...free,
  ...contract,
  ...spatial,
];

/** Positions in the result of the canonical axes from `from` to `to`. */
function resultAxes({ out }: ConvParams, from: number, to: number): number[] {
  const where = inversePermutation(out);
  return where.slice(from, to);
}

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
  product: true,
  aval([a, w], params) {
    const { lhs, rhs, out, dims } = params;
    requireDtype("conv", a!, numeric);
    requireSameDtype("conv", [a!, w!]);
    requireDims("conv", dims);
    if (dims.length === 0) {
      throw new ShapeError(
        `conv: ${showAval(a!)} and ${showAval(w!)} have no spatial axes; use dotGeneral`,
      );
    }
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
  lower([a, w], params) {
    const phases = byPhases(w!, params);
    if (!phases) return [asProduct(a!, w!, params)];
    return [phases.finish(asProduct(a!, phases.w, phases.params))];
  },
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

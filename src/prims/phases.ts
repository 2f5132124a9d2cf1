/**
 * Maps back from windows that step by more than one, phase by phase. Where windows step by s, an element
 * p of the axis is seen by the window o through the tap p − s·o: of w taps only those of p's own phase
 * p mod s, ⌈w/s⌉ of them. Writing p = s·q + φ and taps as s·j + φ leaves the window's steps out of the
 * map: o = q − j, for every phase alike. So nothing is multiplied, read or added for taps of other phases
 * (most of them: 3 of 4 for steps of 2), and a convolution's phases are columns of one product.
 */

import type { Atom } from "../ir/graph.js";
import { reduceSum } from "./broadcast.js";
import { type ConvParams, sections } from "./conv-axes.js";
import { inversePermutation, reshape, reverse, transpose } from "./reshape.js";
import { range } from "./rules.js";
import { shearWindows } from "./shear-windows.js";
import { slice } from "./slice.js";
import { type WindowParams, windowAxes } from "./window-axes.js";
import { inverted, type WindowDim } from "./window-map.js";

/** An axis of a map back to elements, by phases. */
interface Phased {
  /** How many phases. */
  readonly phases: number;
  /** The map of an element's quotient q and a tap's quotient j to windows. */
  readonly dim: WindowDim;
  /** Elements of the axis, and the first of them among quotients times phases. */
  readonly size: number;
  readonly first: number;
}

/** One phase: the map as it is. */
const whole = (d: WindowDim): Phased => ({ phases: 1, dim: d, size: d.positions, first: 0 });

/** A map back of which the taps go backwards by one, as `inverted` makes them of ordinary windows. */
function phasesOf(d: WindowDim): Phased {
  const { positions: size, window, base: phases, lo } = d;
  if (phases === 1 || d.stride !== 1 || d.dilation !== -1 || size < 1 || window < 1)
    return whole(d);
  const from = Math.floor(-lo / phases);
  const positions = Math.floor((size - 1 - lo) / phases) - from + 1;
  const taps = Math.ceil(window / phases);
  const dim = { positions, window: taps, stride: 1, dilation: -1, base: 1, lo: 0 - from };
  return { phases, dim, size, first: -lo - from * phases };
}

/** Zeros after an axis, up to `size`: a window map, so that the matrix templates see that they are zeros. */
function zeroPadded(x: Atom, axis: number, size: number): Atom {
  const { shape } = x.aval;
  if (shape[axis] === size) return x;
  const single = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
  const dim = { positions: size, window: 1, stride: 1, dilation: 1, base: 1, lo: 0 };
  const padded = shearWindows(reshape(x, single), { axes: [axis], dims: [dim] });
  return reshape(
    padded,
    shape.map((n, a) => (a === axis ? size : n)),
  );
}

/** Each axis of `axes` as [quotient, phase], with zeros for the taps that there are not. */
function split(x: Atom, axes: readonly number[], phased: readonly Phased[]): Atom {
  const full = axes.reduce((y, a, i) => {
    const { dim, phases } = phased[i]!;
    return zeroPadded(y, a, dim.window * phases);
  }, x);
  const parts = full.aval.shape.flatMap((n, a) => {
    const f = phased[axes.indexOf(a)];
    return f ? [f.dim.window, f.phases] : [n];
  });
  return reshape(full, parts);
}

/** Where each axis of an array begins once those of `axes` are two. */
const startsOf = (rank: number, axes: readonly number[]): number[] =>
  range(rank).map((a) => a + axes.filter((b) => b < a).length);

/** [quotient, phase] as the elements of the axis again; `axes` are the axes of the result. */
function join(x: Atom, axes: readonly number[], phased: readonly Phased[]): Atom {
  const rank = x.aval.shape.length - axes.length;
  const starts = startsOf(rank, axes);
  const merged = starts.map((at, a) =>
    axes.includes(a) ? x.aval.shape[at]! * x.aval.shape[at + 1]! : x.aval.shape[at]!,
  );
  const start = merged.map((_, a) => phased[axes.indexOf(a)]?.first ?? 0);
  const limit = merged.map((n, a) => {
    const f = phased[axes.indexOf(a)];
    return f ? f.first + f.size : n;
  });
  return slice(reshape(x, merged), start, limit);
}

/**
 * What windows' elements come to where they were read: the sum over all windows and taps that see an
 * element, for an array with axes of `shape` in place of positions. `ct` is as `windows` gives them.
 */
export function gatherWindows(ct: Atom, params: WindowParams, shape: readonly number[]): Atom {
  const { axes } = params;
  const phased = params.dims.map((d, i) => phasesOf(inverted(d, shape[axes[i]!]!)));
  const dims = phased.map((f) => f.dim);
  if (phased.every((f) => f.phases === 1)) {
    const home = shearWindows(ct, { axes, dims });
    return reduceSum(home, windowAxes(params));
  }
  // [.., o1, .., on, j1, φ1, .., jn, φn, ..] to [.., o1, φ1, .., on, j1, .., jn, φn, ..].
  const taps = windowAxes(params);
  const parts = split(ct, taps, phased);
  const starts = startsOf(ct.aval.shape.length, taps);
  const j = taps.map((a) => starts[a]!);
  const last = axes[axes.length - 1]!;
  const order = starts.flatMap((at, a) => {
    if (taps.includes(a)) return [];
    const i = axes.indexOf(a);
    if (i < 0) return [at];
    return a === last ? [at, ...j, j[i]! + 1] : [at, j[i]! + 1];
  });
  const quotients = axes.map((a, i) => a + i);
  const moved = { axes: quotients, dims };
  const home = shearWindows(transpose(parts, order), moved);
  return join(reduceSum(home, windowAxes(moved)), axes, phased);
}

/**
 * A convolution with a dilated base (a gradient by the input of one with strides, or a transposed one)
 * as one of the quotients, whose right operand has a column for each phase; and what makes its result
 * that of the first. Null where no axis has phases.
 */
export function byPhases(
  w: Atom,
  params: ConvParams,
): { readonly w: Atom; readonly params: ConvParams; finish(product: Atom): Atom } | null {
  const { rhs, out } = params;
  // Taps that go forwards go backwards in the reversed window.
  const turned = params.dims.map((d) => d.base > 1 && d.stride === 1 && d.dilation === 1);
  const dims = params.dims.map((d, i) =>
    turned[i] ? { ...d, dilation: -1, lo: d.lo - (d.window - 1) } : d,
  );
  const phased = dims.map(phasesOf);
  const some = range(dims.length).filter((i) => phased[i]!.phases > 1);
  if (some.length === 0) return null;
  const back = rhs.spatial.filter((_, i) => turned[i] && some.includes(i));
  const forwards = back.length > 0 ? reverse(w, back) : w;
  const axes = some.map((i) => rhs.spatial[i]!);
  const chosen = some.map((i) => phased[i]!);
  const starts = startsOf(w.aval.shape.length, axes);
  const at = (list: readonly number[]) => list.map((a) => starts[a]!);
  const { rank } = sections(params);
  // The phase of an axis comes right after its quotient in the result.
  const phase = new Map(some.map((i, n) => [sections(params).spatial + i, rank + n]));
  return {
    w: split(forwards, axes, chosen),
    params: {
      lhs: params.lhs,
      rhs: {
        batch: at(rhs.batch),
        free: [...at(rhs.free), ...axes.map((a) => starts[a]! + 1)],
        contract: at(rhs.contract),
        spatial: at(rhs.spatial),
      },
      out: out.flatMap((c) => (phase.has(c) ? [c, phase.get(c)!] : [c])),
      dims: params.dims.map((given, i) => (some.includes(i) ? phased[i]!.dim : given)),
    },
    finish(product) {
      const where = inversePermutation(out);
      const places = some.map((i) => where[sections(params).spatial + i]!);
      const order = range(places.length).sort((i, j) => places[i]! - places[j]!);
      return join(
        product,
        order.map((i) => places[i]!),
        order.map((i) => chosen[i]!),
      );
    },
  };
}

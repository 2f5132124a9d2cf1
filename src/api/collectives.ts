/** Collectives: what lanes of a named axis of vmap tell each other (jax.lax.psum and its kin). */
import { normalizeAxis } from "../core/aval.js";
import { DawngradError, DtypeError, ShapeError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import type { Atom } from "../ir/graph.js";
import * as prims from "../prims/index.js";
import { axisOf, type NamedAxis } from "../trace/axes.js";
import type { Tensor } from "../trace/tensor.js";
import { operation } from "../trace/trace.js";
import { notTensor, tracerOf } from "../trace/tracer.js";
import { isTensorLike } from "./arguments.js";
import { asFloat, asNumber, like } from "./ops/atoms.js";
import { toAtom } from "./ops/promote.js";

/** The name of an axis of vmap, or several: over all lanes of all of them. */
export type AxisName = string | readonly string[];

/** The same tree with tensors for its leaves. */
export type Gathered<T> = T extends number | boolean | Tensor
  ? Tensor
  : T extends object
    ? { [K in keyof T]: Gathered<T[K]> }
    : T;

const paramsOf = (axis: NamedAxis): prims.CollectiveParams => ({
  axisName: axis.name,
  size: axis.size,
});

const axesOf = (op: string, name: AxisName): NamedAxis[] =>
  (typeof name === "string" ? [name] : name).map((n) => axisOf(op, n));

/** Map the leaves of a tree. */
function eachLeaf<T>(op: string, tree: T, f: (x: Atom) => Atom): Gathered<T> {
  const [leaves, def] = flatten(tree);
  return def.unflatten(
    leaves.map((x) => {
      if (!isTensorLike(x)) throw new DtypeError(notTensor(op, x));
      return operation(op, (trace) => tracerOf(trace, f(toAtom(x, trace))));
    }),
  ) as Gathered<T>;
}

/** One collective after the other for a list of axes. */
function reduceOver<T>(
  op: string,
  tree: T,
  name: AxisName,
  f: (x: Atom, params: prims.CollectiveParams) => Atom,
  last: (x: Atom, lanes: number) => Atom = (x) => x,
): Gathered<T> {
  const axes = axesOf(op, name);
  const lanes = axes.reduce((n, a) => n * a.size, 1);
  return eachLeaf(op, tree, (x) =>
    last(
      axes.reduce((y, axis) => f(y, paramsOf(axis)), x),
      lanes,
    ),
  );
}

/**
 * The sum over the lanes of a named axis (jax.lax.psum), of every leaf of a tree. A value that is the
 * same for all lanes counts once for each: `psum(1, name)` is the number of lanes.
 *
 * Its gradient is JAX's: the cotangents are summed over the lanes in turn, so that `vmap(grad(f))` is
 * the gradient of the sum of all lanes' losses.
 *
 * @throws DawngradError where no axis of that name is in scope.
 *
 * ```ts
 * const share = (x: Tensor) => x.div(psum(x, "batch"));
 * await vmap(share, 0, 0, { axisName: "batch" })(array([1, 3])).toArray(); // [0.25, 0.75]
 * ```
 */
export const psum = <T>(x: T, axisName: AxisName): Gathered<T> =>
  reduceOver("psum", x, axisName, (a, params) => prims.psum(asNumber(a), params));

/**
 * The mean over the lanes of a named axis (jax.lax.pmean), of every leaf of a tree; float32.
 *
 * ```ts
 * const centred = (x: Tensor) => x.sub(pmean(x, "batch"));
 * await vmap(centred, 0, 0, { axisName: "batch" })(array([1, 3])).toArray(); // [-1, 1]
 * ```
 */
export const pmean = <T>(x: T, axisName: AxisName): Gathered<T> =>
  reduceOver(
    "pmean",
    x,
    axisName,
    (a, params) => prims.psum(asFloat(a), params),
    (total, lanes) => prims.div(total, like(total, lanes)),
  );

/**
 * The largest value of any lane (jax.lax.pmax). Lanes that attain it share its gradient.
 *
 * ```ts
 * const top = (x: Tensor) => pmax(x, "batch");
 * await vmap(top, 0, 0, { axisName: "batch" })(array([1, 3])).toArray(); // [3, 3]
 * ```
 */
export const pmax = <T>(x: T, axisName: AxisName): Gathered<T> =>
  reduceOver("pmax", x, axisName, (a, params) => prims.pmax(asNumber(a), params));

/**
 * The smallest value of any lane (jax.lax.pmin); otherwise as `pmax`.
 *
 * ```ts
 * const low = (x: Tensor) => pmin(x, "batch");
 * await vmap(low, 0, 0, { axisName: "batch" })(array([1, 3])).toArray(); // [1, 1]
 * ```
 */
export const pmin = <T>(x: T, axisName: AxisName): Gathered<T> =>
  reduceOver("pmin", x, axisName, (a, params) => prims.pmin(asNumber(a), params));

/**
 * The number of lanes of a named axis, a JavaScript number known while tracing (jax.lax.axis_size).
 *
 * ```ts
 * const f = (x: Tensor) => x.div(axisSize("batch"));
 * await vmap(f, 0, 0, { axisName: "batch" })(array([1, 3])).toArray(); // [0.5, 1.5]
 * ```
 */
export const axisSize = (axisName: AxisName): number =>
  axesOf("axisSize", axisName).reduce((n, a) => n * a.size, 1);

/**
 * The number of this lane along a named axis (jax.lax.axis_index): an int32 scalar. For a list of axes,
 * row-major.
 *
 * ```ts
 * const f = (x: Tensor) => x.mul(axisIndex("batch"));
 * await vmap(f, 0, 0, { axisName: "batch" })(array([5, 5])).toArray(); // [0, 5]
 * ```
 */
export const axisIndex = (axisName: AxisName): Tensor =>
  operation("axisIndex", (trace) => {
    const axes = axesOf("axisIndex", axisName);
    if (axes.length === 0) throw new ShapeError("axisIndex: name at least one axis");
    const position = (axis: NamedAxis): Atom => prims.axisIndex(paramsOf(axis));
    const index = axes
      .slice(1)
      .reduce(
        (i, axis) => prims.add(prims.mul(i, like(i, axis.size)), position(axis)),
        position(axes[0]!),
      );
    return tracerOf(trace, index);
  });

export interface AllGatherOptions {
  /** Where the lanes go in the result. Default 0. */
  readonly axis?: number;
  /** Concatenate along `axis` instead of stacking along a new one. */
  readonly tiled?: boolean;
}

/**
 * All lanes' values in every lane, along a new axis (jax.lax.all_gather); with `tiled`, one after the
 * other along an existing one.
 *
 * ```ts
 * const f = (x: Tensor) => allGather(x, "batch").cumsum();
 * await vmap(f, 0, 0, { axisName: "batch" })(array([1, 3])).toArray(); // [[1, 4], [1, 4]]
 * ```
 */
export function allGather<T>(x: T, axisName: string, options: AllGatherOptions = {}): Gathered<T> {
  const axis = axisOf("allGather", axisName);
  const tiled = options.tiled ?? false;
  return eachLeaf("allGather", x, (a) => {
    const rank = a.aval.shape.length + (tiled ? 0 : 1);
    const at = normalizeAxis("allGather", options.axis ?? 0, rank);
    return prims.allGather(a, { ...paramsOf(axis), axis: at }, tiled);
  });
}

export interface PsumScatterOptions {
  /** The axis of the sum that is dealt out. Default 0. */
  readonly scatterDimension?: number;
  /** Each lane keeps a block of the axis instead of one entry. */
  readonly tiled?: boolean;
}

/**
 * The sum over lanes, of which lane i keeps entry i along an axis (jax.lax.psum_scatter): the transpose
 * of `allGather`.
 *
 * ```ts
 * const f = (x: Tensor) => psumScatter(x, "batch");
 * await vmap(f, 0, 0, { axisName: "batch" })(array([[1, 2], [3, 4]])).toArray(); // [4, 6]
 * ```
 */
export function psumScatter<T>(
  x: T,
  axisName: string,
  options: PsumScatterOptions = {},
): Gathered<T> {
  const params = paramsOf(axisOf("psumScatter", axisName));
  return eachLeaf("psumScatter", x, (a) => {
    const axis = normalizeAxis("psumScatter", options.scatterDimension ?? 0, a.aval.shape.length);
    return prims.psumScatter(asNumber(a), { ...params, axis }, options.tiled ?? false);
  });
}

/**
 * Lane i receives entry i along `splitAxis` of every lane, stacked along `concatAxis`
 * (jax.lax.all_to_all); with `tiled`, blocks instead of entries, concatenated.
 *
 * ```ts
 * const f = (x: Tensor) => allToAll(x, "batch", 0, 0);
 * await vmap(f, 0, 0, { axisName: "batch" })(array([[1, 2], [3, 4]])).toArray(); // [[1, 3], [2, 4]]
 * ```
 */
export function allToAll<T>(
  x: T,
  axisName: string,
  splitAxis: number,
  concatAxis: number,
  options: { readonly tiled?: boolean } = {},
): Gathered<T> {
  const params = paramsOf(axisOf("allToAll", axisName));
  return eachLeaf("allToAll", x, (a) => {
    const rank = a.aval.shape.length;
    const split = normalizeAxis("allToAll splitAxis", splitAxis, rank);
    const concat = normalizeAxis("allToAll concatAxis", concatAxis, rank);
    return prims.allToAll(a, { ...params, split, concat }, options.tiled ?? false);
  });
}

/**
 * Lanes send their values to other lanes (jax.lax.ppermute): `perm` lists pairs [source, destination].
 * Lanes that receive nothing get zeros.
 *
 * ```ts
 * const next = (x: Tensor) => ppermute(x, "ring", [[0, 1], [1, 2], [2, 0]]);
 * await vmap(next, 0, 0, { axisName: "ring" })(array([1, 2, 3])).toArray(); // [3, 1, 2]
 * ```
 */
export function ppermute<T>(
  x: T,
  axisName: string,
  perm: readonly (readonly [source: number, destination: number])[],
): Gathered<T> {
  const params = paramsOf(axisOf("ppermute", axisName));
  const from = Array.from({ length: params.size }, () => -1);
  const sent = new Set<number>();
  for (const [source, destination] of perm) {
    const valid = [source, destination].every(
      (i) => Number.isInteger(i) && i >= 0 && i < params.size,
    );
    if (!valid || from[destination] !== -1 || sent.has(source)) {
      throw new DawngradError(
        `ppermute: the pair [${source}, ${destination}] is out of range for the ${params.size} lanes of ` +
          `'${axisName}', or its source or destination occurs twice`,
      );
    }
    from[destination] = source;
    sent.add(source);
  }
  return eachLeaf("ppermute", x, (a) => prims.ppermute(a, { ...params, from }));
}

/**
 * Lanes in another order (jax.lax.pshuffle): lane i receives the value of lane `perm[i]`.
 *
 * ```ts
 * const f = (x: Tensor) => pshuffle(x, "batch", [2, 0, 1]);
 * await vmap(f, 0, 0, { axisName: "batch" })(array([1, 2, 3])).toArray(); // [3, 1, 2]
 * ```
 */
export const pshuffle = <T>(x: T, axisName: string, perm: readonly number[]): Gathered<T> =>
  ppermute(
    x,
    axisName,
    perm.map((source, destination) => [source, destination] as const),
  );

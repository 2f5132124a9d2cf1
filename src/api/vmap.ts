/** vmap: vectorise a function over an axis of its arguments. */
import { aval, normalizeAxis, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { broadcastPrefix, flatten, type TreeDef } from "../core/tree.js";
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Atom } from "../ir/graph.js";
import { broadcastInDim, transpose } from "../prims/index.js";
import { withAxis } from "../trace/axes.js";
import { laneChunks, withLaneChunks } from "../trace/lanes.js";
import type { Tensor } from "../trace/tensor.js";
import { applyGraph, traceFunction } from "../trace/trace.js";
import { batchGraph } from "../transform/index.js";
import {
  type AnyFunction,
  argumentLeaves,
  labelOf,
  leafName,
  requireFunction,
} from "./arguments.js";
import { withName } from "./autodiff.js";
import { inBatches } from "./control/batches.js";
import { fitting } from "./fewer-lanes.js";
import { requireKnown } from "./ops/promote.js";

/** An axis, null for "not mapped", or a tree of them that is a prefix of the value's structure. */
export type Axes = number | null | readonly Axes[] | { readonly [key: string]: Axes };

export interface VmapOptions {
  /** Lanes, needed where no argument is mapped. */
  readonly axisSize?: number;
  /** A name for the lane axis, for `psum` and the other collectives within `f`. */
  readonly axisName?: string;
}

const isAxis = (x: unknown): x is number | null => x === null || typeof x === "number";

/**
 * Map `f` over an axis of its arguments (jax.vmap): the lanes of every operation run in one batched
 * dispatch.
 *
 * `inAxes` is one axis for all arguments or a list with one entry an argument; entries are axes
 * (negative ones count from the end), null (the same value for every lane), or trees of them that
 * are prefixes of the argument. `outAxes` likewise says where the lane axis goes in the outputs;
 * null is for outputs that do not depend on the lane. `axisName` names the lane axis for `psum` and the
 * other collectives.
 *
 * @throws ShapeError where mapped sizes differ or an axis is out of range.
 *
 * ```ts
 * const dots = vmap((x: Tensor, y: Tensor) => x.mul(y).sum(), [0, null]);
 * await dots(array([[1, 2], [3, 4]]), array([1, 1])).toArray(); // [3, 7]
 * ```
 */
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  inAxes: Axes = 0,
  outAxes: Axes = 0,
  options: VmapOptions = {},
): (...args: A) => R {
  requireFunction("vmap", f);
  const label = labelOf(f as unknown as AnyFunction);
  requireKnown("vmap", "axisSize", options.axisSize);
  return withName(`vmap(${label})`, ((...args: A): R => {
    const { leaves, def } = argumentLeaves("vmap", args);
    const axes = broadcastPrefix("vmap inAxes", inAxes, def, isAxis).map((axis, i) => {
      if (axis === null) return null;
      const leaf = leaves[i]!;
      if (leaf.ndim === 0) {
        throw new ShapeError(
          `vmap: ${leafName({ inDef: def }, i)} is a scalar and cannot be mapped over axis ${axis}; ` +
            "use null for it in inAxes",
        );
      }
      return normalizeAxis(
        `vmap inAxes of ${leafName({ inDef: def }, i)} ${showAval(leaf.aval)}`,
        axis,
        leaf.ndim,
      );
    });
    const size = laneCount(label, leaves, axes, options.axisSize, (i) =>
      leafName({ inDef: def }, i),
    );
    const whole = (): R => {
      const traced = traceFunction(
        label,
        leaves.map((x, i) => {
          const axis = axes[i]!;
          const shape = axis === null ? x.shape : x.shape.filter((_, d) => d !== axis);
          return { aval: aval(shape, x.dtype), weak: x.weak };
        }),
        (tracers) =>
          withAxis(options.axisName, size, () => f(...(def.unflatten(tracers) as unknown as A))),
      );
      const outs = broadcastPrefix("vmap outAxes", outAxes, traced.outDef, isAxis);
      const mapped = traced.graph.inputs.map((_, i) => (axes[i] ?? null) !== null);
      const batched = batchGraph(traced.graph, mapped, size, options.axisName);
      const inputs = [...leaves, ...traced.captures];
      const graph = buildGraph(
        inputs.map((x) => x.aval),
        (atoms) => {
          const ins = atoms.map((x, i) => {
            const axis = axes[i] ?? null;
            return axis === null ? x : moveAxis(x, axis, 0);
          });
          return inlineGraph(batched.graph, ins).map((y, i) => {
            const axis = outs[i]!;
            const has = batched.outMapped[i]!;
            const where = traced.outDef.paths()[i] || "(root)";
            if (axis === null) {
              if (has) {
                throw new ShapeError(
                  `vmap: outAxes is null for the output at "${where}" of '${label}', but it differs ` +
                    "between lanes; give it an axis",
                );
              }
              return y;
            }
            const full = has
              ? y
              : broadcastInDim(
                  y,
                  [size, ...y.aval.shape],
                  y.aval.shape.map((_, d) => d + 1),
                );
            const to = normalizeAxis(
              `vmap outAxes of the output at "${where}"`,
              axis,
              full.aval.shape.length,
            );
            return moveAxis(full, 0, to);
          });
        },
      );
      return traced.outDef.unflatten(
        applyGraph(
          graph,
          inputs,
          `vmap of ${label}`,
          traced.outWeak.map(() => false),
        ),
      ) as R;
    };
    const split = leaves.some((_, i) => axes[i] !== null) && options.axisName === undefined;
    return fitting((): R => {
      const chunks = split ? laneChunks(size) : 1;
      if (chunks === 1) return whole();
      return inChunks(f as unknown as AnyFunction, leaves, def, axes, outAxes, size, chunks) as R;
    });
  }) as unknown as AnyFunction) as unknown as (...args: A) => R;
}

/** The same by lane chunks: a loop over vmaps of fewer lanes. */
function inChunks(
  f: AnyFunction,
  leaves: readonly Tensor[],
  def: TreeDef,
  axes: readonly (number | null)[],
  outAxes: Axes,
  size: number,
  chunks: number,
): unknown {
  const mapped = leaves.flatMap((x, i) => (axes[i] === null ? [] : [axisTo(x, axes[i]!, 0)]));
  let outDef: TreeDef | undefined;
  const lane = (slices: unknown): unknown => {
    const own = [...(slices as readonly Tensor[])];
    const all = leaves.map((x, i) => (axes[i] === null ? x : own.shift()!));
    const [outs, outTree] = flatten(f(...(def.unflatten(all) as never[])));
    outDef = outTree;
    return outs;
  };
  const lanes = withLaneChunks(undefined, () =>
    inBatches(vmap(lane), mapped, Math.ceil(size / chunks)),
  ) as readonly Tensor[];
  const to = broadcastPrefix("vmap outAxes", outAxes, outDef!, isAxis);
  return outDef!.unflatten(
    lanes.map((y, i) => {
      const axis = to[i]!;
      // What does not depend on the lane is the same in the first: the trace of all lanes has checked it.
      if (axis === null) return y.take(0, 0);
      return axisTo(y, 0, normalizeAxis("vmap outAxes", axis, y.ndim));
    }),
  );
}

const axisTo = (x: Tensor, from: number, to: number): Tensor =>
  from === to ? x : x.transpose(movedAxes(x.ndim, from, to));

function movedAxes(rank: number, from: number, to: number): number[] {
  const perm = Array.from({ length: rank }, (_, d) => d);
  perm.splice(from, 1);
  perm.splice(to, 0, from);
  return perm;
}

function moveAxis(x: Atom, from: number, to: number): Atom {
  if (from === to) return x;
  return transpose(x, movedAxes(x.aval.shape.length, from, to));
}

function laneCount(
  label: string,
  leaves: readonly { shape: readonly number[]; aval: Parameters<typeof showAval>[0] }[],
  axes: readonly (number | null)[],
  given: number | undefined,
  nameOf: (i: number) => string,
): number {
  let size = given;
  let first = -1;
  axes.forEach((axis, i) => {
    if (axis === null) return;
    const n = leaves[i]!.shape[axis]!;
    if (size === undefined) {
      size = n;
      first = i;
    } else if (n !== size) {
      const other =
        first < 0
          ? `axisSize is ${size}`
          : `${nameOf(first)} ${showAval(leaves[first]!.aval)} has ${size}`;
      throw new ShapeError(
        `vmap of '${label}': ${nameOf(i)} ${showAval(leaves[i]!.aval)} has ${n} lanes along axis ` +
          `${axis}, but ${other}; mapped axes must have equal sizes`,
      );
    }
  });
  if (size === undefined) {
    throw new ShapeError(
      `vmap of '${label}': no argument is mapped (every axis is null); map one, or give axisSize`,
    );
  }
  return size;
}

/**
 * Communication between the lanes of a named axis of vmap (lax.psum and its kin). A collective exists
 * only while the function that vmap maps is being traced: `batchGraph` for its axis replaces it by
 * ordinary primitives (its `collective` rule), so that it never reaches the device or the reference.
 */
import { type Aval, aval, showAval } from "../core/aval.js";
import { DawngradError, ShapeError } from "../core/errors.js";
import { bind1 } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { BatchArgs, CollectiveResult, Primitive } from "../ir/primitive.js";
import { div, mul } from "./arithmetic.js";
import { addLane, constant, reduceSum } from "./broadcast.js";
import { eq } from "./compare.js";
import { concatenate, iota } from "./concatenate.js";
import { reduceMax, reduceMin } from "./reduce.js";
import { moveAxis, reshape } from "./reshape.js";
import { select } from "./select.js";
import { slice } from "./slice.js";

export interface CollectiveParams {
  readonly axisName: string;
  /** Lanes of the axis. */
  readonly size: number;
}

interface Rules<P extends CollectiveParams>
  extends Pick<Primitive<P>, "name" | "jvp" | "transpose"> {
  aval(x: Aval, params: P): Aval;
  /** The parameters once a lane axis of another name stands at 0. */
  shifted?(params: P): P;
  /** Over lanes at axis 0 of `x`. */
  lanes(x: Atom, params: P): CollectiveResult;
  /** Where every lane has the same `x`. */
  same(x: Atom, params: P): CollectiveResult;
}

const unresolved = (name: string, { axisName }: CollectiveParams): never => {
  throw new DawngradError(`internal: ${name} over axis '${axisName}' outlived its vmap`);
};

function collective<P extends CollectiveParams>(rules: Rules<P>): Primitive<P> {
  const { name, jvp, transpose } = rules;
  const prim: Primitive<P> = {
    name,
    kind: "opaque",
    aval: ([x], params) => [rules.aval(x!, params)],
    ref: (_, params) => unresolved(name, params),
    lower: (_, params) => unresolved(name, params),
    batch: ({ inputs: [x], params }) => [bind1(prim, [x!], rules.shifted?.(params) ?? params)],
    collective: ({ inputs: [x], mapped: [has], params }) =>
      has ? rules.lanes(x!, params) : rules.same(x!, params),
    ...(jvp ? { jvp } : {}),
    ...(transpose ? { transpose } : {}),
    error: { ulp: 0 },
  };
  return prim;
}

const alike = (x: Atom): CollectiveResult => ({ outputs: [x], mapped: false });
const perLane = (x: Atom): CollectiveResult => ({ outputs: [x], mapped: true });
const scaled = (x: Atom, by: number): Atom => mul(x, constant(by, x.aval.shape, x.aval.dtype));

export const psumP: Primitive<CollectiveParams> = collective({
  name: "psum",
  aval: (x) => x,
  lanes: (x) => alike(reduceSum(x, [0])),
  same: (x, { size }) => alike(scaled(x, size)),
  jvp: ({ tangents: [t], params }) => [bind1(psumP, [t!], params)],
  transpose: ({ cotangents: [ct], params }) => [bind1(psumP, [ct!], params)],
});

/** Lanes that attain the extremum share its tangent, as the elements of reduceMax do. */
const extremum = (
  name: string,
  reduce: (x: Atom, axes: readonly number[]) => Atom,
): Primitive<CollectiveParams> =>
  collective({
    name,
    aval: (x) => x,
    lanes: (x) => alike(reduce(x, [0])),
    same: alike,
    jvp({ primals: [x], tangents: [t], outputs: [out], params }) {
      const { shape, dtype } = x!.aval;
      const chosen = eq(x!, out!);
      const zero = constant(0, shape, dtype);
      const total = bind1(psumP, [select(chosen, t!, zero)], params);
      const count = bind1(psumP, [select(chosen, constant(1, shape, dtype), zero)], params);
      return [div(total, count)];
    },
  });

export const pmaxP = extremum("pmax", reduceMax);
export const pminP = extremum("pmin", reduceMin);

export const axisIndexP: Primitive<CollectiveParams> = {
  name: "axisIndex",
  kind: "opaque",
  aval: () => [aval([], "int32")],
  ref: (_, params) => unresolved("axisIndex", params),
  lower: (_, params) => unresolved("axisIndex", params),
  batch: ({ params }) => [bind1(axisIndexP, [], params)],
  collective: ({ size }: BatchArgs<CollectiveParams>) => perLane(iota("int32", [size], 0)),
  error: { ulp: 0 },
};

interface AxisParams extends CollectiveParams {
  readonly axis: number;
}

const nextAxis = <P extends AxisParams>(params: P): P => ({ ...params, axis: params.axis + 1 });

/** Every lane gets all lanes' values, along a new axis. */
export const allGatherP: Primitive<AxisParams> = collective({
  name: "allGather",
  aval: (x, { axis, size }) =>
    aval([...x.shape.slice(0, axis), size, ...x.shape.slice(axis)], x.dtype),
  shifted: nextAxis,
  lanes: (x, { axis }) => alike(moveAxis(x, 0, axis)),
  same: (x, { axis, size }) => alike(moveAxis(addLane(x, size), 0, axis)),
  jvp: ({ tangents: [t], params }) => [bind1(allGatherP, [t!], params)],
  transpose: ({ cotangents: [ct], params }) => [bind1(psumScatterP, [ct!], params)],
});

const requireLanes = (op: string, x: Aval, axis: number, { axisName, size }: CollectiveParams) => {
  if (x.shape[axis] === size) return;
  throw new ShapeError(
    `${op}: axis ${axis} of ${showAval(x)} must have one entry for each of the ${size} lanes of ` +
      `'${axisName}'; { tiled: true } gives each lane a block instead`,
  );
};

/** The sum over lanes, of which lane i keeps entry i along an axis. */
export const psumScatterP: Primitive<AxisParams> = collective({
  name: "psumScatter",
  aval(x, params) {
    requireLanes("psumScatter", x, params.axis, params);
    return aval(
      x.shape.filter((_, d) => d !== params.axis),
      x.dtype,
    );
  },
  shifted: nextAxis,
  lanes: (x, { axis }) => perLane(moveAxis(reduceSum(x, [0]), axis, 0)),
  same: (x, { axis, size }) => perLane(moveAxis(scaled(x, size), axis, 0)),
  jvp: ({ tangents: [t], params }) => [bind1(psumScatterP, [t!], params)],
  transpose: ({ cotangents: [ct], params }) => [bind1(allGatherP, [ct!], params)],
});

interface AllToAllParams extends CollectiveParams {
  readonly split: number;
  readonly concat: number;
}

/** Lane i gets entry i along `split` of every lane, side by side along a new axis `concat`. */
export const allToAllP: Primitive<AllToAllParams> = collective({
  name: "allToAll",
  aval(x, params) {
    requireLanes("allToAll", x, params.split, params);
    const shape = x.shape.filter((_, d) => d !== params.split);
    shape.splice(params.concat, 0, params.size);
    return aval(shape, x.dtype);
  },
  shifted: (params) => ({ ...params, split: params.split + 1, concat: params.concat + 1 }),
  lanes(x, { split, concat }) {
    // The entry axis becomes the lanes; the lanes, now next to it, become the new axis.
    return perLane(moveAxis(moveAxis(x, split + 1, 0), 1, concat + 1));
  },
  same: (x, { split, concat, size }) =>
    perLane(moveAxis(addLane(moveAxis(x, split, 0), size), 0, concat + 1)),
  jvp: ({ tangents: [t], params }) => [bind1(allToAllP, [t!], params)],
  transpose: ({ cotangents: [ct], params }) => [
    bind1(allToAllP, [ct!], { ...params, split: params.concat, concat: params.split }),
  ],
});

interface PermuteParams extends CollectiveParams {
  /** For each lane the lane that it receives from; -1 for none. */
  readonly from: readonly number[];
}

/** Lanes pass their values on; those that receive nothing get zeros. */
export const ppermuteP: Primitive<PermuteParams> = collective({
  name: "ppermute",
  aval: (x) => x,
  lanes: (x, { from }) => perLane(rearranged(x, from)),
  same: (x, { from, size }) => perLane(rearranged(addLane(x, size), from)),
  jvp: ({ tangents: [t], params }) => [bind1(ppermuteP, [t!], params)],
  transpose({ cotangents: [ct], params }) {
    const back = params.from.map((_, lane) => params.from.indexOf(lane));
    return [bind1(ppermuteP, [ct!], { ...params, from: back })];
  },
});

/** Entries along axis 0 in another order, run by run: a rotation is two slices. */
function rearranged(x: Atom, from: readonly number[]): Atom {
  const { shape, dtype } = x.aval;
  const parts: Atom[] = [];
  for (let i = 0; i < from.length; ) {
    const first = from[i]!;
    let n = 1;
    const follows = (k: number) => from[i + k] === (first < 0 ? -1 : first + k);
    while (i + n < from.length && follows(n)) n++;
    const rest = shape.slice(1);
    parts.push(
      first < 0
        ? constant(0, [n, ...rest], dtype)
        : slice(x, [first, ...rest.map(() => 0)], [first + n, ...rest]),
    );
    i += n;
  }
  return parts.length === 1 ? parts[0]! : concatenate(parts, 0);
}

export const psum = (x: Atom, params: CollectiveParams): Atom => bind1(psumP, [x], params);
export const pmax = (x: Atom, params: CollectiveParams): Atom => bind1(pmaxP, [x], params);
export const pmin = (x: Atom, params: CollectiveParams): Atom => bind1(pminP, [x], params);
export const axisIndex = (params: CollectiveParams): Atom => bind1(axisIndexP, [], params);
export const ppermute = (x: Atom, params: PermuteParams): Atom => bind1(ppermuteP, [x], params);

/** An axis and the one after it as one. */
const merged = (x: Atom, axis: number): Atom => {
  const { shape } = x.aval;
  const both = shape[axis]! * shape[axis + 1]!;
  return reshape(x, [...shape.slice(0, axis), both, ...shape.slice(axis + 2)]);
};

/** An axis as blocks, one for each lane. */
function blocks(op: string, x: Atom, axis: number, { axisName, size }: CollectiveParams): Atom {
  const { shape } = x.aval;
  if (shape[axis]! % size !== 0) {
    throw new ShapeError(
      `${op}: axis ${axis} of ${showAval(x.aval)} does not divide into ${size} blocks, one for each ` +
        `lane of '${axisName}'`,
    );
  }
  return reshape(x, [...shape.slice(0, axis), size, shape[axis]! / size, ...shape.slice(axis + 1)]);
}

export function allGather(x: Atom, params: AxisParams, tiled: boolean): Atom {
  const out = bind1(allGatherP, [x], params);
  return tiled ? merged(out, params.axis) : out;
}

export function psumScatter(x: Atom, params: AxisParams, tiled: boolean): Atom {
  return bind1(psumScatterP, [tiled ? blocks("psumScatter", x, params.axis, params) : x], params);
}

export function allToAll(x: Atom, params: AllToAllParams, tiled: boolean): Atom {
  if (!tiled) return bind1(allToAllP, [x], params);
  // The blocks' own axis stays where `split` was; the lanes' axis goes before `concat`.
  return merged(
    bind1(allToAllP, [blocks("allToAll", x, params.split, params)], params),
    params.concat,
  );
}

/**
 * Effects on the host (debug.print): values that a program returns beside its results, and what to do
 * with them once they are there.
 */
import { aval, type Shape, sizeOf } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { type Atom, type Eqn, Graph, Var } from "./graph.js";
import { hasEffects } from "./subgraphs.js";

/** A value on the host, flat and row-major. */
export interface HostValue {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: ArrayLike<number>;
}

export type HostCall = (values: readonly HostValue[]) => void;

/** What to do, in the order of the program. Numbers are positions among the values returned. */
export type Effect =
  | {
      readonly kind: "call";
      readonly call: HostCall;
      readonly values: readonly number[];
      /** Leading axes of every value over which the call is made once an entry: the lanes of vmap. */
      readonly lanes: number;
    }
  /** Values within have a leading axis of `length` steps. */
  | {
      readonly kind: "loop";
      readonly length: number;
      readonly reverse: boolean;
      readonly body: readonly Effect[];
    }
  /** `index` is the position of the number of the branch that was taken. */
  | {
      readonly kind: "branch";
      readonly index: number;
      readonly branches: readonly (readonly Effect[])[];
    };

/** Effects, and the atoms whose values they need. */
export interface Harvest {
  readonly values: readonly Atom[];
  readonly effects: readonly Effect[];
}

/** A harvest from an equation: what is left of it (null: nothing), and its values are its own outputs. */
export interface EqnHarvest extends Harvest {
  readonly eqn: Eqn | null;
}

/** Positions moved by `by`. */
export const shifted = (effects: readonly Effect[], by: number): Effect[] =>
  effects.map((e) => shiftedOne(e, by));

function shiftedOne(e: Effect, by: number): Effect {
  switch (e.kind) {
    case "call":
      return { ...e, values: e.values.map((i) => i + by) };
    case "loop":
      return { ...e, body: shifted(e.body, by) };
    case "branch":
      return { ...e, index: e.index + by, branches: e.branches.map((b) => shifted(b, by)) };
  }
}

/** The graph without effects: their values are further outputs. */
export function harvestEffects(graph: Graph): {
  readonly graph: Graph;
  readonly effects: readonly Effect[];
} {
  if (!graph.eqns.some(hasEffects)) return { graph, effects: [] };
  const values: Atom[] = [];
  const effects: Effect[] = [];
  const eqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    if (!hasEffects(eqn)) {
      eqns.push(eqn);
      continue;
    }
    const rule = eqn.prim.harvest;
    if (!rule) {
      throw new DawngradError(
        `debug.print or debug.callback within ${eqn.prim.name}: how often it is called is not known before ` +
          "the program runs; use scan or foriLoop, or return the values",
      );
    }
    const made = rule(eqn);
    if (made.eqn) eqns.push(made.eqn);
    effects.push(...shifted(made.effects, values.length));
    values.push(...made.values);
  }
  return { graph: new Graph(graph.inputs, eqns, [...graph.outputs, ...values]), effects };
}

/** A harvest from the body of a loop: its values are stacked over the steps. */
export function harvestLoop(
  eqn: Eqn,
  body: Graph,
  loop: { readonly length: number; readonly reverse: boolean },
): EqnHarvest {
  const { graph, effects } = harvestEffects(body);
  const values = graph.outputs
    .slice(body.outputs.length)
    .map((x) => new Var(aval([loop.length, ...x.aval.shape], x.aval.dtype)));
  return {
    eqn: {
      ...eqn,
      params: { ...eqn.params, body: graph },
      outputs: [...eqn.outputs, ...values],
    },
    values,
    effects: [{ kind: "loop", length: loop.length, reverse: loop.reverse, body: effects }],
  };
}

/** Do what effects say, with the values that the program returned. */
export function perform(
  effects: readonly Effect[],
  values: readonly HostValue[],
  at: readonly number[] = [],
): void {
  for (const e of effects) {
    switch (e.kind) {
      case "call": {
        const own = e.values.map((i) => entry(values[i]!, at));
        const lanes = own[0]?.shape.slice(0, e.lanes) ?? [];
        eachIndex(lanes, (lane) => e.call(own.map((x) => entry(x, lane))));
        break;
      }
      case "loop":
        for (let step = 0; step < e.length; step++) {
          perform(e.body, values, [...at, e.reverse ? e.length - 1 - step : step]);
        }
        break;
      case "branch": {
        const index = entry(values[e.index]!, at).data[0]!;
        const taken = Math.min(e.branches.length - 1, Math.max(0, index));
        perform(e.branches[taken]!, values, at);
        break;
      }
    }
  }
}

function eachIndex(shape: Shape, f: (index: readonly number[]) => void): void {
  if (shape.length === 0) f([]);
  else {
    for (let i = 0; i < shape[0]!; i++) eachIndex(shape.slice(1), (rest) => f([i, ...rest]));
  }
}

/** The part of a value at positions along its first axes. */
function entry(x: HostValue, at: readonly number[]): HostValue {
  if (at.length === 0) return x;
  const shape = x.shape.slice(at.length);
  const n = sizeOf(shape);
  let flat = 0;
  at.forEach((i, axis) => {
    flat = flat * x.shape[axis]! + i;
  });
  return {
    shape,
    dtype: x.dtype,
    data: Array.prototype.slice.call(x.data, flat * n, (flat + 1) * n) as number[],
  };
}

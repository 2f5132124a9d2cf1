/** A straight part of a program with control flow, as a graph of its own. */
import { sizeOf } from "../../core/aval.js";
import { bind, buildGraph } from "../../ir/builder.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "../../ir/graph.js";
import { broadcastInDim } from "../../prims/index.js";
import { copyTo } from "../copy.js";
import type { Location } from "./slots.js";

/** Where a value comes from: a number of the run, a constant, or memory. */
export type Source =
  | { readonly kind: "scalar"; readonly input: number }
  | { readonly kind: "lit"; readonly lit: Lit }
  | { readonly kind: "memory"; readonly at: Location };

export interface GuardDraft {
  readonly at: Location;
  readonly equals: number;
}

/** A segment before its memory is planned. */
export interface SegmentDraft {
  readonly kind: "segment";
  readonly graph: Graph;
  readonly sources: readonly Source[];
  readonly outputs: readonly Location[];
  readonly guards: readonly GuardDraft[];
}

/** Something to be written by a segment: an expression of values that it knows. */
export interface Wanted {
  readonly needs: readonly Atom[];
  readonly to: Location;
  make(values: readonly Atom[]): Atom;
}

export const isEmpty = (x: Atom): boolean => sizeOf(x.aval.shape) === 0;

/** `own`: the equations that may be computed here; everything else has a source. */
export function makeSegment(
  own: ReadonlyMap<Var, Eqn>,
  wanted: readonly Wanted[],
  sourceOf: (v: Var) => Source | undefined,
  guards: readonly GuardDraft[],
): SegmentDraft {
  const external: { readonly variable: Var; readonly source: Source }[] = [];
  const eqns = new Set<Eqn>();
  const seen = new Set<Atom>();
  const need = (x: Atom): void => {
    if (x instanceof Lit || seen.has(x) || isEmpty(x)) return;
    seen.add(x);
    const source = sourceOf(x);
    if (source) {
      if (source.kind !== "lit") external.push({ variable: x, source });
      return;
    }
    const eqn = own.get(x)!;
    if (eqns.has(eqn)) return;
    eqn.inputs.forEach(need);
    // After its operands: the set keeps the order of dependence.
    eqns.add(eqn);
    for (const v of eqn.outputs) seen.add(v);
  };
  for (const w of wanted) w.needs.forEach(need);

  const avals = external.map(({ variable }) => variable.aval);
  const graph = buildGraph(avals, (inputs) => {
    const env = new Map<Var, Atom>(external.map(({ variable }, i) => [variable, inputs[i]!]));
    const read = (x: Atom): Atom => {
      if (x instanceof Lit) return x;
      const known = env.get(x);
      if (known) return known;
      const source = sourceOf(x);
      if (!isEmpty(x) && source?.kind === "lit") return source.lit;
      return broadcastInDim(new Lit({ shape: [], dtype: x.aval.dtype }, 0), x.aval.shape, []);
    };
    for (const eqn of eqns) {
      const outs = bind(eqn.prim, eqn.inputs.map(read), eqn.params);
      eqn.outputs.forEach((v, i) => {
        env.set(v, outs[i]!);
      });
    }
    return wanted.map((w, i) => copyTo(w.make(w.needs.map(read)), i));
  });
  return {
    kind: "segment",
    graph,
    sources: external.map(({ source }) => source),
    outputs: wanted.map((w) => w.to),
    guards,
  };
}

/** What primitives with sub-graphs share. */
import { type Aval, avalsEqual, showAval } from "../core/aval.js";
import { DawngradError } from "../core/errors.js";
import { ndarray } from "../core/ndarray.js";
import { evalGraph } from "../ir/eval.js";
import { type Atom, type Eqn, type Graph, Lit, Var } from "../ir/graph.js";
import type { BatchArgs, BatchedOutputs, Primitive, RunGraph } from "../ir/primitive.js";
import { broadcastInDim } from "../prims/index.js";
import { filled } from "../transform/index.js";

/** Run a graph over the primitives' own references. */
export const runReference: RunGraph = (graph, inputs) =>
  evalGraph(
    graph,
    inputs,
    (x) => ndarray([], x.aval.dtype, x.value),
    ({ prim, params, outputs }, ins) =>
      prim.ref(
        ins,
        params,
        outputs.map((v) => v.aval),
      ),
  );

/** Throws where a sub-graph's inputs or outputs are not of the avals that its equation wants. */
export function expectAvals(what: string, got: readonly Aval[], want: readonly Aval[]): void {
  const same = got.length === want.length && got.every((a, i) => avalsEqual(a, want[i]!));
  if (same) return;
  const show = (list: readonly Aval[]) => list.map(showAval).join(" ");
  throw new DawngradError(`internal: ${what} are ${show(got)}, expected ${show(want)}`);
}

/** A value that is the same for all lanes, with the lane axis. */
export const toLanes = (x: Atom, size: number): Atom => {
  const { shape } = x.aval;
  return broadcastInDim(
    x,
    [size, ...shape],
    shape.map((_, i) => i + 1),
  );
};

/** `batch` of a primitive that has `batchPartly`: every output with the lane axis. */
export function batchAll<P extends object>(prim: Primitive<P>, args: BatchArgs<P>): Atom[] {
  const { outputs, mapped }: BatchedOutputs = prim.batchPartly!(args);
  return outputs.map((x, i) => (mapped[i] ? x : toLanes(x, args.size)));
}

/** Parts of a list, by lengths; what remains comes last. */
export function parts<T>(list: readonly T[], ...lengths: readonly number[]): T[][] {
  const out: T[][] = [];
  let at = 0;
  for (const n of lengths) {
    out.push(list.slice(at, at + n));
    at += n;
  }
  out.push(list.slice(at));
  return out;
}

export const pick = <T>(list: readonly T[], mask: readonly boolean[]): T[] =>
  list.filter((_, i) => mask[i]);

export const not = (mask: readonly boolean[]): boolean[] => mask.map((m) => !m);

export const or = (a: readonly boolean[], b: readonly (boolean | undefined)[]): boolean[] =>
  a.map((x, i) => x || b[i] === true);

/** The least fixed point of a growing mask. */
export function grow(
  mask: readonly boolean[],
  step: (mask: readonly boolean[]) => readonly boolean[],
): boolean[] {
  let have = [...mask];
  for (;;) {
    const next = or(have, step(have));
    if (next.every((x, i) => x === have[i])) return have;
    have = next;
  }
}

/** The inputs of a graph that its outputs depend on. */
export function dependencies(graph: Graph, outputs: readonly Atom[] = graph.outputs): boolean[] {
  const live = new Set<Atom>(outputs);
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = graph.eqns[i]!;
    if (!eqn.outputs.some((v) => live.has(v))) continue;
    for (const x of eqn.inputs) live.add(x);
  }
  return graph.inputs.map((v) => live.has(v));
}

/** Tangents in the order of `mask`, with null where there is none. */
export function spread<T>(list: readonly T[], mask: readonly boolean[]): (T | null)[] {
  let next = 0;
  return mask.map((m) => (m ? list[next++]! : null));
}

export const zerosOf = (a: Aval): Atom => filled(0, a);

/** Copies of equations on other atoms: `env` maps the variables that they read, and grows. */
export function cloneEqns(eqns: readonly Eqn[], env: Map<Var, Atom>): Eqn[] {
  return eqns.map((eqn) => {
    const outputs = eqn.outputs.map((v) => new Var(v.aval));
    const inputs = eqn.inputs.map((x) => (x instanceof Lit ? x : env.get(x)!));
    eqn.outputs.forEach((v, i) => {
      env.set(v, outputs[i]!);
    });
    return { ...eqn, inputs, outputs };
  });
}

export const newVars = (avals: readonly Aval[]): Var[] => avals.map((a) => new Var(a));

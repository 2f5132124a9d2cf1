/** Graphs within the parameters of equations, found by looking: no primitive declares them. */
import type { Eqn, Graph } from "./graph.js";

export const isGraph = (x: unknown): x is Graph =>
  typeof x === "object" && x !== null && "eqns" in x && "inputs" in x && "outputs" in x;

const isNode = (x: unknown): x is object =>
  typeof x === "object" && x !== null && !ArrayBuffer.isView(x);

function holdsGraph(x: unknown): boolean {
  if (!isNode(x)) return false;
  if (isGraph(x)) return true;
  for (const v of Array.isArray(x) ? x : Object.values(x)) if (holdsGraph(v)) return true;
  return false;
}

const sortedEntries = (x: object): [string, unknown][] =>
  Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1));

/** Parameters that are known to hold no graph: most. */
const plain = new WeakSet<object>();

function isPlain(params: unknown): boolean {
  if (!isNode(params)) return true;
  if (plain.has(params)) return true;
  if (holdsGraph(params)) return false;
  plain.add(params);
  return true;
}

/** The graphs that parameters carry, ordered by key (not by how the object was written). */
export function subGraphs(params: unknown): Graph[] {
  if (isPlain(params)) return [];
  if (isGraph(params)) return [params];
  if (Array.isArray(params)) return params.flatMap(subGraphs);
  return sortedEntries(params as object).flatMap(([, v]) => subGraphs(v));
}

/** The parameters with each graph replaced, visited in the order of `subGraphs`. */
export function mapSubGraphs<P extends object>(params: P, f: (graph: Graph) => Graph): P {
  const go = (x: unknown): unknown => {
    if (isPlain(x)) return x;
    if (isGraph(x)) return f(x);
    if (Array.isArray(x)) return x.map(go);
    return Object.fromEntries(sortedEntries(x as object).map(([k, v]) => [k, go(v)]));
  };
  return go(params) as P;
}

/** Does the equation, or one within it, do more than compute its outputs? */
export const hasEffects = (eqn: Eqn): boolean =>
  eqn.prim.effects === true ||
  (!isPlain(eqn.params) && subGraphs(eqn.params).some((g) => g.eqns.some(hasEffects)));

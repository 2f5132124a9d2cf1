/**
 * When each equation of a graph with control flow can be computed: level 0 needs no result of a loop or
 * branch, level n + 1 needs those of level n. Between two levels the loops and branches of the first run.
 */
import { sizeOf } from "../../core/aval.js";
import { type Atom, type Eqn, type Graph, Lit, Var } from "../../ir/graph.js";
import { Defs } from "../defs.js";
import { sameElements } from "../same-elements.js";

export interface Levels {
  /** The level at which a value is known. */
  of(x: Atom): number;
  /** The input, or result of a loop or branch, that it is a mere reshape of: it lies where that does. */
  root(v: Var): Var;
  /** Is it a result of a loop or a branch, which may be put anywhere? */
  takesPlace(v: Var): boolean;
  /** Straight equations to be computed at a level, by what they define. */
  within(level: number): ReadonlyMap<Var, Eqn>;
  /** Loops and branches that follow the straight part of each level. */
  readonly controls: readonly (readonly Eqn[])[];
  /** Values of straight parts that something beyond their own part reads. */
  readonly crossing: ReadonlySet<Var>;
  readonly last: number;
}

const isControl = (eqn: Eqn): boolean => eqn.prim.kind === "structured";

/** Values that only repeat smaller ones are made again where they are read. */
const repeats = (eqn: Eqn): boolean =>
  eqn.prim.kind === "view" &&
  sizeOf(eqn.outputs[0]!.aval.shape) >
    eqn.inputs.reduce((n, x) => n + (x instanceof Lit ? 0 : sizeOf(x.aval.shape)), 0);

/** Operands whose values are written straight to where the loop or branch wants them. */
function startsFrom(eqn: Eqn): number {
  const control = eqn.prim.control!(eqn.params);
  return control.kind === "branch" ? 1 : control.carry;
}

export function levelsOf(graph: Graph): Levels {
  const level = new Map<Var, number>();
  const definition = new Map<Var, Eqn>();
  const of = (x: Atom): number => (x instanceof Lit ? 0 : (level.get(x) ?? 0));
  const controls: Eqn[][] = [];
  const straight: Map<Var, Eqn>[] = [];
  const into = (at: number): Map<Var, Eqn> => {
    straight[at] ??= new Map();
    return straight[at];
  };
  let last = 0;
  for (const eqn of graph.eqns) {
    const at = Math.max(0, ...eqn.inputs.map(of));
    const known = isControl(eqn) ? at + 1 : at;
    for (const v of eqn.outputs) {
      level.set(v, known);
      definition.set(v, eqn);
      if (!isControl(eqn)) into(at).set(v, eqn);
    }
    if (isControl(eqn)) {
      controls[at] ??= [];
      controls[at].push(eqn);
    }
    last = Math.max(last, known);
  }

  const defs = new Defs(graph, graph.inputs.length);
  const roots = new Map<Var, Var>();
  const root = (v: Var): Var => {
    let found = roots.get(v);
    if (!found) {
      const from = sameElements(defs, v);
      const eqn = from instanceof Var ? definition.get(from) : undefined;
      // A number of the run has no place.
      const placed = from instanceof Var && from.aval.shape.length > 0 && (!eqn || isControl(eqn));
      found = placed ? from : v;
      roots.set(v, found);
    }
    return found;
  };

  const crossing = new Set<Var>();
  /** `x` is read at level `at`, in a straight part or (`after`) by what follows it. */
  const read = (x: Atom, at: number, after: boolean): void => {
    if (x instanceof Lit) return;
    const eqn = definition.get(root(x));
    if (!eqn || isControl(eqn)) return;
    if (of(x) === at && !after) return;
    if (!after && repeats(eqn)) {
      if (into(at).has(x)) return;
      into(at).set(x, eqn);
      for (const y of eqn.inputs) read(y, at, false);
      return;
    }
    crossing.add(x);
  };
  for (const eqn of graph.eqns) {
    const at = Math.max(0, ...eqn.inputs.map(of));
    const first = isControl(eqn) ? startsFrom(eqn) : 0;
    eqn.inputs.forEach((x, i) => {
      // What a loop starts from is written by the part before it.
      read(x, at, isControl(eqn) && i >= first);
    });
  }
  return {
    of,
    root,
    takesPlace: (v) => {
      const eqn = definition.get(v);
      return eqn !== undefined && isControl(eqn);
    },
    within: (at) => into(at),
    controls,
    crossing,
    last,
  };
}

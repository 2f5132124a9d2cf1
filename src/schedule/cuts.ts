/**
 * Which variables get a value of their own (a place in memory, or at least in their kernel's
 * registers); everything else is recomputed as part of the expressions that use it.
 */
import { sizeOf } from "../core/aval.js";
import type { Atom, Eqn } from "../ir/graph.js";
import { Lit, Var } from "../ir/graph.js";
import { type Analysis, analyse, type Storage } from "./analyse.js";
import { sourceOf } from "./contraction.js";
import type { Defs } from "./defs.js";
import type { Homes } from "./homes.js";
import type { Target } from "./target.js";

/** Most operations that one expression may grow to. */
const budget = 160;

export class Cuts implements Storage {
  readonly defs: Defs;
  readonly #cuts = new Set<Var>();
  readonly #scalars = new Set<Var>();

  /** `hostScalars`: inputs whose value comes as a number with each run. */
  constructor(defs: Defs, hostScalars: ReadonlySet<number>) {
    this.defs = defs;
    defs.graph.inputs.forEach((v, i) => {
      if (i >= defs.inputCount || hostScalars.has(i)) this.#scalars.add(v);
      else this.#cuts.add(v);
    });
  }

  isStored(v: Var): boolean {
    return this.#cuts.has(v);
  }

  isScalar(v: Var): boolean {
    return this.#scalars.has(v);
  }

  add(v: Var): void {
    this.#cuts.add(v);
  }

  /** The variables that kernels compute, in the order of their definitions. */
  computed(): Var[] {
    return this.defs.graph.eqns.flatMap((eqn) => eqn.outputs.filter((v) => this.#cuts.has(v)));
  }
}

/** The elementwise variable that a chain of single-operand views looks at. */
function behindViews(defs: Defs, x: Atom): Var | undefined {
  let at = x;
  while (at instanceof Var) {
    const eqn = defs.of(at)?.eqn;
    if (!eqn) return undefined;
    if (eqn.prim.kind === "elementwise") return at;
    if (eqn.prim.kind !== "view" || eqn.inputs.length === 0) return undefined;
    at = eqn.inputs[0]!;
  }
  return undefined;
}

export function chooseCuts(
  defs: Defs,
  hostScalars: ReadonlySet<number>,
  homes: Homes,
  target: Target,
): Cuts {
  const cuts = new Cuts(defs, hostScalars);
  for (const v of defs.returned()) if (!cuts.isScalar(v)) cuts.add(v);
  // A bound on the weight of each variable's expression, so that few are walked exactly.
  const bound = new Map<Var, number>();
  const boundOf = (x: Atom): number =>
    x instanceof Lit || cuts.isScalar(x) ? 0 : cuts.isStored(x) ? 1 : (bound.get(x) ?? 0);

  // The stored variables behind each expression.
  const sources = new Map<Var, ReadonlySet<Var>>();
  const sourcesOf = (x: Atom): Iterable<Var> =>
    x instanceof Lit || cuts.isScalar(x) ? [] : cuts.isStored(x) ? [x] : (sources.get(x) ?? []);

  const tooMuch = (a: Analysis): boolean =>
    a.weight > budget || homes.count(a.reads.keys()) > target.maxStorageBuffers - 2;

  const split = (eqn: Eqn, v: Var): void => {
    for (let a = analyse(defs, cuts, v); tooMuch(a); a = analyse(defs, cuts, v)) {
      const candidates = eqn.inputs
        .map((x) => behindViews(defs, x))
        .filter((x): x is Var => x !== undefined && !cuts.isStored(x));
      if (candidates.length === 0) {
        // Views of views of many arrays.
        for (const x of eqn.inputs) {
          if (x instanceof Var && defs.kind(x) === "view" && !cuts.isStored(x)) candidates.push(x);
        }
      }
      if (candidates.length === 0) return;
      candidates.sort((x, y) => boundOf(y) - boundOf(x));
      const heaviest = candidates[0]!;
      cuts.add(heaviest);
    }
  };

  for (const eqn of defs.graph.eqns) {
    const { kind } = eqn.prim;
    if (kind === "reduce" || kind === "contract") {
      for (const v of eqn.outputs) cuts.add(v);
    }
    if (kind === "contract") {
      for (const x of eqn.inputs) {
        if (sourceOf(defs, x, (v) => cuts.isStored(v))) continue;
        // The place to store it is the last elementwise value, if views are all that follows.
        const value = behindViews(defs, x);
        if (value) {
          cuts.add(value);
          if (sourceOf(defs, x, (v) => cuts.isStored(v))) continue;
        }
        cuts.add(x as Var);
      }
    }
    if (eqn.prim.ordersBy) {
      // What is kept for later, and what that waits for, are values of their own.
      for (const x of eqn.inputs) {
        if (x instanceof Lit || cuts.isScalar(x)) continue;
        if (sourceOf(defs, x, (v) => cuts.isStored(v))) continue;
        const value = behindViews(defs, x);
        if (value) cuts.add(value);
      }
    }
    const weight = eqn.inputs.reduce((sum, x) => sum + boundOf(x), 0);
    const own = kind === "elementwise" ? Math.max(1, (eqn.prim.cost ?? 1) / 4) : 0;
    const from = new Set(eqn.inputs.flatMap((x) => [...sourcesOf(x)]));
    const wide = homes.count(from) > target.maxStorageBuffers - 2;
    for (const v of eqn.outputs) {
      bound.set(v, weight + own);
      sources.set(v, from);
      if (kind === "contract" || sizeOf(v.aval.shape) === 0) continue;
      if (!wide && weight + own <= budget) continue;
      split(eqn, v);
      if (cuts.isStored(v)) continue;
      const { weight: exact, reads } = analyse(defs, cuts, v);
      bound.set(v, Math.min(weight + own, exact));
      sources.set(v, new Set(reads.keys()));
    }
  }
  return cuts;
}

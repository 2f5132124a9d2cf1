/** Values that several kernels compute for themselves, where storing them once costs less. */
import { sizeOf } from "../core/aval.js";
import type { Eqn, Var } from "../ir/graph.js";
import type { Cuts } from "./cuts.js";
import type { Defs } from "./defs.js";
import type { Fusion, Group } from "./fuse.js";
import { analyseGroup } from "./group.js";

/** Operations that a store or a load is worth. */
const storeCost = 12;

/** The same where each value is loaded many times: a few values a channel or row stay in the cache. */
const cachedCost = 4;
const oftenLoaded = 64;

/** Operations to compute one element from what is stored, following the inlined equations only. */
function costsOf(defs: Defs, cuts: Cuts): Map<Eqn, number> {
  const costs = new Map<Eqn, number>();
  for (const eqn of defs.graph.eqns) {
    const { kind } = eqn.prim;
    if (kind !== "elementwise" && kind !== "view") continue;
    let cost = kind === "elementwise" ? (eqn.prim.cost ?? 1) : 0;
    for (const x of new Set(eqn.inputs)) {
      const from = "value" in x ? undefined : defs.of(x);
      if (from && !cuts.isStored(x as Var)) cost += costs.get(from.eqn) ?? 0;
    }
    costs.set(eqn, Math.min(cost, 1e6));
  }
  return costs;
}

/** How often each group evaluates each inlined equation, over all its points. */
export class Evaluations {
  readonly #defs: Defs;
  readonly #cuts: Cuts;
  readonly #made = new WeakMap<Group, ReadonlyMap<Eqn, number>>();

  constructor(defs: Defs, cuts: Cuts) {
    this.#defs = defs;
    this.#cuts = cuts;
  }

  of(g: Group): ReadonlyMap<Eqn, number> {
    let counts = this.#made.get(g);
    if (!counts) {
      const { evaluations } = analyseGroup(g, this.#defs, this.#cuts);
      counts = new Map([...evaluations].map(([eqn, times]) => [eqn, times * g.size]));
      this.#made.set(g, counts);
    }
    return counts;
  }
}

/** How often all groups together evaluate each inlined equation. */
function totals(fusion: Fusion, evaluations: Evaluations): Map<Eqn, number> {
  const total = new Map<Eqn, number>();
  for (const g of fusion.groups()) {
    for (const [eqn, times] of evaluations.of(g)) {
      total.set(eqn, (total.get(eqn) ?? 0) + times);
    }
  }
  return total;
}

/**
 * Variables to store after all: the latest ones first, so that what they depend on is computed for
 * them alone. Those of which each is evaluated often go first of all: where a number (a learning rate over
 * a norm) is stored, an array's product with it is cheap again.
 */
export function worthStoring(
  fusion: Fusion,
  evaluations: Evaluations,
  defs: Defs,
  cuts: Cuts,
): Var[] {
  const total = totals(fusion, evaluations);
  const costs = costsOf(defs, cuts);
  const chosen = (often: boolean): Var[] => {
    const out: Var[] = [];
    const covered = new Set<Eqn>();
    for (const eqn of [...defs.graph.eqns].reverse()) {
      const times = total.get(eqn);
      if (!times || eqn.prim.kind !== "elementwise" || covered.has(eqn)) continue;
      const size = sizeOf(eqn.outputs[0]!.aval.shape);
      if (times >= oftenLoaded * size !== often) continue;
      const cost = costs.get(eqn)!;
      const load = often ? cachedCost : storeCost;
      const saved = (times - size) * cost;
      const spent = times * load + size * storeCost;
      if (times < 2 * size || saved <= spent || cost < 2 * load) continue;
      out.push(...eqn.outputs.filter((v) => !cuts.isStored(v)));
      const stack = [...eqn.inputs];
      while (stack.length > 0) {
        const x = stack.pop()!;
        const from = "value" in x ? undefined : defs.of(x)?.eqn;
        if (!from || covered.has(from)) continue;
        covered.add(from);
        stack.push(...from.inputs);
      }
    }
    return out;
  };
  const small = chosen(true);
  return small.length > 0 ? small : chosen(false);
}

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

/**
 * Variables to store after all: the latest ones first, so that what they depend on is computed for
 * them alone.
 */
export function worthStoring(
  fusion: Fusion,
  evaluations: Evaluations,
  defs: Defs,
  cuts: Cuts,
): Var[] {
  const total = new Map<Eqn, { times: number; kernels: number }>();
  for (const g of fusion.groups()) {
    for (const [eqn, times] of evaluations.of(g)) {
      const have = total.get(eqn) ?? { times: 0, kernels: 0 };
      total.set(eqn, { times: have.times + times, kernels: have.kernels + 1 });
    }
  }
  const costs = costsOf(defs, cuts);
  const out: Var[] = [];
  const covered = new Set<Eqn>();
  for (const eqn of [...defs.graph.eqns].reverse()) {
    const count = total.get(eqn);
    if (!count || eqn.prim.kind !== "elementwise" || covered.has(eqn)) continue;
    const size = sizeOf(eqn.outputs[0]!.aval.shape);
    const cost = costs.get(eqn)!;
    const load = count.times >= oftenLoaded * size ? cachedCost : storeCost;
    const saved = (count.times - size) * cost;
    const spent = count.times * load + size * storeCost;
    if (count.times < 2 * size || saved <= spent || cost < 2 * load) continue;
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
}

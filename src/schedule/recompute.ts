/** Values that several kernels compute for themselves, where storing them once costs less. */
import { sizeOf } from "../core/aval.js";
import type { Eqn, Var } from "../ir/graph.js";
import type { Cuts } from "./cuts.js";
import type { Defs } from "./defs.js";
import type { Fusion } from "./fuse.js";
import type { Group } from "./group.js";
import { analyseGroup } from "./summary.js";
import type { Target } from "./target.js";

/** Operations that a store or a load is worth. */
const storeCost = 12;

/** The same where each value is loaded many times: a few values a channel or row stay in the cache. */
const cachedCost = 4;
const oftenLoaded = 64;

/** Operations that another dispatch takes the time of: what is stored may need one. */
const dispatchCost = ({ software }: Target): number => (software ? 2 ** 17 : 2 ** 22);

/** Equations of one expression that are looked at: what is larger is worth storing anyway. */
const mostEqns = 64;

/** Operations and loads, as operations, that computing one element of an equation's output takes. */
function costOf(
  eqn: Eqn,
  defs: Defs,
  isStored: (v: Var) => boolean,
  cuts: Cuts,
  load: number,
): number {
  const size = sizeOf(eqn.outputs[0]!.aval.shape);
  const reads = new Set<Var>();
  const eqns = new Set([eqn]);
  let cost = 0;
  for (const e of eqns) {
    if (e.prim.kind === "elementwise") cost += e.prim.cost ?? 1;
    for (const x of e.inputs) {
      if ("value" in x || cuts.isScalar(x)) continue;
      if (isStored(x)) reads.add(x);
      else if (eqns.size < mostEqns) eqns.add(defs.of(x)!.eqn);
    }
  }
  for (const v of reads) {
    // An element that is read for several stays in the cache after the first.
    const part = sizeOf(v.aval.shape) / size;
    if (part >= 1 / 8) cost += load * Math.min(1, part);
  }
  return cost;
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
 * Variables to store after all: where later ones are stored, what they depend on is computed for them
 * alone. Those of which each is evaluated often go first of all: where a number (a learning rate over
 * a norm) is stored, an array's product with it is cheap again.
 */
export function worthStoring(
  fusion: Fusion,
  evaluations: Evaluations,
  defs: Defs,
  cuts: Cuts,
  target: Target,
): Var[] {
  const total = totals(fusion, evaluations);
  const chosen = (often: boolean): Var[] => {
    const load = often ? cachedCost : storeCost;
    const isWorth = (eqn: Eqn, times: number, isStored: (v: Var) => boolean): boolean => {
      const size = sizeOf(eqn.outputs[0]!.aval.shape);
      if (eqn.prim.kind !== "elementwise" || times < 2 * size) return false;
      if (times >= oftenLoaded * size !== often) return false;
      const cost = costOf(eqn, defs, isStored, cuts, often ? 0 : load);
      const spent = times * load + size * storeCost + (often ? 0 : dispatchCost(target));
      return (times - size) * cost > spent && cost >= 2 * load;
    };
    const candidates = new Map<Eqn, number>();
    // Evaluations that are saved by what is stored after them.
    const less = new Map<Eqn, number>();
    for (const eqn of [...defs.graph.eqns].reverse()) {
      const before = total.get(eqn);
      if (!before) continue;
      const times = Math.max(0, before - (less.get(eqn) ?? 0));
      const store = isWorth(eqn, times, (v) => cuts.isStored(v));
      if (store) candidates.set(eqn, times);
      const saved = before - (store ? sizeOf(eqn.outputs[0]!.aval.shape) : times);
      if (saved === 0) continue;
      for (const x of new Set(eqn.inputs)) {
        const from = "value" in x || cuts.isStored(x) ? undefined : defs.of(x)?.eqn;
        if (from) less.set(from, (less.get(from) ?? 0) + saved);
      }
    }
    // From the first on: what reads a candidate that is stored takes little to compute again.
    const out = new Set<Var>();
    for (const eqn of defs.graph.eqns) {
      const times = candidates.get(eqn);
      if (times === undefined) continue;
      if (!isWorth(eqn, times, (v) => cuts.isStored(v) || out.has(v))) continue;
      for (const v of eqn.outputs) if (!cuts.isStored(v)) out.add(v);
    }
    return [...out];
  };
  const small = chosen(true);
  return small.length > 0 ? small : chosen(false);
}

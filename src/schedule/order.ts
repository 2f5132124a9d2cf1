/**
 * The order of kernels, and which of them share a dispatch. Contractions go one by one, as early as
 * they can; loop kernels wait until no contraction is ready, so that many independent ones gather and
 * run as segments of one dispatch.
 */
import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import type { Group } from "./fuse.js";
import type { Homes } from "./homes.js";
import type { Target } from "./target.js";

/** Different kernels in one shader: more would only make it slow to compile. */
const maxDifferent = 16;
/** Kernels in one shader that differ in numbers only: a row of a table each. */
const maxSegments = 512;

/** The same for kernels whose texts, as far as one can tell here, differ in numbers only. */
function sortOf(g: Group, defs: Defs): string {
  const read = [...g.reads.values()].map((keys) => [...keys].join(" ").replace(/\d+/g, ""));
  const computed = varsOf(g).map((v) => defs.of(v)!.eqn.prim.name);
  return [g.kind, ...computed, ...read.sort()].join("|");
}

const varsOf = (g: Group): Var[] => [...g.vars, ...(g.inner?.vars ?? [])];

/** Dispatches as lists of groups that run side by side. */
export function orderGroups(
  groups: readonly Group[],
  defs: Defs,
  homes: Homes,
  target: Target,
  stored: ReadonlySet<Var>,
): Group[][] {
  const returned = defs.returned();
  const groupOf = new Map<Var, Group>();
  for (const g of groups) for (const v of varsOf(g)) groupOf.set(v, g);
  const waiting = new Map<Group, Set<Group>>();
  for (const g of groups) {
    const needs = new Set<Group>();
    for (const v of g.reads.keys()) {
      const from = groupOf.get(v);
      if (from && from !== g) needs.add(from);
    }
    waiting.set(g, needs);
  }
  const out: Group[][] = [];
  const finish = (done: readonly Group[]): void => {
    out.push([...done]);
    for (const g of done) waiting.delete(g);
    for (const needs of waiting.values()) for (const g of done) needs.delete(g);
  };
  const buffers = (list: readonly Group[]): number => {
    const bound = new Set<Var>();
    for (const g of list) {
      for (const v of g.reads.keys()) bound.add(v);
      for (const v of varsOf(g)) if (stored.has(v)) bound.add(v);
    }
    return homes.count(bound);
  };
  // What writes the program's results may wait: results written over donated inputs come after
  // the other readers of those inputs.
  const final = (g: Group): boolean => varsOf(g).some((v) => returned.has(v));

  while (waiting.size > 0) {
    const ready = [...waiting].filter(([, needs]) => needs.size === 0).map(([g]) => g);
    const contractions = ready.filter((g) => g.kind === "contract");
    if (contractions.length > 0) {
      finish([contractions.find((g) => !final(g)) ?? contractions[0]!]);
      continue;
    }
    if (ready.length === 0) throw new DawngradError("internal: kernels wait for each other");
    // Loops that something waits for go now; the rest gathers until the end.
    const needed = new Set<Group>();
    for (const needs of waiting.values()) for (const g of needs) needed.add(g);
    const urgent = ready.filter((g) => needed.has(g));
    const now = urgent.length > 0 ? urgent : ready;
    const batch: Group[] = [];
    const sorts = new Set<string>();
    for (const g of now) {
      const sort = sortOf(g, defs);
      if (!sorts.has(sort) && sorts.size >= maxDifferent) continue;
      if (batch.length > 0 && buffers([...batch, g]) > target.maxStorageBuffers) continue;
      if (batch.length >= maxSegments) break;
      batch.push(g);
      sorts.add(sort);
    }
    finish(batch);
  }
  return out;
}

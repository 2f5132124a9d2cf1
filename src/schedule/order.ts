/**
 * The order of kernels, and which of them share a dispatch. Contractions go one by one, as early as
 * they can; loop kernels wait until no contraction is ready, so that many independent ones gather and
 * run as segments of one dispatch.
 */
import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import { varsOf } from "./dependence.js";
import type { Group } from "./group.js";
import type { Homes } from "./homes.js";
import type { Target } from "./target.js";

/** Different kernels in one shader: more would only make it slow to compile. */
const maxDifferent = 16;
/**
 * Arrays that different kernels in one shader read and write on CPU drivers, whose compilers take more than
 * twice as long for a text of twice as many.
 */
const maxAccesses = 64;
/** Kernels in one shader that differ in numbers only: a row of a table each. */
const maxSegments = 512;

/** The same for kernels whose texts, as far as one can tell here, differ in numbers only. */
function sortOf(g: Group, defs: Defs): string {
  const read = [...g.reads.values()].map((keys) => [...keys].join(" ").replace(/\d+/g, ""));
  const computed = varsOf(g).map((v) => defs.of(v)!.eqn.prim.name);
  return [g.kind, ...computed, ...read.sort()].join("|");
}

const accessesOf = (g: Group, stored: ReadonlySet<Var>): number =>
  g.reads.size + varsOf(g).filter((v) => stored.has(v)).length;

/** Dispatches as lists of groups that run side by side. */
export function orderGroups(
  groups: readonly Group[],
  defs: Defs,
  homes: Homes,
  target: Target,
  stored: ReadonlySet<Var>,
  /** Does a kernel need dispatches of its own? */
  alone: (g: Group) => boolean,
): Group[][] {
  const returned = defs.returned();
  const groupOf = new Map<Var, Group>();
  for (const g of groups) for (const v of varsOf(g)) groupOf.set(v, g);
  const consumers = new Map<Group, Set<Group>>(groups.map((g) => [g, new Set()]));
  /** How many producers each group waits for. */
  const waiting = new Map<Group, number>();
  for (const g of groups) {
    const needs = new Set<Group>();
    for (const v of g.reads.keys()) {
      const from = groupOf.get(v);
      if (from && from !== g) needs.add(from);
    }
    for (const from of needs) consumers.get(from)!.add(g);
    waiting.set(g, needs.size);
  }
  const position = new Map(groups.map((g, i) => [g, i]));
  let ready = groups.filter((g) => waiting.get(g) === 0);
  const out: Group[][] = [];
  const finish = (done: readonly Group[]): void => {
    out.push([...done]);
    const next: Group[] = [];
    for (const g of done) {
      for (const to of consumers.get(g)!) {
        const left = waiting.get(to)! - 1;
        waiting.set(to, left);
        if (left === 0) next.push(to);
      }
    }
    const gone = new Set(done);
    ready = [...ready.filter((g) => !gone.has(g)), ...next].sort(
      (a, b) => position.get(a)! - position.get(b)!,
    );
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

  while (ready.length > 0) {
    const contractions = ready.filter((g) => g.kind === "contract");
    if (contractions.length > 0) {
      finish([contractions.find((g) => !final(g)) ?? contractions[0]!]);
      continue;
    }
    // Loops that something waits for go now; the rest gathers until the end.
    const urgent = ready.filter((g) => consumers.get(g)!.size > 0);
    const now = urgent.length > 0 ? urgent : ready;
    const batch: Group[] = [];
    const sorts = new Set<string>();
    let accesses = 0;
    for (const g of now) {
      if (alone(g)) {
        if (batch.length > 0) continue;
        batch.push(g);
        break;
      }
      const sort = sortOf(g, defs);
      const more = sorts.has(sort) ? 0 : accessesOf(g, stored);
      const tooLong = target.software && accesses + more > maxAccesses;
      if (more > 0 && sorts.size > 0 && (tooLong || sorts.size >= maxDifferent)) continue;
      if (batch.length > 0 && buffers([...batch, g]) > target.maxStorageBuffers) continue;
      if (batch.length >= maxSegments) break;
      batch.push(g);
      sorts.add(sort);
      accesses += more;
    }
    finish(batch);
  }
  if (groups.some((g) => waiting.get(g)! > 0)) {
    throw new DawngradError("internal: kernels wait for each other");
  }
  return out;
}

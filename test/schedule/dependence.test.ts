/** Dependence between merging kernels, against a search of all paths. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Var } from "../../src/ir/graph.js";
import { Dependence, varsOf } from "../../src/schedule/dependence.js";
import type { Group } from "../../src/schedule/group.js";
import { Heap } from "../../src/schedule/heap.js";

const group = (vars: readonly Var[], reads: readonly Var[]): Group => ({
  kind: "loop",
  size: 1,
  vars,
  inner: undefined,
  across: undefined,
  reads: new Map(reads.map((v) => [v, new Set(["0"])])),
  flops: 0,
  loads: 0,
});

function paths(groups: readonly Group[], to: Group, from: Group, direct: boolean): boolean {
  const reads = (a: Group, b: Group) => a !== b && varsOf(b).some((v) => a.reads.has(v));
  const seen = new Set<Group>();
  const reaches = (g: Group): boolean => {
    if (g === from) return true;
    if (seen.has(g)) return false;
    seen.add(g);
    return groups.some((x) => reads(g, x) && reaches(x));
  };
  return groups.some((x) => reads(to, x) && (direct || x !== from) && reaches(x));
}

test("what depends on what is what a search finds, however groups merged", () => {
  const list = fc.array(fc.nat(), { minLength: 60, maxLength: 200 });
  fc.assert(
    fc.property(list, (choices) => {
      let at = 0;
      const choose = (n: number) => choices[at++ % choices.length]! % n;
      const vars: Var[] = [];
      const all: Group[] = [];
      for (let i = 0; i < 40; i++) {
        const v = new Var({ shape: [], dtype: "float32" });
        const reads = Array.from({ length: i === 0 ? 0 : choose(4) }, () => vars[choose(i)]!);
        vars.push(v);
        all.push(group([v], reads));
      }
      const graph = new Dependence(all);
      for (let round = 0; round < 30; round++) {
        const groups = [...graph.groups];
        const [a, b] = [groups[choose(groups.length)]!, groups[choose(groups.length)]!];
        if (a === b) continue;
        expect(graph.depends(a, b)).toBe(paths(groups, a, b, true));
        const [ab, ba] = [paths(groups, a, b, false), paths(groups, b, a, false)];
        expect(graph.dependsThroughOthers(a, b)).toBe(ab);
        if (ab || ba) continue;
        const merged = group([...a.vars, ...b.vars], [...a.reads.keys(), ...b.reads.keys()]);
        graph.merge(merged, a, b);
      }
    }),
    { numRuns: 50, seed: 1 },
  );
});

test("a heap gives its elements in order, each once", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (values) => {
      const heap = new Heap<number>((x) => x, values);
      const out: number[] = [];
      for (let x = heap.take(); x !== undefined; x = heap.take()) out.push(x);
      expect(out).toEqual([...new Set(values)].sort((a, b) => a - b));
    }),
    { seed: 2 },
  );
});

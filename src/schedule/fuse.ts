/**
 * From cut variables to kernels. Every cut variable starts as a kernel of its own; then kernels that
 * can be computed point by point together are merged, as long as no dependency would turn back into
 * the merged kernel.
 */
import { sizeOf } from "../core/aval.js";
import type { Eqn, Var } from "../ir/graph.js";
import { idxFlatten, idxUnflatten } from "../ir/index-expr.js";
import { Analyser, analyse } from "./analyse.js";
import { buffersOf, type Cuts } from "./cuts.js";
import type { Defs } from "./defs.js";
import { type Kernel, loopVar, operandAt, pointOf, reduction, sizesOf } from "./kernel.js";
import type { Target } from "./target.js";

/** A kernel in the making. */
export interface Group {
  readonly kind: "loop" | "contract";
  readonly size: number;
  /** Variables computed at each point, in the order of their definitions. */
  readonly vars: readonly Var[];
  readonly inner: { readonly vars: readonly Var[]; readonly over: Eqn } | undefined;
  /** Every stored variable read, by other kernels or this one, with the flat positions. */
  readonly reads: ReadonlyMap<Var, ReadonlySet<string>>;
  /** Operations and loads of all points. */
  readonly flops: number;
  readonly loads: number;
}

type Reads = Map<Var, Set<string>>;

function union(...maps: ReadonlyMap<Var, ReadonlySet<string>>[]): Reads {
  const out: Reads = new Map();
  for (const map of maps) {
    for (const [v, keys] of map) {
      const have = out.get(v) ?? new Set<string>();
      for (const key of keys) have.add(key);
      out.set(v, have);
    }
  }
  return out;
}

/** Terms of an inner loop up to which merging always pays: the loop replaces few threads. */
const shortLoop = 64;
/** Points that are enough threads for longer inner loops. */
const manyPoints = 1024;

export class Fusion {
  readonly #defs: Defs;
  readonly #cuts: Cuts;
  readonly #target: Target;
  readonly #returned: ReadonlySet<Var>;
  readonly #groups = new Set<Group>();
  readonly #groupOf = new Map<Var, Group>();

  constructor(defs: Defs, cuts: Cuts, target: Target) {
    this.#defs = defs;
    this.#cuts = cuts;
    this.#target = target;
    this.#returned = defs.returned();
    for (const v of cuts.computed()) {
      const size = sizeOf(v.aval.shape);
      if (size === 0) continue;
      const { eqn } = defs.of(v)!;
      const a = analyse(defs, cuts, v);
      this.#put({
        kind: eqn.prim.kind === "contract" ? "contract" : "loop",
        size,
        vars: [v],
        inner: undefined,
        reads: a.reads,
        flops: a.flops * size,
        loads: a.loads * size,
      });
    }
  }

  #put(g: Group): void {
    this.#groups.add(g);
    for (const v of [...g.vars, ...(g.inner?.vars ?? [])]) this.#groupOf.set(v, g);
  }

  #replace(merged: Group, ...parts: Group[]): void {
    for (const g of parts) this.#groups.delete(g);
    this.#put(merged);
  }

  /** The other kernels that a kernel reads from. */
  producers(g: Group): Set<Group> {
    const out = new Set<Group>();
    for (const v of g.reads.keys()) {
      const from = this.#groupOf.get(v);
      if (from && from !== g) out.add(from);
    }
    return out;
  }

  /** Does `to` depend on `from` through a third kernel (or at all, where `direct` counts)? */
  #depends(to: Group, from: Group, direct: boolean): boolean {
    const seen = new Set<Group>([to]);
    const stack = [...this.producers(to)].filter((g) => direct || g !== from);
    while (stack.length > 0) {
      const g = stack.pop()!;
      if (g === from) return true;
      if (seen.has(g)) continue;
      seen.add(g);
      stack.push(...this.producers(g));
    }
    return false;
  }

  #sorted(vars: Iterable<Var>): Var[] {
    return [...new Set(vars)].sort((a, b) => this.#defs.id(a) - this.#defs.id(b));
  }

  #fits(g: Group): boolean {
    const bound = [...g.reads.keys(), ...g.vars, ...(g.inner?.vars ?? [])];
    return (
      buffersOf(new Set(bound), this.#defs, this.#returned) <= this.#target.maxStorageBuffers - 1
    );
  }

  #isReduction(v: Var): boolean {
    return this.#defs.kind(v) === "reduce";
  }

  /** Are all of `reads` of variables of `g` at the point itself? */
  #aligned(reads: ReadonlyMap<Var, ReadonlySet<string>>, g: Group): boolean {
    const own = pointOf(g.size).key;
    const vars = new Set(g.vars);
    for (const [v, keys] of reads) {
      if (g.inner?.vars.includes(v)) return false;
      if (vars.has(v) && !(keys.size === 1 && keys.has(own))) return false;
    }
    return true;
  }

  /** One kernel for a producer and a consumer that needs it at the same points only. */
  #vertical(from: Group, to: Group): Group | undefined {
    if (from.size !== to.size || to.kind === "contract") return undefined;
    if (to.inner && (from.inner || from.kind === "contract")) return undefined;
    if (from.kind === "contract" && to.vars.some((v) => this.#isReduction(v))) return undefined;
    if (!this.#aligned(to.reads, from)) return undefined;
    const merged: Group = {
      ...from,
      vars: this.#sorted([...from.vars, ...to.vars]),
      inner: from.inner ?? to.inner,
      reads: union(from.reads, to.reads),
      flops: from.flops + to.flops,
      loads: from.loads + to.loads,
    };
    if (!this.#fits(merged) || this.#depends(to, from, false)) return undefined;
    return merged;
  }

  /** A consumer over the elements that a reduction reduces becomes a last loop of its kernel. */
  #innerLoop(from: Group, to: Group): Group | undefined {
    if (from.kind !== "loop" || to.kind !== "loop" || to.inner) return undefined;
    if (to.vars.some((v) => this.#isReduction(v))) return undefined;
    for (const hero of from.vars) {
      if (!this.#isReduction(hero)) continue;
      const { eqn: over } = this.#defs.of(hero)!;
      const { extent } = reduction(over);
      if (to.size !== from.size * extent || extent <= 1) continue;
      if (extent > shortLoop && from.size < manyPoints) continue;
      if (from.inner && !this.#sameLoop(from.inner.over, over)) continue;
      const reads = this.#readsInLoop(to.vars, over, from.size);
      const visible: Group = { ...from, inner: undefined };
      if (!this.#aligned(reads, visible)) continue;
      if (from.inner && !this.#innerAligned(reads, from.inner.vars, over, from.size)) continue;
      const merged: Group = {
        ...from,
        inner: { over, vars: this.#sorted([...(from.inner?.vars ?? []), ...to.vars]) },
        reads: union(from.reads, reads),
        flops: from.flops + to.flops,
        loads: from.loads + to.loads,
      };
      if (!this.#fits(merged) || this.#depends(to, from, false)) continue;
      return merged;
    }
    return undefined;
  }

  #sameLoop(a: Eqn, b: Eqn): boolean {
    const shape = (e: Eqn) => e.inputs[0]!.aval.shape.join(",");
    return shape(a) === shape(b) && reduction(a).axes.join(",") === reduction(b).axes.join(",");
  }

  #elementOf(over: Eqn, size: number) {
    const out = idxUnflatten(pointOf(size), over.outputs[0]!.aval.shape);
    const { extent } = reduction(over);
    return idxFlatten(operandAt(over, out, loopVar(extent)), over.inputs[0]!.aval.shape);
  }

  #readsInLoop(vars: readonly Var[], over: Eqn, size: number): Reads {
    const analyser = new Analyser(this.#defs, this.#cuts);
    const flat = this.#elementOf(over, size);
    for (const v of vars) analyser.visit(v, idxUnflatten(flat, v.aval.shape));
    return analyser.result.reads;
  }

  #innerAligned(reads: Reads, vars: readonly Var[], over: Eqn, size: number): boolean {
    const own = this.#elementOf(over, size).key;
    return vars.every((v) => {
      const keys = reads.get(v);
      return !keys || (keys.size === 1 && keys.has(own));
    });
  }

  /** Kernels over the same points that read the same elements: one loads them for both. */
  #siblings(a: Group, b: Group): Group | undefined {
    if (a.kind !== "loop" || b.kind !== "loop" || a.size !== b.size || (a.inner && b.inner)) {
      return undefined;
    }
    let shared = false;
    for (const [v, keys] of a.reads) {
      const others = b.reads.get(v);
      if (others && [...keys].some((key) => others.has(key))) shared = true;
    }
    if (!shared || this.#depends(a, b, true) || this.#depends(b, a, true)) return undefined;
    const merged: Group = {
      kind: "loop",
      size: a.size,
      vars: this.#sorted([...a.vars, ...b.vars]),
      inner: a.inner ?? b.inner,
      reads: union(a.reads, b.reads),
      flops: a.flops + b.flops,
      loads: a.loads + b.loads,
    };
    return this.#fits(merged) ? merged : undefined;
  }

  #order(g: Group): number {
    return Math.max(...[...g.vars, ...(g.inner?.vars ?? [])].map((v) => this.#defs.id(v)));
  }

  /** Merge until nothing more merges. */
  run(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const to of [...this.#groups].sort((a, b) => this.#order(a) - this.#order(b))) {
        if (this.#mergeIntoProducer(to)) changed = true;
      }
      if (!changed) changed = this.#mergeSiblings();
    }
  }

  #mergeIntoProducer(to: Group): boolean {
    if (!this.#groups.has(to)) return false;
    const from = [...this.producers(to)].sort((a, b) => this.#order(b) - this.#order(a));
    for (const g of from) {
      const merged = this.#vertical(g, to) ?? this.#innerLoop(g, to);
      if (!merged) continue;
      this.#replace(merged, g, to);
      return true;
    }
    return false;
  }

  #mergeSiblings(): boolean {
    const groups = [...this.#groups].filter((g) => g.kind === "loop");
    for (let i = 0; i < groups.length; i++) {
      for (let j = i + 1; j < groups.length; j++) {
        const merged = this.#siblings(groups[i]!, groups[j]!);
        if (!merged) continue;
        this.#replace(merged, groups[i]!, groups[j]!);
        return true;
      }
    }
    return false;
  }

  groups(): Group[] {
    return [...this.#groups].sort((a, b) => this.#order(a) - this.#order(b));
  }

  /** Variables that other kernels (or the caller) need in memory. */
  stored(): Set<Var> {
    const out = new Set<Var>();
    for (const g of this.#groups) {
      for (const v of g.reads.keys()) if (this.#groupOf.get(v) !== g) out.add(v);
    }
    for (const v of this.#returned) out.add(v);
    return out;
  }

  /** The finished kernel of a group. */
  kernel(g: Group, stored: ReadonlySet<Var>): Kernel {
    const stores = new Set([...g.vars, ...(g.inner?.vars ?? [])].filter((v) => stored.has(v)));
    if (g.kind === "loop") {
      return { kind: "loop", size: g.size, vars: g.vars, inner: g.inner, stores };
    }
    const eqn = g.vars.map((v) => this.#defs.of(v)!.eqn).find((e) => e.prim.kind === "contract")!;
    return { kind: "contract", size: g.size, eqn, sizes: sizesOf(eqn), vars: g.vars, stores };
  }
}

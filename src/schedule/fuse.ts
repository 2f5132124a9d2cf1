/**
 * From cut variables to kernels. Every cut variable starts as a kernel of its own; then kernels that
 * can be computed point by point together are merged, as long as no dependency would turn back into
 * the merged kernel.
 */
import { sizeOf } from "../core/aval.js";
import type { Eqn, Var } from "../ir/graph.js";
import { idxFlatten, idxUnflatten } from "../ir/index-expr.js";
import { laneSizes, lanesFor } from "./across.js";
import { Analyser, type Analyses, type Analysis } from "./analyse.js";
import type { Cuts } from "./cuts.js";
import type { Defs } from "./defs.js";
import { Dependence, varsOf } from "./dependence.js";
import type { Group } from "./group.js";
import { Heap } from "./heap.js";
import type { Homes } from "./homes.js";
import {
  isInnermost,
  type Kernel,
  loopVar,
  operandAt,
  pointOf,
  reduction,
  sizesOf,
} from "./kernel.js";
import type { Large } from "./large.js";
import { type Target, workgroupSize } from "./target.js";

type Reads = Group["reads"];

function union(a: Reads, b: Reads): Reads {
  const out = new Map(a);
  for (const [v, keys] of b) {
    const have = out.get(v);
    out.set(v, have && have !== keys ? new Set([...have, ...keys]) : keys);
  }
  return out;
}

/** What the rules ask of a group again and again. */
interface Facts {
  /** How many reductions it computes at a point. */
  readonly reductions: number;
  /** Its reductions whose loop a consumer may join, by their numbers of terms. */
  readonly loops: ReadonlyMap<number, readonly Eqn[]>;
}

/** Terms of an inner loop up to which merging always pays: the loop replaces few threads. */
const shortLoop = 64;
/** Reductions in one kernel: the sums of many arrays do better side by side than in one thread. */
const maxReductions = 8;
/** Threads that are enough for longer inner loops. */
const manyThreads = (target: Target): number => (target.software ? 256 : 4096);

/**
 * The cut variables that the results need, in the order of their definitions. Views leave things out (a
 * slice of what was put together), and equations have several outputs: the rest need not be computed.
 */
function readVars(cuts: Cuts, returned: ReadonlySet<Var>, readsOf: (v: Var) => Reads): Var[] {
  const needed = new Set<Var>(returned);
  const out: Var[] = [];
  for (const v of cuts.computed().reverse()) {
    if (!needed.has(v)) continue;
    out.push(v);
    if (sizeOf(v.aval.shape) === 0) continue;
    for (const x of readsOf(v).keys()) needed.add(x);
  }
  return out.reverse();
}

/** The groups in an order in which each comes after those that it reads. */
function producersFirst(groupOf: ReadonlyMap<Var, Group>): Group[] {
  const out = new Set<Group>();
  const entered = new Set<Group>();
  for (const root of groupOf.values()) {
    const stack = [root];
    while (stack.length > 0) {
      const g = stack.at(-1)!;
      if (out.has(g) || entered.has(g)) {
        stack.pop();
        out.add(g);
        continue;
      }
      entered.add(g);
      for (const v of g.reads.keys()) {
        const from = groupOf.get(v);
        if (from && from !== g && !out.has(from)) stack.push(from);
      }
    }
  }
  return [...out];
}

/**
 * Does it save anything to read a variable once for two kernels? A few numbers are in the cache anyway, and
 * leaves of a tree that share no more than those are better segments of a dispatch, with one text for all.
 */
const isWorthSharing = (v: Var, points: number): boolean => 4 * sizeOf(v.aval.shape) >= points;

export class Fusion {
  readonly #defs: Defs;
  readonly #cuts: Cuts;
  readonly #homes: Homes;
  readonly #target: Target;
  readonly #large: Large;
  readonly #returned: ReadonlySet<Var>;
  readonly #graph: Dependence;
  /** When each group came to be: the order in which siblings are looked for. */
  readonly #born = new Map<Group, number>();
  /** Position of the last variable that a group computes. */
  readonly #order = new Map<Group, number>();
  /** Loops by what they read and their number of points, in the order of their births. */
  readonly #byRead = new Map<Var, Map<number, Group[]>>();
  /** Groups whose producers or themselves are new since it was last tried to merge them. */
  readonly #untried = new Set<Group>();
  readonly #facts = new WeakMap<Group, Facts>();
  /** Producers that a group does not merge with: it never will, unless one of them changes. */
  readonly #failed = new WeakMap<Group, Set<Group>>();
  readonly #unpaired: Heap<Group>;
  /** The birth up to which every later group has been tried as a group's sibling. */
  readonly #paired = new Map<Group, number>();

  /** `groups`: kernels of an earlier fusion to go on from; every other variable starts alone. */
  constructor(
    defs: Defs,
    cuts: Cuts,
    analyses: Analyses,
    homes: Homes,
    target: Target,
    large: Large,
    groups: readonly Group[] = [],
  ) {
    this.#defs = defs;
    this.#cuts = cuts;
    this.#homes = homes;
    this.#target = target;
    this.#large = large;
    this.#returned = defs.returned();
    this.#unpaired = new Heap((g) => this.#born.get(g)!);
    const given = new Map(groups.flatMap((g) => varsOf(g).map((v) => [v, g] as const)));
    const all = new Map<Var, Group>();
    // What a kernel of an earlier fusion computes was needed, and is.
    const readsOf = (v: Var): Reads => (given.get(v) ?? analyses.of(v)).reads;
    for (const v of readVars(cuts, this.#returned, readsOf)) {
      if (sizeOf(v.aval.shape) > 0) all.set(v, given.get(v) ?? this.#alone(v, analyses.of(v)));
    }
    const ordered = producersFirst(all);
    this.#graph = new Dependence(ordered);
    for (const g of ordered) this.#register(g);
  }

  #alone(v: Var, a: Analysis): Group {
    const size = sizeOf(v.aval.shape);
    return {
      kind: this.#defs.kind(v) === "contract" ? "contract" : "loop",
      size,
      vars: [v],
      inner: undefined,
      across: undefined,
      reads: a.reads,
      flops: a.flops * size,
      loads: a.loads * size,
    };
  }

  #register(g: Group): void {
    this.#born.set(g, this.#born.size);
    this.#order.set(g, Math.max(...varsOf(g).map((v) => this.#defs.id(v))));
    this.#untried.add(g);
    if (g.kind !== "loop") return;
    this.#unpaired.add(g);
    for (const v of g.reads.keys()) {
      const bySize = this.#byRead.get(v) ?? new Map<number, Group[]>();
      this.#byRead.set(v, bySize);
      const readers = (bySize.get(g.size) ?? []).filter((x) => this.#graph.has(x));
      for (const x of readers) this.#unpaired.add(x);
      bySize.set(g.size, [...readers, g]);
    }
  }

  /** Can what a merged group touches be bound, in parts if need be? */
  #binds(merged: Group, a: Group, b: Group): boolean {
    if (!this.#large.any) return true;
    const isStored = (v: Var): boolean =>
      this.#returned.has(v) || [...this.#graph.readers(v)].some((g) => g !== a && g !== b);
    if (!this.#large.touches(merged, isStored)) return true;
    // Lanes that are computed together lie too far apart to be computed in parts.
    return !merged.across && this.#large.canBind(merged, isStored);
  }

  #replace(merged: Group, a: Group, b: Group): void {
    this.#graph.merge(merged, a, b);
    this.#register(merged);
    for (const to of this.#graph.consumers(merged)) this.#untried.add(to);
  }

  #sorted(vars: Iterable<Var>): Var[] {
    return [...new Set(vars)].sort((a, b) => this.#defs.id(a) - this.#defs.id(b));
  }

  /** Do the groups bind few enough buffers as one kernel? */
  #fit(a: Group, b: Group): boolean {
    const bound = [...a.reads.keys(), ...b.reads.keys(), ...varsOf(a), ...varsOf(b)];
    return this.#homes.count(bound) <= this.#target.maxStorageBuffers - 1;
  }

  #factsOf(g: Group): Facts {
    const have = this.#facts.get(g);
    if (have) return have;
    const reductions = g.vars
      .map((v) => this.#defs.of(v)!.eqn)
      .filter((eqn) => eqn.prim.kind === "reduce");
    const loops = new Map<number, Eqn[]>();
    for (const eqn of reductions) {
      const { extent } = reduction(eqn);
      const threads = g.size * (this.#hasTeams(eqn) ? workgroupSize : 1);
      if (extent <= 1 || (extent > shortLoop && threads < manyThreads(this.#target))) continue;
      loops.set(extent, [...(loops.get(extent) ?? []), eqn]);
    }
    const facts = { reductions: reductions.length, loops };
    this.#facts.set(g, facts);
    return facts;
  }

  /** Are all of `reads` of variables of `g` at the point itself? */
  #aligned(reads: ReadonlyMap<Var, ReadonlySet<string>>, g: Group): boolean {
    const own = pointOf(g.size).key;
    const vars = new Set(g.vars);
    for (const [v, keys] of reads) {
      if (g.inner?.vars.includes(v) || g.across?.vars.includes(v)) return false;
      if (vars.has(v) && !(keys.size === 1 && keys.has(own))) return false;
    }
    return true;
  }

  /** One kernel for a producer and a consumer that needs it at the same points only. */
  #vertical(from: Group, to: Group): Group | undefined {
    if (from.size !== to.size || to.kind === "contract") return undefined;
    if (to.inner && (from.inner || from.kind === "contract")) return undefined;
    if (from.kind === "contract" && this.#factsOf(to).reductions > 0) return undefined;
    if (this.#factsOf(from).reductions + this.#factsOf(to).reductions > maxReductions) {
      return undefined;
    }
    if (!this.#aligned(to.reads, from)) return undefined;
    if (this.#graph.dependsThroughOthers(to, from) || !this.#fit(from, to)) return undefined;
    return {
      ...from,
      vars: this.#sorted([...from.vars, ...to.vars]),
      inner: from.inner ?? to.inner,
      reads: union(from.reads, to.reads),
      flops: from.flops + to.flops,
      loads: from.loads + to.loads,
    };
  }

  /** A consumer of the same point of every lane of a product becomes a part of its epilogue. */
  #acrossLanes(from: Group, to: Group): Group | undefined {
    if (from.kind !== "contract" || to.kind !== "loop" || to.inner) return undefined;
    if (from.size <= to.size || this.#factsOf(to).reductions > 0) return undefined;
    const have = from.across;
    const readsOf = (vars: readonly Var[]) => vars.flatMap((v) => [...(to.reads.get(v) ?? [])]);
    const whole = sizesOf(this.#product(from));
    const point = pointOf(to.size);
    const lanes = lanesFor(whole, point, to.size, readsOf(from.vars), have);
    if (!lanes) return undefined;
    if (have && readsOf(have.vars).some((key) => key !== point.key)) return undefined;
    if (this.#graph.dependsThroughOthers(to, from) || !this.#fit(from, to)) return undefined;
    return {
      ...from,
      across: {
        count: lanes.count,
        axis: lanes.axis,
        vars: this.#sorted([...(have?.vars ?? []), ...to.vars]),
      },
      reads: union(from.reads, to.reads),
      flops: from.flops + to.flops,
      loads: from.loads + to.loads,
    };
  }

  /** The product of a contraction's kernel. */
  #product(g: Group): Eqn {
    return g.vars.map((v) => this.#defs.of(v)!.eqn).find((e) => e.prim.kind === "contract")!;
  }

  /** Do the threads of a workgroup share each of its points? */
  #hasTeams(eqn: Eqn): boolean {
    return !this.#target.software && isInnermost(reduction(eqn).axes, eqn.inputs[0]!.aval.shape);
  }

  /** A consumer over the elements that a reduction reduces becomes a last loop of its kernel. */
  #innerLoop(from: Group, to: Group): Group | undefined {
    if (from.kind !== "loop" || to.kind !== "loop" || to.inner) return undefined;
    const loops = this.#factsOf(from).loops.get(to.size / from.size);
    if (!loops || this.#factsOf(to).reductions > 0) return undefined;
    for (const over of loops) {
      if (from.inner && !this.#sameLoop(from.inner.over, over)) continue;
      if (this.#graph.dependsThroughOthers(to, from) || !this.#fit(from, to)) return undefined;
      const reads = this.#readsInLoop(to.vars, over, from.size);
      const visible: Group = { ...from, inner: undefined };
      if (!this.#aligned(reads, visible)) continue;
      if (from.inner && !this.#innerAligned(reads, from.inner.vars, over, from.size)) continue;
      return {
        ...from,
        inner: { over, vars: this.#sorted([...(from.inner?.vars ?? []), ...to.vars]) },
        reads: union(from.reads, reads),
        flops: from.flops + to.flops,
        loads: from.loads + to.loads,
      };
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
    const shared = [...a.reads].some(([v, keys]) => {
      const others = isWorthSharing(v, a.size) ? b.reads.get(v) : undefined;
      return others !== undefined && [...keys].some((key) => others.has(key));
    });
    if (!shared || this.#graph.depends(a, b) || this.#graph.depends(b, a)) return undefined;
    if (!this.#fit(a, b)) return undefined;
    return {
      kind: "loop",
      size: a.size,
      vars: this.#sorted([...a.vars, ...b.vars]),
      inner: a.inner ?? b.inner,
      across: undefined,
      reads: union(a.reads, b.reads),
      flops: a.flops + b.flops,
      loads: a.loads + b.loads,
    };
  }

  /** Merge until nothing more merges. */
  run(): void {
    do {
      while (this.#mergeIntoProducers());
    } while (this.#mergeSiblings());
  }

  /** One pass over the groups in their order; true when something merged. */
  #mergeIntoProducers(): boolean {
    const orderOf = (g: Group): number => this.#order.get(g)!;
    const born = this.#born.size;
    const queue = new Heap(orderOf, this.#untried);
    this.#untried.clear();
    let changed = false;
    for (let to = queue.take(); to; to = queue.take()) {
      if (!this.#graph.has(to) || !this.#mergeIntoProducer(to)) continue;
      changed = true;
      // Consumers of the merged group that this pass has yet to come to.
      for (const g of this.#untried) {
        if (this.#born.get(g)! >= born || orderOf(g) < orderOf(to)) continue;
        this.#untried.delete(g);
        queue.add(g);
      }
    }
    return changed;
  }

  #mergeIntoProducer(to: Group): boolean {
    const failed = this.#failed.get(to) ?? new Set();
    this.#failed.set(to, failed);
    const producers = [...this.#graph.producers(to)].filter((from) => !failed.has(from));
    for (const from of producers.sort((a, b) => this.#order.get(b)! - this.#order.get(a)!)) {
      const merged =
        this.#vertical(from, to) ?? this.#innerLoop(from, to) ?? this.#acrossLanes(from, to);
      if (!merged || !this.#binds(merged, from, to)) {
        failed.add(from);
        continue;
      }
      this.#replace(merged, from, to);
      return true;
    }
    return false;
  }

  /** Merge the first pair of siblings; a pair that does not merge never will. */
  #mergeSiblings(): boolean {
    for (let g = this.#unpaired.take(); g; g = this.#unpaired.take()) {
      if (!this.#graph.has(g)) continue;
      const tried = this.#paired.get(g) ?? this.#born.get(g)!;
      const others = new Set<Group>();
      for (const v of g.reads.keys()) {
        if (!isWorthSharing(v, g.size)) continue;
        for (const x of this.#byRead.get(v)?.get(g.size) ?? []) {
          if (this.#born.get(x)! > tried && this.#graph.has(x)) others.add(x);
        }
      }
      for (const x of [...others].sort((a, b) => this.#born.get(a)! - this.#born.get(b)!)) {
        const merged = this.#siblings(g, x);
        if (!merged || !this.#binds(merged, g, x)) continue;
        this.#replace(merged, g, x);
        return true;
      }
      this.#paired.set(g, this.#born.size - 1);
    }
    return false;
  }

  groups(): Group[] {
    return [...this.#graph.groups].sort((a, b) => this.#order.get(a)! - this.#order.get(b)!);
  }

  /** Variables that other kernels (or the caller) need in memory. */
  stored(): Set<Var> {
    const out = new Set<Var>();
    for (const g of this.#graph.groups) {
      for (const v of g.reads.keys()) if (this.#graph.of(v) !== g) out.add(v);
    }
    for (const v of this.#returned) out.add(v);
    return out;
  }

  /** The finished kernel of a group. */
  kernel(g: Group, stored: ReadonlySet<Var>): Kernel {
    const stores = new Set(varsOf(g).filter((v) => stored.has(v)));
    if (g.kind === "loop") {
      return { kind: "loop", size: g.size, vars: g.vars, inner: g.inner, stores };
    }
    const { size, vars, across } = g;
    const eqn = this.#product(g);
    const sizes = across ? laneSizes(sizesOf(eqn), across) : sizesOf(eqn);
    return { kind: "contract", size, eqn, sizes, vars, across, stores };
  }
}

/**
 * Which kernels read which, while kernels merge. Programs have thousands of kernels, so every question
 * is answered without a search: readers are indexed by variable, and what a kernel depends on is a
 * set of bits.
 */
import type { Var } from "../ir/graph.js";
import type { Group } from "./group.js";

/** Everything that a group computes. */
export const varsOf = (g: Group): Var[] => [
  ...g.vars,
  ...(g.inner?.vars ?? []),
  ...(g.across?.vars ?? []),
];

interface Node {
  /** The bit that stands for the group in others' sets. */
  readonly bit: number;
  /** The bits of every group that this one depends on. */
  readonly needs: Uint32Array;
  /** The bits of every group that depends on this one. */
  readonly needed: Uint32Array;
}

const has = (set: Uint32Array, bit: number): boolean => ((set[bit >> 5]! >>> (bit & 31)) & 1) === 1;
const put = (set: Uint32Array, bit: number): void => {
  set[bit >> 5]! |= 1 << (bit & 31);
};
const drop = (set: Uint32Array, bit: number): void => {
  set[bit >> 5]! &= ~(1 << (bit & 31));
};
const include = (set: Uint32Array, other: Uint32Array): void => {
  for (let i = 0; i < set.length; i++) set[i]! |= other[i]!;
};
const union = (a: Uint32Array, b: Uint32Array): Uint32Array => {
  const out = a.slice();
  include(out, b);
  return out;
};
/** The groups that there are, and the edges between them. */
export class Dependence {
  readonly #nodes = new Map<Group, Node>();
  /** Groups by their bits; undefined where a group has become part of another. */
  readonly #byBit: (Node | undefined)[] = [];
  readonly #groupOf = new Map<Var, Group>();
  readonly #readers = new Map<Var, Set<Group>>();
  readonly #words: number;

  /** `groups`: each after those that it reads. */
  constructor(groups: readonly Group[]) {
    this.#words = Math.ceil(groups.length / 32);
    const nodes = groups.map((g) => this.#add(g));
    // Backwards, each group's consumers are complete when it is asked.
    for (let i = groups.length - 1; i >= 0; i--) {
      const { bit, needed } = nodes[i]!;
      for (const from of this.producers(groups[i]!)) {
        const node = this.#nodes.get(from)!;
        include(node.needed, needed);
        put(node.needed, bit);
      }
    }
  }

  get groups(): Iterable<Group> {
    return this.#nodes.keys();
  }

  has(g: Group): boolean {
    return this.#nodes.has(g);
  }

  of(v: Var): Group | undefined {
    return this.#groupOf.get(v);
  }

  /** The groups that read a variable, its own among them. */
  readers(v: Var): Iterable<Group> {
    return this.#readers.get(v) ?? [];
  }

  /** The other groups that a group reads from. */
  producers(g: Group): Set<Group> {
    const out = new Set<Group>();
    for (const v of g.reads.keys()) {
      const from = this.#groupOf.get(v);
      if (from && from !== g) out.add(from);
    }
    return out;
  }

  /** The other groups that read from a group. */
  consumers(g: Group): Set<Group> {
    const out = new Set<Group>();
    for (const v of varsOf(g)) for (const to of this.readers(v)) if (to !== g) out.add(to);
    return out;
  }

  #link(g: Group, node: Node): void {
    this.#nodes.set(g, node);
    this.#byBit[node.bit] = node;
    for (const v of varsOf(g)) this.#groupOf.set(v, g);
    for (const v of g.reads.keys()) {
      const readers = this.#readers.get(v);
      if (readers) readers.add(g);
      else this.#readers.set(v, new Set([g]));
    }
  }

  #unlink(g: Group): Node {
    const node = this.#nodes.get(g)!;
    this.#nodes.delete(g);
    for (const v of g.reads.keys()) this.#readers.get(v)!.delete(g);
    return node;
  }

  /** A group whose producers are there; what needs it is not known yet. */
  #add(g: Group): Node {
    const bit = this.#byBit.length;
    const needs = new Uint32Array(this.#words);
    for (const from of this.producers(g)) {
      const node = this.#nodes.get(from)!;
      include(needs, node.needs);
      put(needs, node.bit);
    }
    const node = { bit, needs, needed: new Uint32Array(this.#words) };
    this.#link(g, node);
    return node;
  }

  /** The groups that are in one of the sets only. */
  #eachDifference(a: Uint32Array, b: Uint32Array, f: (node: Node) => void): void {
    for (let i = 0; i < a.length; i++) {
      for (let rest = a[i]! ^ b[i]!; rest !== 0; ) {
        const least = 31 - Math.clz32(rest & -rest);
        rest &= rest - 1;
        const node = this.#byBit[32 * i + least];
        if (node) f(node);
      }
    }
  }

  /** Two groups, neither of which depends on the other through a third, become one. */
  merge(merged: Group, a: Group, b: Group): void {
    const x = this.#unlink(a);
    const y = this.#unlink(b);
    this.#byBit[x.bit] = undefined;
    this.#byBit[y.bit] = undefined;
    const needs = union(x.needs, y.needs);
    const needed = union(x.needed, y.needed);
    for (const bit of [x.bit, y.bit]) {
      drop(needs, bit);
      drop(needed, bit);
    }
    // Whatever stood beside both of them knows all of this already.
    this.#eachDifference(x.needed, y.needed, (node) => {
      include(node.needs, needs);
      put(node.needs, x.bit);
    });
    this.#eachDifference(x.needs, y.needs, (node) => {
      include(node.needed, needed);
      put(node.needed, x.bit);
    });
    this.#link(merged, { bit: x.bit, needs, needed });
  }

  /** Does `to` depend on `from`? */
  depends(to: Group, from: Group): boolean {
    return has(this.#nodes.get(to)!.needs, this.#nodes.get(from)!.bit);
  }

  /** Does `to` depend on `from` through a third group? */
  dependsThroughOthers(to: Group, from: Group): boolean {
    const { bit } = this.#nodes.get(from)!;
    for (const g of this.producers(to)) {
      if (g !== from && has(this.#nodes.get(g)!.needs, bit)) return true;
    }
    return false;
  }
}

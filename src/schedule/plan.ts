/**
 * Where every stored variable lies: in a buffer of the caller's, in a result (new, or a donated input
 * written in place), or at an offset of the arena that all programs share for their intermediates.
 */
import type { Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import type { Group } from "./fuse.js";
import { bytesOf, pointOf } from "./kernel.js";
import type { Target } from "./target.js";

export type Location =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "result"; readonly slot: number }
  | { readonly kind: "arena"; readonly chunk: number; readonly offset: number };

/** A buffer that the program returns. */
export interface ResultSlot {
  readonly bytes: number;
  readonly variable: Var;
  /** The donated input that it takes over. */
  readonly donor: number | undefined;
}

export interface Plan {
  readonly locations: ReadonlyMap<Var, Location>;
  readonly results: readonly ResultSlot[];
  /** Bytes of each chunk of the arena. */
  readonly arena: readonly number[];
}

const alignment = 64;
const roundUp = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

interface Life {
  readonly variable: Var;
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

interface Placed extends Life {
  readonly offset: number;
}

/** First fit: the lowest offset at which nothing else lives at the same time. */
function place(
  lives: readonly Life[],
  most: number,
): { placed: Map<Var, [number, number]>; sizes: number[] } {
  const chunks: Placed[][] = [];
  const sizes: number[] = [];
  const placed = new Map<Var, [number, number]>();
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    for (let chunk = 0; !placed.has(life.variable); chunk++) {
      const others = chunks[chunk] ?? [];
      chunks[chunk] = others;
      const alive = others
        .filter((o) => o.first <= life.last && life.first <= o.last)
        .sort((a, b) => a.offset - b.offset);
      let offset = 0;
      for (const o of alive) {
        if (offset + life.bytes <= o.offset) break;
        offset = Math.max(offset, o.offset + o.bytes);
      }
      if (offset + life.bytes > most && others.length > 0) continue;
      others.push({ ...life, offset });
      sizes[chunk] = Math.max(sizes[chunk] ?? 0, offset + life.bytes);
      placed.set(life.variable, [chunk, offset]);
    }
  }
  return { placed, sizes };
}

/** Is every read of `input` by the group at the very point that it is computing? */
function readsOnlyOwnPoint(g: Group, input: Var): boolean {
  const keys = g.reads.get(input);
  return !keys || (keys.size === 1 && keys.has(pointOf(g.size).key));
}

export function planBuffers(
  dispatches: readonly (readonly Group[])[],
  defs: Defs,
  stored: ReadonlySet<Var>,
  donated: readonly boolean[],
  aliased: ReadonlySet<Var>,
  target: Target,
): Plan {
  const locations = new Map<Var, Location>();
  defs.graph.inputs.forEach((v, index) => {
    locations.set(v, { kind: "input", index });
  });
  const writtenAt = new Map<Var, number>();
  const lastRead = new Map<Var, number>();
  const writer = new Map<Var, Group>();
  dispatches.forEach((groups, at) => {
    for (const g of groups) {
      for (const v of [...g.vars, ...(g.inner?.vars ?? [])]) {
        writtenAt.set(v, at);
        writer.set(v, g);
      }
      for (const v of g.reads.keys()) lastRead.set(v, at);
    }
  });

  const returned = [...defs.returned()].filter((v) => writtenAt.has(v));
  const taken = new Set<number>();
  /** May the result be written over the input's elements? */
  const inPlace = (out: Var, index: number): boolean => {
    const input = defs.graph.inputs[index]!;
    const at = writtenAt.get(out)!;
    const read = lastRead.get(input) ?? -1;
    if (read > at) return false;
    if (read < at) return true;
    return dispatches[at]!.every((g) => {
      if (!g.reads.has(input)) return true;
      return g === writer.get(out) && g.vars.includes(out) && readsOnlyOwnPoint(g, input);
    });
  };
  const donorFor = (out: Var): number | undefined => {
    const g = writer.get(out)!;
    const candidates = defs.graph.inputs
      .map((_, i) => i)
      .filter((i) => {
        const v = defs.graph.inputs[i]!;
        return (
          donated[i] === true &&
          !taken.has(i) &&
          !aliased.has(v) &&
          v.aval.dtype === out.aval.dtype &&
          bytesOf(v) === bytesOf(out) &&
          inPlace(out, i)
        );
      });
    // The input that the result is an update of, if there is one.
    return candidates.find((i) => g.reads.has(defs.graph.inputs[i]!)) ?? candidates[0];
  };
  const results: ResultSlot[] = [];
  // Results that update an input choose first.
  const updates = (v: Var) =>
    defs.graph.inputs.some((x, i) => donated[i] && writer.get(v)!.reads.has(x)) ? 0 : 1;
  for (const v of [...returned].sort((a, b) => updates(a) - updates(b))) {
    const donor = donorFor(v);
    if (donor !== undefined) taken.add(donor);
    locations.set(v, { kind: "result", slot: results.length });
    results.push({ bytes: bytesOf(v), variable: v, donor });
  }

  const lives: Life[] = [];
  for (const v of stored) {
    if (locations.has(v) || !writtenAt.has(v)) continue;
    const first = writtenAt.get(v)!;
    const last = Math.max(first, lastRead.get(v) ?? first);
    lives.push({ variable: v, first, last, bytes: roundUp(bytesOf(v)) });
  }
  const { placed, sizes } = place(lives, target.maxBindingBytes);
  for (const [v, [chunk, offset]] of placed) locations.set(v, { kind: "arena", chunk, offset });
  return { locations, results, arena: sizes };
}

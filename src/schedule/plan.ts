/**
 * Where every stored variable lies: in a buffer of the caller's, in a result (new, or a donated input
 * written in place), or at an offset of the arena that all programs share for their intermediates.
 */
import type { Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import { varsOf } from "./dependence.js";
import { type Life, place } from "./first-fit.js";
import type { Group } from "./group.js";
import type { Homes, StateBlock } from "./homes.js";
import { bytesOf, pointOf } from "./kernel.js";
import type { Target } from "./target.js";

export type Location =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "state"; readonly block: number; readonly offset: number }
  | { readonly kind: "result"; readonly slot: number }
  | { readonly kind: "arena"; readonly chunk: number; readonly offset: number };

/** A buffer that the program returns. */
export interface ResultSlot {
  readonly bytes: number;
  readonly variable: Var;
  /** The donated input that it takes over. */
  readonly donor: number | undefined;
}

/** A copy between two buffers, before the first kernel or after the last. */
export interface Copy {
  readonly from: Location;
  readonly to: Location;
  readonly bytes: number;
}

export interface Plan {
  /** Where kernels find and leave each variable. */
  readonly locations: ReadonlyMap<Var, Location>;
  /** Where the caller finds each result. */
  readonly returned: ReadonlyMap<Var, Location>;
  readonly results: readonly ResultSlot[];
  readonly state: readonly StateBlock[];
  readonly before: readonly Copy[];
  readonly after: readonly Copy[];
  /** Bytes of each chunk of the arena. */
  readonly arena: readonly number[];
}

/** The name of the buffer that a location is in. */
export function bufferOf(plan: Pick<Plan, "results">, at: Location): string {
  switch (at.kind) {
    case "input":
      return bufferKey.input(at.index);
    case "state":
      return bufferKey.state(at.block);
    case "arena":
      return bufferKey.arena(at.chunk);
    case "result": {
      const { donor } = plan.results[at.slot]!;
      return donor === undefined ? bufferKey.result(at.slot) : bufferKey.input(donor);
    }
  }
}

/** Keys of buffers, as bindings name them. */
export const bufferKey = {
  input: (index: number): string => `input ${index}`,
  state: (block: number): string => `state ${block}`,
  result: (slot: number): string => `result ${slot}`,
  arena: (chunk: number): string => `arena ${chunk}`,
};

/** Bytes of the buffer of this key, as much of it as the program uses. */
export function bufferBytes(plan: Plan, defs: Defs, key: string): number {
  const [kind, number] = key.split(" ") as [string, string];
  const i = Number(number);
  if (kind === "arena") return plan.arena[i]!;
  if (kind === "state") return plan.state[i]!.bytes;
  const v = kind === "input" ? defs.graph.inputs[i]! : plan.results[i]!.variable;
  return Math.max(16, Math.ceil(bytesOf(v) / 16) * 16);
}

const alignment = 64;
const roundUp = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Is every read of `input` by the group at the very point that it is computing? */
function readsOnlyOwnPoint(g: Group, input: Var): boolean {
  const keys = g.reads.get(input);
  return !keys || (keys.size === 1 && keys.has(pointOf(g.size).key));
}

/** When each variable is written and last read, counted in dispatches. */
class Times {
  readonly writtenAt = new Map<Var, number>();
  readonly lastRead = new Map<Var, number>();
  readonly writer = new Map<Var, Group>();
  readonly #dispatches: readonly (readonly Group[])[];

  constructor(dispatches: readonly (readonly Group[])[]) {
    this.#dispatches = dispatches;
    dispatches.forEach((groups, at) => {
      for (const g of groups) {
        for (const v of varsOf(g)) {
          this.writtenAt.set(v, at);
          this.writer.set(v, g);
        }
        for (const v of g.reads.keys()) this.lastRead.set(v, at);
      }
    });
  }

  /** May the result be written over the input's elements? */
  inPlace(out: Var, input: Var): boolean {
    const at = this.writtenAt.get(out)!;
    const read = this.lastRead.get(input) ?? -1;
    if (read !== at) return read < at;
    return this.#dispatches[at]!.every((g) => {
      if (!g.reads.has(input)) return true;
      // Positions count points of what is computed across lanes, where anything is.
      const atPoint = (g.across ?? g).vars.includes(out);
      return g === this.writer.get(out) && atPoint && readsOnlyOwnPoint(g, input);
    });
  }
}

export function planBuffers(
  dispatches: readonly (readonly Group[])[],
  defs: Defs,
  homes: Homes,
  stored: ReadonlySet<Var>,
  donated: readonly boolean[],
  aliased: ReadonlySet<Var>,
  target: Target,
): Plan {
  const { inputs } = defs.graph;
  const locations = new Map<Var, Location>();
  inputs.forEach((v, index) => {
    if (!homes.gathered.has(index)) locations.set(v, { kind: "input", index });
  });
  homes.blocks.forEach(({ members }, block) => {
    for (const { input, offset } of members) {
      locations.set(inputs[input]!, { kind: "state", block, offset });
    }
  });
  const times = new Times(dispatches);
  const { writtenAt, lastRead, writer } = times;

  const results: ResultSlot[] = [];
  const returned = new Map<Var, Location>();
  // Results that lie in the arena until the last kernel has run.
  const staged = new Set<Var>();
  const written = [...defs.returned()].filter((v) => writtenAt.has(v));
  for (const v of written) {
    const donor = homes.donors.get(v);
    if (donor === undefined) continue;
    returned.set(v, locations.get(inputs[donor]!)!);
    if (!times.inPlace(v, inputs[donor]!)) staged.add(v);
  }

  const inBlocks = new Set(homes.donors.values());
  const taken = new Set<number>();
  const donorFor = (out: Var): number | undefined => {
    if (homes.scattered.has(out)) return undefined;
    const g = writer.get(out)!;
    const candidates = inputs
      .map((_, i) => i)
      .filter((i) => {
        const v = inputs[i]!;
        return (
          donated[i] === true &&
          !taken.has(i) &&
          !inBlocks.has(i) &&
          !homes.gathered.has(i) &&
          !aliased.has(v) &&
          v.aval.dtype === out.aval.dtype &&
          bytesOf(v) === bytesOf(out) &&
          times.inPlace(out, v)
        );
      });
    // The input that the result is an update of, if there is one.
    return candidates.find((i) => g.reads.has(inputs[i]!)) ?? candidates[0];
  };
  // Results that update an input choose first.
  const given = new Set(inputs.filter((_, i) => donated[i]));
  const updates = (v: Var) => [...writer.get(v)!.reads.keys()].some((x) => given.has(x));
  const free = written.filter((v) => !returned.has(v)).map((v) => ({ v, first: updates(v) }));
  for (const { v } of [...free.filter((f) => f.first), ...free.filter((f) => !f.first)]) {
    const donor = donorFor(v);
    if (donor !== undefined) taken.add(donor);
    returned.set(v, { kind: "result", slot: results.length });
    results.push({ bytes: bytesOf(v), variable: v, donor });
    if (homes.scattered.has(v)) staged.add(v);
  }
  for (const [v, at] of returned) if (!staged.has(v)) locations.set(v, at);

  const lives: Life[] = [];
  const live = (v: Var, first: number, last: number) =>
    lives.push({ variable: v, first, last: Math.max(first, last), bytes: roundUp(bytesOf(v)) });
  for (const i of homes.gathered) {
    const last = lastRead.get(inputs[i]!);
    if (last !== undefined) live(inputs[i]!, -1, last);
  }
  for (const v of stored) {
    if (locations.has(v) || !writtenAt.has(v)) continue;
    const end = staged.has(v) ? dispatches.length : (lastRead.get(v) ?? 0);
    live(v, writtenAt.get(v)!, end);
  }
  const { placed, sizes } = place(lives, target.maxBindingBytes);
  for (const [v, [chunk, offset]] of placed) locations.set(v, { kind: "arena", chunk, offset });
  const before = [...homes.gathered].flatMap((index): Copy[] => {
    const v = inputs[index]!;
    const to = locations.get(v);
    return to ? [{ from: { kind: "input", index }, to, bytes: bytesOf(v) }] : [];
  });
  const after = [...staged].map(
    (v): Copy => ({ from: locations.get(v)!, to: returned.get(v)!, bytes: bytesOf(v) }),
  );
  return { locations, returned, results, state: homes.blocks, before, after, arena: sizes };
}

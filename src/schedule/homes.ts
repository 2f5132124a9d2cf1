/**
 * Which buffer every input and result lies in, as far as it is known before kernels are formed: a
 * kernel binds buffers, not variables, so this decides how much of a tree one dispatch can reach.
 *
 * - Donated inputs that results replace (training state) lie together in *state blocks*. Results take
 *   their places, so the next run finds its state where this one left it, in one buffer.
 * - Where there are many small inputs or results otherwise, they are copied into and out of the arena:
 *   a copy of a few kilobytes costs less than the dispatches that their bindings would take.
 * - All else has a buffer of its own; intermediates share the arena.
 */
import { sizeOf } from "../core/aval.js";
import type { Var } from "../ir/graph.js";
import type { Defs } from "./defs.js";
import { bytesOf } from "./kernel.js";
import { donorsOf } from "./pairs.js";
import type { Place } from "./place.js";
import type { Target } from "./target.js";

/** Donated inputs that lie in one buffer. */
export interface StateBlock {
  readonly bytes: number;
  readonly members: readonly StateMember[];
}

export interface StateMember {
  readonly input: number;
  /** In bytes. */
  readonly offset: number;
}

/** Offsets that any adapter can bind (WebGPU allows no larger alignment). */
const alignment = 256;

/** Fewer donated arrays than this do well with a binding each. */
const fewest = 5;

/** Larger arrays than this are not worth copying for the sake of a binding. */
const smallBytes = 2 ** 16;

export class Homes {
  readonly blocks: readonly StateBlock[];
  /** The donated input whose place in a block each result takes. */
  readonly donors: ReadonlyMap<Var, number>;
  /** Inputs that are copied into the arena before the first kernel. */
  readonly gathered: ReadonlySet<number>;
  /** Results that are copied out of the arena after the last kernel. */
  readonly scattered: ReadonlySet<Var>;
  readonly #own = new Map<Var, string>();
  /** How many bindings a buffer takes, where that is more than one. */
  readonly #bindings = new Map<string, number>();

  constructor(
    defs: Defs,
    donated: readonly boolean[],
    hostScalars: ReadonlySet<number>,
    target: Target,
    /** Where a larger program has put the inputs and results of this part of it. */
    places?: ReadonlyMap<Var, Place>,
    bytesOfBuffer: (buffer: string) => number = () => 0,
  ) {
    if (places) {
      this.blocks = [];
      this.donors = new Map();
      this.gathered = new Set();
      this.scattered = new Set();
      for (const [v, { buffer, base }] of places) {
        this.#own.set(v, buffer);
        // Which slice of a stack it is, only the round tells: the whole stack is bound.
        const bindings = Math.ceil(bytesOfBuffer(buffer) / target.maxBindingBytes);
        if (base && bindings > 1) this.#bindings.set(buffer, bindings);
      }
      return;
    }
    const returned = defs.returned();
    const inputs = defs.graph.inputs
      .map((v, i) => ({ v, i }))
      .filter(({ v, i }) => i < defs.inputCount && !hostScalars.has(i) && sizeOf(v.aval.shape) > 0);
    const computed = [...returned].filter((v) => defs.of(v) && sizeOf(v.aval.shape) > 0);
    const free = inputs.filter(({ v, i }) => donated[i] === true && !returned.has(v));
    const donors =
      free.length < fewest
        ? new Map<Var, number>()
        : donorsOf(
            defs,
            computed,
            free.map(({ i }) => i),
          );
    this.donors = donors.size < fewest ? new Map<Var, number>() : donors;
    const taken = new Set(this.donors.values());
    this.blocks = pack(
      defs,
      [...taken].sort((a, b) => a - b),
      target.maxBindingBytes,
    );
    const small = (v: Var) => bytesOf(v) <= smallBytes;
    const many = target.maxStorageBuffers / 2;
    const smallInputs = inputs.filter(({ v, i }) => !taken.has(i) && !returned.has(v) && small(v));
    const smallResults = computed.filter((v) => !this.donors.has(v) && small(v));
    this.gathered = new Set(smallInputs.length > many ? smallInputs.map(({ i }) => i) : []);
    this.scattered = new Set(smallResults.length > many ? smallResults : []);

    for (const { v, i } of inputs) if (!this.gathered.has(i)) this.#own.set(v, `input ${i}`);
    computed.forEach((v, i) => {
      if (!this.scattered.has(v)) this.#own.set(v, `result ${i}`);
    });
    this.blocks.forEach(({ members }, b) => {
      for (const { input } of members) this.#own.set(defs.graph.inputs[input]!, `state ${b}`);
    });
    for (const [v, i] of this.donors) this.#own.set(v, this.#own.get(defs.graph.inputs[i]!)!);
  }

  /** The buffer that a variable lies in; intermediates all share the arena. */
  bufferOf(v: Var): string {
    return this.#own.get(v) ?? "arena";
  }

  /** What a kernel binds to reach these variables. */
  count(vars: Iterable<Var>): number {
    const buffers = new Set<string>();
    for (const v of vars) buffers.add(this.bufferOf(v));
    let more = 0;
    for (const [buffer, n] of this.#bindings) if (buffers.has(buffer)) more += n - 1;
    return buffers.size + more;
  }
}

/** Inputs one after the other, in as few buffers as may be bound. */
function pack(defs: Defs, inputs: readonly number[], most: number): StateBlock[] {
  const blocks: { bytes: number; members: StateMember[] }[] = [];
  for (const input of inputs) {
    const bytes = Math.ceil(bytesOf(defs.graph.inputs[input]!) / alignment) * alignment;
    let block = blocks.at(-1);
    if (!block || block.bytes + bytes > most) {
      block = { bytes: 0, members: [] };
      blocks.push(block);
    }
    block.members.push({ input, offset: block.bytes });
    block.bytes += bytes;
  }
  return blocks;
}

/**
 * A graph with loops and branches as segments: what needs no result of a loop comes first, then the
 * loops that are ready, then what follows from them, and so on. Bodies are made the same way.
 */
import { sizeOf } from "../../core/aval.js";
import { buildGraph, lit } from "../../ir/builder.js";
import { inlineGraph } from "../../ir/eval.js";
import { type Atom, type Eqn, type Graph, Lit, Var } from "../../ir/graph.js";
import {
  type Idx,
  idxAdd,
  idxConst,
  idxMod,
  idxScale,
  idxSub,
  idxVar,
} from "../../ir/index-expr.js";
import type { Control } from "../../ir/primitive.js";
import { add, and, broadcastInDim, convert, eq, max, min, select } from "../../prims/index.js";
import { stepName } from "../place.js";
import { type Levels, levelsOf } from "./levels.js";
import {
  type GuardDraft,
  isEmpty,
  makeSegment,
  type SegmentDraft,
  type Source,
  type Wanted,
} from "./segment.js";
import { type Location, moved, padded, type Slots } from "./slots.js";
import { controlKey } from "./stages.js";

export type StageDraft =
  | SegmentDraft
  | {
      readonly kind: "loop";
      readonly level: number;
      readonly length: number;
      readonly body: readonly StageDraft[];
    }
  | {
      readonly kind: "while";
      readonly level: number;
      readonly body: readonly StageDraft[];
      readonly active: Location;
    };

interface Context {
  /** Loops around. */
  readonly level: number;
  readonly guards: readonly GuardDraft[];
}

const memory = (at: Location): Source => ({ kind: "memory", at });
const same = ([x]: readonly Atom[]): Atom => x!;

export class ControlBuilder {
  readonly slots: Slots;
  /** Words for flags, by depth of nesting. */
  readonly flags: number[] = [];
  /** Rounds of the longest loop, by depth of loops. */
  readonly rounds: number[] = [];

  constructor(slots: Slots) {
    this.slots = slots;
  }

  /** There is a loop of so many rounds at a depth. */
  counts(level: number, rounds: number): void {
    this.rounds[level] = Math.max(this.rounds[level] ?? 0, rounds);
  }

  /** Words for what guards things nested under `guards`. */
  flag(guards: readonly GuardDraft[], words = 4): Location {
    const depth = guards.length;
    const offset = this.flags[depth] ?? 0;
    this.flags[depth] = offset + words;
    return { at: controlKey.flags(depth), offset };
  }

  /** The stages that compute a graph's outputs into `dests`. */
  block(
    graph: Graph,
    sources: readonly Source[],
    dests: readonly Location[],
    context: Context,
  ): StageDraft[] {
    return new Block(this, graph, sources, dests, context).stages();
  }
}

class Block {
  readonly #b: ControlBuilder;
  readonly #context: Context;
  readonly #levels: Levels;
  readonly #source = new Map<Var, Source>();
  /** What each segment writes, in the order of the levels. */
  readonly #wanted: Wanted[][] = [];
  /** Where results of loops and branches may be put at once. */
  readonly #dests = new Map<Var, Location>();
  readonly #out: StageDraft[] = [];

  constructor(
    b: ControlBuilder,
    graph: Graph,
    sources: readonly Source[],
    dests: readonly Location[],
    context: Context,
  ) {
    this.#b = b;
    this.#context = context;
    this.#levels = levelsOf(graph);
    graph.inputs.forEach((v, i) => {
      this.#source.set(v, sources[i]!);
    });
    graph.outputs.forEach((x, i) => {
      const to = dests[i]!;
      if (isEmpty(x)) return;
      if (x instanceof Var && this.#levels.takesPlace(x) && !this.#dests.has(x)) {
        this.#dests.set(x, to);
      } else {
        this.#want(this.#levels.of(x), { needs: [x], to, make: same });
      }
    });
  }

  #want(level: number, wanted: Wanted): void {
    this.#wanted[level] ??= [];
    this.#wanted[level].push(wanted);
  }

  stages(): StageDraft[] {
    const { controls, crossing, last } = this.#levels;
    for (const v of crossing) {
      if (isEmpty(v)) continue;
      const to = this.#b.slots.make(padded(v.aval));
      this.#want(this.#levels.of(v), { needs: [v], to, make: same });
      this.#pending.set(v, to);
    }
    for (let level = 0; level <= last; level++) {
      const here = controls[level] ?? [];
      const prepared = here.map((eqn) => this.#prepare(eqn, level));
      this.#segment(level);
      for (const run of prepared) run();
    }
    return this.#out;
  }

  /** Places of values that cross segments: sources once their segment has run. */
  readonly #pending = new Map<Var, Location>();

  /** Where it lies, or what it is a reshape of. */
  #known(v: Var): Source | undefined {
    return this.#source.get(v) ?? this.#source.get(this.#levels.root(v));
  }

  #sourceOf(x: Atom): Source {
    if (x instanceof Lit) return { kind: "lit", lit: x };
    const known = this.#known(x);
    if (known) return known;
    const to = this.#pending.get(x);
    // Of nothing there is no memory: whoever reads it makes it.
    return to ? memory(to) : { kind: "lit", lit: lit(0, x.aval.dtype) };
  }

  #segment(level: number): void {
    const wanted = this.#wanted[level] ?? [];
    this.#write(this.#levels.within(level), wanted);
    for (const [v, to] of this.#pending) {
      if (this.#levels.of(v) === level) this.#source.set(v, memory(to));
    }
  }

  #write(own: ReadonlyMap<Var, Eqn>, wanted: readonly Wanted[]): void {
    const { slots } = this.#b;
    slots.tick();
    if (wanted.length === 0) return;
    const draft = makeSegment(own, wanted, (v) => this.#known(v), this.#context.guards);
    for (const s of draft.sources) if (s.kind === "memory") slots.touch(s.at);
    for (const to of draft.outputs) slots.touch(to);
    this.#out.push(draft);
  }

  /** Ask the segment for what a control equation starts from; the stages follow when it is called. */
  #prepare(eqn: Eqn, level: number): () => void {
    const control = eqn.prim.control!(eqn.params);
    switch (control.kind) {
      case "loop":
        return this.#loop(eqn, control, level);
      case "branch":
        return this.#branch(eqn, control, level);
      case "while":
        return this.#while(eqn, control, level);
    }
  }

  /** The place of a result: where an output wants it, or a new one. */
  #placeOf(v: Var): Location {
    return this.#dests.get(v) ?? this.#b.slots.make(padded(v.aval));
  }

  #step(length: number): Idx {
    return idxVar(stepName(this.#context.level), length);
  }

  #loop(eqn: Eqn, control: Control & { kind: "loop" }, level: number): () => void {
    const { body, carry, xs, length, reverse } = control;
    const b = this.#b;
    b.counts(this.#context.level, length);
    const carries = this.#carries(eqn.inputs.slice(0, carry), level);
    const ys = eqn.outputs.slice(carry).map((v) => this.#placeOf(v));
    return () => {
      const start = b.slots.tick();
      for (const y of ys) b.slots.touch(y);
      const i = this.#step(length);
      const slice = (at: Location, x: Atom): Location => {
        const size = sizeOf(x.aval.shape.slice(1));
        const index = reverse ? idxSub(idxConst(length - 1), i) : i;
        return moved(at, idxScale(index, size));
      };
      const sources = eqn.inputs.map((x, k): Source => {
        if (k < carry) return memory(carries.at(k, i));
        const from = this.#sourceOf(x);
        return k < carry + xs && from.kind === "memory" ? memory(slice(from.at, x)) : from;
      });
      const dests = body.outputs.map((_, k) =>
        k < carry ? carries.at(k, idxAdd(i, 1)) : slice(ys[k - carry]!, eqn.outputs[k]!),
      );
      const context = { ...this.#context, level: this.#context.level + 1 };
      const inner = b.block(body, sources, dests, context);
      b.slots.tick();
      b.slots.closeLoop(start);
      this.#out.push({ kind: "loop", level: this.#context.level, length, body: inner });
      eqn.outputs.forEach((v, k) => {
        const at = k < carry ? carries.after(k, length) : ys[k - carry]!;
        this.#result(v, at);
      });
    };
  }

  /** A result that lies somewhere: it is where an output wants it, or is copied there. */
  #result(v: Var, at: Location): void {
    this.#source.set(v, memory(at));
    const to = this.#dests.get(v);
    if (to && to !== at) this.#want(this.#levels.of(v), { needs: [v], to, make: same });
  }

  /** Two places for each carried value, read and written in turn; the first holds `init`. */
  #carries(init: readonly Atom[], level: number) {
    const sizes = init.map((x) => padded(x.aval));
    const at = init.map((x, k) => {
      const slot = this.#b.slots.make(2 * sizes[k]!);
      if (!isEmpty(x)) this.#want(level, { needs: [x], to: slot, make: same });
      return slot;
    });
    const second = (k: number): Location => ({ ...at[k]!, offset: at[k]!.offset + sizes[k]! });
    return {
      /** In the round of this index (or the one after, for `i + 1`). */
      at: (k: number, i: Idx) => moved(at[k]!, idxScale(idxMod(i, 2), sizes[k]!)),
      after: (k: number, rounds: number) => (rounds % 2 === 0 ? at[k]! : second(k)),
      first: (k: number) => at[k]!,
      second,
    };
  }

  #branch(eqn: Eqn, control: Control & { kind: "branch" }, level: number): () => void {
    const { branches } = control;
    const { guards } = this.#context;
    const flag = this.#b.flag(guards);
    const [index, ...operands] = eqn.inputs;
    this.#want(level, {
      needs: [index!],
      to: flag,
      make: ([i]) => {
        const most = lit(branches.length - 1, "int32");
        return convert(min(max(i!, lit(0, "int32")), most), "uint32");
      },
    });
    const outs = eqn.outputs.map((v) => this.#placeOf(v));
    return () => {
      this.#b.slots.tick();
      const sources = operands.map((x) => this.#sourceOf(x));
      branches.forEach((branch, equals) => {
        const context = { ...this.#context, guards: [...guards, { at: flag, equals }] };
        this.#out.push(...this.#b.block(branch, sources, outs, context));
      });
      eqn.outputs.forEach((v, k) => {
        this.#result(v, outs[k]!);
      });
    };
  }

  /**
   * Rounds that the host does not count: each first computes whether the loop goes on (once it does not,
   * never again), and its body is guarded by that. The number of rounds that took place says which of the
   * two places of a carry is the last.
   */
  #while(eqn: Eqn, control: Control & { kind: "while" }, level: number): () => void {
    const { cond, body, carry } = control;
    const b = this.#b;
    const { guards } = this.#context;
    b.counts(this.#context.level, 2);
    const carries = this.#carries(eqn.inputs.slice(0, carry), level);
    const active = b.flag(guards, 8);
    const count = b.slots.make(8);
    this.#want(level, { needs: [], to: active, make: () => lit(1, "uint32") });
    this.#want(level, { needs: [], to: count, make: () => lit(0, "uint32") });
    return () => {
      const start = b.slots.tick();
      b.slots.touch(count);
      const i = this.#step(2);
      const turn = (at: Location, e: Idx) => moved(at, idxScale(idxMod(e, 2), 4));
      const next = idxAdd(i, 1);
      const consts = eqn.inputs.slice(carry).map((x) => this.#sourceOf(x));
      const state = eqn.inputs.slice(0, carry).map((_, k) => memory(carries.at(k, i)));
      // Is there another round? What was over stays over.
      const u32 = { shape: [], dtype: "uint32" } as const;
      const test = buildGraph([...cond.inputAvals, u32, u32], (ins) => {
        const n = cond.inputs.length;
        const goes = convert(inlineGraph(cond, ins.slice(0, n))[0]!, "uint32");
        const on = and(goes, ins[n]!);
        return [on, add(ins[n + 1]!, on)];
      });
      const inner = { ...this.#context, level: this.#context.level + 1 };
      const tested = b.block(
        test,
        [...state, ...consts, memory(turn(active, i)), memory(turn(count, i))],
        [turn(active, next), turn(count, next)],
        inner,
      );
      const running = { at: turn(active, next), equals: 1 };
      const work = b.block(
        body,
        [...state, ...consts],
        body.outputs.map((_, k) => carries.at(k, next)),
        { ...inner, guards: [...guards, running] },
      );
      b.slots.tick();
      b.slots.closeLoop(start);
      this.#out.push({
        kind: "while",
        level: this.#context.level,
        body: [...tested, ...work],
        active,
      });
      const last = eqn.outputs.flatMap((v, k) =>
        isEmpty(v) ? [] : [this.#lastOf(v, carries.first(k), carries.second(k), count)],
      );
      this.#write(new Map(), last);
    };
  }

  /** The carry after as many rounds as `count` says. */
  #lastOf(v: Var, even: Location, odd: Location, count: Location): Wanted {
    const both = [even, odd].map((at) => this.#stand(v, at));
    const n = this.#stand({ aval: { shape: [], dtype: "uint32" } }, count);
    const to = this.#placeOf(v);
    const last: Wanted = {
      needs: [n, ...both],
      to,
      make: ([rounds, x, y]) => {
        const isOdd = eq(and(rounds!, lit(1, "uint32")), lit(1, "uint32"));
        const { shape } = x!.aval;
        return select(shape.length > 0 ? broadcastInDim(isOdd, shape, []) : isOdd, y!, x!);
      },
    };
    this.#source.set(v, memory(to));
    return last;
  }

  /** A variable that stands for what lies at a location. */
  #stand({ aval }: Pick<Var, "aval">, at: Location): Var {
    const v = new Var(aval);
    this.#source.set(v, memory(at));
    return v;
  }
}

/** Memory that lives across the segments of a program with control flow. */
import { type Aval, sizeOf } from "../../core/aval.js";
import { Var } from "../../ir/graph.js";
import { type Idx, idxAdd } from "../../ir/index-expr.js";
import { place } from "../first-fit.js";
import type { Place } from "../place.js";
import { controlKey } from "./stages.js";

/** A piece of memory whose offset is decided once all lifetimes are known. */
export interface Slot {
  readonly bytes: number;
  readonly born: number;
  first: number;
  last: number;
  readonly variable: Var;
}

/** A place, perhaps in a slot. Offsets are in elements. */
export interface Location {
  readonly at: Slot | string;
  readonly offset: number;
  readonly base?: Idx;
}

export const moved = (x: Location, by: Idx): Location => ({
  ...x,
  base: x.base ? idxAdd(x.base, by) : by,
});

/** Elements in whole vectors. */
export const padded = (a: Aval): number => Math.ceil(sizeOf(a.shape) / 4) * 4;

export class Slots {
  readonly #slots: Slot[] = [];
  /** Steps of the program, in the order in which they run (one round of each loop). */
  #time = 0;

  tick(): number {
    this.#time += 1;
    return this.#time;
  }

  get now(): number {
    return this.#time;
  }

  make(elements: number): Location {
    const slot: Slot = {
      bytes: Math.ceil(elements / 16) * 64,
      born: this.#time,
      first: this.#time,
      last: this.#time,
      variable: new Var({ shape: [elements], dtype: "float32" }),
    };
    this.#slots.push(slot);
    return { at: slot, offset: 0 };
  }

  /** The location is read or written now. */
  touch({ at }: Location): void {
    if (typeof at === "string") return;
    at.first = Math.min(at.first, this.#time);
    at.last = Math.max(at.last, this.#time);
  }

  /** What is older than a loop and used within it lives as long as the loop: rounds follow each other. */
  closeLoop(start: number): void {
    for (const slot of this.#slots) {
      if (slot.born > start || slot.last < start) continue;
      slot.last = Math.max(slot.last, this.#time);
    }
  }

  /** Offsets for all slots; sizes of the buffers, and how to turn locations into places. */
  plan(most: number): { readonly frames: readonly number[]; place(x: Location): Place } {
    const { placed, sizes } = place(this.#slots, most);
    return {
      frames: sizes,
      place: ({ at, offset, base }) => {
        const [chunk, from] = typeof at === "string" ? [-1, 0] : placed.get(at.variable)!;
        const buffer = typeof at === "string" ? at : controlKey.frame(chunk);
        const own = typeof at === "string" && offset === 0;
        const whole = { buffer, offset: own ? undefined : offset + from / 4 };
        return base ? { ...whole, base } : whole;
      },
    };
  }
}

/** The arrays of a program that lie in buffers larger than a binding, and how kernels get at them. */
import type { Var } from "../ir/graph.js";
import type { Cuts } from "./cuts.js";
import type { Defs } from "./defs.js";
import { varsOf } from "./dependence.js";
import type { Group } from "./group.js";
import type { Homes } from "./homes.js";
import { bytesOf } from "./kernel.js";
import { type Part, type PartsContext, partsOf, type Spot, touchedBy } from "./parts.js";
import type { Place } from "./place.js";
import { bufferBytes, bufferOf, type Plan } from "./plan.js";
import { bindsTooMuch } from "./sizes.js";
import type { Target } from "./target.js";

/** Where a larger program has put some variables. */
interface Placed {
  readonly places: ReadonlyMap<Var, Place>;
  bytesOf(buffer: string): number;
}

export class Large {
  /** Is there any such array? In most programs there is not. */
  readonly any: boolean;
  readonly #defs: Defs;
  readonly #cuts: Cuts;
  readonly #homes: Homes;
  readonly #target: Target;
  readonly #placed: Placed | undefined;

  constructor(defs: Defs, cuts: Cuts, homes: Homes, target: Target, placed: Placed | undefined) {
    this.#defs = defs;
    this.#cuts = cuts;
    this.#homes = homes;
    this.#target = target;
    this.#placed = placed;
    const { inputs, eqns } = defs.graph;
    this.any =
      inputs.some((v) => this.#is(v)) || eqns.some((e) => e.outputs.some((v) => this.#is(v)));
  }

  #is(v: Var): boolean {
    const place = this.#placed?.places.get(v);
    const bytes = place ? this.#placed!.bytesOf(place.buffer) : bytesOf(v);
    return bytes > this.#target.maxBindingBytes;
  }

  touches(g: Group, isStored: (v: Var) => boolean): boolean {
    return this.any && touchedBy(g, isStored).some((v) => this.#is(v));
  }

  #context(isStored: (v: Var) => boolean, spot: (v: Var) => Spot): PartsContext {
    return { defs: this.#defs, storage: this.#cuts, target: this.#target, isStored, spot };
  }

  #given(v: Var): Spot | undefined {
    const place = this.#placed?.places.get(v);
    return (
      place && {
        buffer: place.buffer,
        offset: (place.offset ?? 0) * 4,
        base: place.base,
        bufferBytes: this.#placed!.bytesOf(place.buffer),
      }
    );
  }

  /** Can a group be bound, as far as one can tell before memory is planned? */
  canBind(g: Group, isStored: (v: Var) => boolean): boolean {
    const spot = (v: Var): Spot => {
      const given = this.#given(v);
      if (given) return given;
      const home = this.#homes.bufferOf(v);
      const bytes = this.#is(v) ? bytesOf(v) : 0;
      const alone = bytes > 0 && home === "arena";
      const buffer = alone ? `large ${this.#defs.id(v)}` : home;
      return { buffer, offset: 0, bufferBytes: bytes };
    };
    return partsOf(g, this.#context(isStored, spot)) !== undefined;
  }

  /** The dispatches of a group in planned memory. */
  parts(g: Group, isStored: (v: Var) => boolean, plan: Plan, name: string) {
    const spot = (v: Var): Spot => {
      const given = this.#given(v);
      if (given) return given;
      const at = plan.locations.get(v)!;
      const buffer = bufferOf(plan, at);
      return {
        buffer,
        offset: "offset" in at ? at.offset : 0,
        bufferBytes: bufferBytes(plan, this.#defs, buffer),
      };
    };
    const touched = touchedBy(g, isStored);
    const parts: readonly Part[] | undefined = partsOf(g, this.#context(isStored, spot));
    if (!parts) throw bindsTooMuch(name, varsOf(g), touched, this.#defs, this.#target);
    const bytes = (v: Var) => spot(v).bufferBytes;
    const largest = touched.reduce((a, b) => (bytes(b) > bytes(a) ? b : a));
    const all = { count: parts.length, largest, bufferBytes: bytes(largest) };
    return parts.map((part, index) => ({ ...part, ...all, index }));
  }
}

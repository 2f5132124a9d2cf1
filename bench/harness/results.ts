/** What a run measured, before it is written down. */
import type { Timing } from "./timing.js";

export interface Row extends Timing {
  /** What the work amounts to at the median time, such as "41.2 GF/s". */
  readonly rate?: string;
  readonly note?: string;
}

/** Contestants at one piece of work; the first is dawngrad. */
export interface Comparison {
  readonly kind: "comparison";
  readonly title: string;
  readonly rows: readonly Row[];
  /** Who could not take part, and why. */
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
  /** What the values were held to. */
  readonly checked: string;
  /** When and of which version, where parts come from several runs. */
  readonly measured?: string;
}

/** Any other table. */
export interface Table {
  readonly kind: "table";
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  readonly measured?: string;
}

export interface Section {
  readonly title: string;
  readonly text?: string;
  readonly parts: readonly (Comparison | Table)[];
}

/** Single figures that the table of aims reads, by name. */
export type Figures = Map<string, number>;

export interface RunResults {
  readonly sections: readonly Section[];
  readonly figures: Figures;
}

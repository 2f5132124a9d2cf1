/** Programs with control flow: straight parts, and loops over such. */
import type { Aval } from "../../core/aval.js";
import type { Schedule } from "../schedule.js";
import type { Target } from "../target.js";

/** A straight part, scheduled as a program of its own whose inputs and outputs have places. */
export interface Segment {
  readonly kind: "segment";
  readonly schedule: Schedule;
  /** For each of its scalar inputs the position among the program's scalars; else undefined. */
  readonly scalars: readonly (number | undefined)[];
  /** Values of its own constants, which follow its inputs. */
  readonly lits: readonly number[];
}

/** A number of rounds that is known. */
export interface Loop {
  readonly kind: "loop";
  /** Depth among the loops: which step index counts its rounds. */
  readonly level: number;
  readonly length: number;
  readonly body: readonly Stage[];
}

/** Rounds until a word is 0: more may be encoded than take place, the rest does nothing. */
export interface While {
  readonly kind: "while";
  readonly level: number;
  readonly body: readonly Stage[];
  /** Where the word lies after an even number of rounds. */
  readonly active: { readonly buffer: string; readonly word: number };
}

export type Stage = Segment | Loop | While;

/** Keys of the buffers that places of a program with control flow name. */
export const controlKey = {
  input: (index: number): string => `in ${index}`,
  output: (index: number): string => `out ${index}`,
  frame: (chunk: number): string => `frame ${chunk}`,
  flags: (depth: number): string => `flags ${depth}`,
};

export interface ControlSchedule {
  readonly name: string;
  readonly stages: readonly Stage[];
  readonly inputs: readonly Aval[];
  readonly outputs: readonly Aval[];
  /** Inputs whose value comes as a number with each run. */
  readonly hostScalars: readonly boolean[];
  /** Bytes of the buffers for what lives across segments. */
  readonly frames: readonly number[];
  /** Words that decide about branches and rounds, by depth of nesting. */
  readonly flags: readonly number[];
  /** Rounds of the longest loop, by depth of loops within each other. */
  readonly rounds: readonly number[];
  readonly target: Target;
}

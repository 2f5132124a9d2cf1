/** Where in memory a variable lies, as kernels address it. */
import type { Idx } from "../ir/index-expr.js";

export interface Place {
  /** Key of the buffer. */
  readonly buffer: string;
  /** In elements, a multiple of 4; undefined where the variable has the buffer to itself. */
  readonly offset: number | undefined;
  /** In elements too, in terms of the steps of the loops around: which slice of a stack it is. */
  readonly base?: Idx;
}

/** The part of a buffer that a kernel is to see, through one binding or several side by side. */
export interface Window {
  /** In bytes, a multiple of what bindings may begin at. */
  readonly start: number;
  /** Of each binding. */
  readonly bytes: readonly number[];
}

/** Name of the index variable of the loop at a depth of nesting (0: outermost). */
export const stepName = (level: number): string => `step${level}`;

/** The depth of a loop whose index variable has this name; undefined for other variables. */
export function stepLevel(name: string): number | undefined {
  return name.startsWith("step") ? Number(name.slice(4)) : undefined;
}

/** A kernel runs only while the word at `place` is `equals`. */
export interface Guard {
  readonly place: Place;
  readonly equals: number;
}

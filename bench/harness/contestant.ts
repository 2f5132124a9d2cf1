/** One library's way of doing one piece of work. */
import type { Values } from "./values.js";

export interface Contestant {
  /** The library, or the shader's name. */
  readonly name: string;
  /** Do the work this many times and wait for it: milliseconds for one. */
  time(times: number): Promise<number>;
  /** What the work gives, in the layout that the workload's check expects. */
  outputs(): Promise<readonly Float32Array[]>;
  dispose?(): void | Promise<void>;
}

/** A contestant that trains: what it gives are losses, one for each step it makes. */
export interface Trainer extends Contestant {
  /** Make this many steps more. */
  losses(steps: number): Promise<number[]>;
}

/** A library that is ready to work. */
export interface Library {
  readonly name: string;
  readonly version: string;
  /** Where it computes, for the report. */
  readonly where: string;
}

/** Milliseconds that one of `times` runs of `work` takes. */
export async function timed(times: number, work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / times;
}

export type Layouts = {
  /** For libraries that put channels first: the same inputs, and their outputs back. */
  readonly inputs: readonly Values[];
  readonly back: (outputs: readonly Float32Array[]) => readonly Float32Array[];
};

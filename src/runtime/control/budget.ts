/**
 * How long one submission may take. A driver that computes on the CPU does nothing else until a
 * submission is done, and a system may reset a GPU that seems to hang: long loops are submitted in parts.
 */
import type { Gpu } from "../../device/index.js";
import { type Schedule, workOf } from "../../schedule/index.js";

let chosen: number | null | undefined;

/** Milliseconds of one submission, where nothing else was asked for. */
const usual = 1000;

/**
 * The longest that one submission of a program with loops may take, in milliseconds (1000): longer ones
 * are split between rounds. What a kernel takes is estimated from its size. `null` puts no bound;
 * `undefined` restores the default.
 *
 * ```ts
 * submitBudget(100);
 * submitBudget(undefined);
 * ```
 */
export function submitBudget(milliseconds: number | null | undefined): void {
  if (typeof milliseconds === "number" && !(milliseconds > 0)) {
    throw new RangeError(
      `submitBudget: ${milliseconds} is not a positive number of milliseconds, null or undefined`,
    );
  }
  chosen = milliseconds;
}

export const submitMs = (): number =>
  chosen === undefined ? usual : (chosen ?? Number.POSITIVE_INFINITY);

/** Of slow devices of each kind: what a dispatch costs at least, operations and bytes a millisecond. */
const rates = {
  cpu: { dispatch: 0.025, flops: 2e6, bytes: 4e6 },
  gpu: { dispatch: 0.005, flops: 3e8, bytes: 2e7 },
};

/** About how long one dispatch of a schedule takes, in milliseconds. */
export function dispatchMs(gpu: Gpu, schedule: Schedule, index: number): number {
  const { dispatch, flops, bytes } = gpu.software ? rates.cpu : rates.gpu;
  const work = workOf(schedule, index);
  return dispatch + work.flops / flops + (work.bytesRead + work.bytesWritten) / bytes;
}

/** Counts what is encoded; a submission is full when its time is up. */
export class SubmitClock {
  readonly #budget: number;
  #ms = 0;
  #dispatches = 0;

  constructor(budget: number) {
    this.#budget = budget;
  }

  add(ms: number): void {
    this.#ms += ms;
    this.#dispatches += 1;
  }

  get full(): boolean {
    return this.#dispatches > 0 && this.#ms >= this.#budget;
  }

  /** A new submission begins. Was there anything in the last one? */
  reset(): boolean {
    const any = this.#dispatches > 0;
    this.#ms = 0;
    this.#dispatches = 0;
    return any;
  }
}

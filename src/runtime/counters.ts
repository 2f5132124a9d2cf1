/** Counts of what ran. */
export interface Counters {
  dispatches: number;
  submits: number;
}

/** Dispatches and submissions by programs so far: what `explain` promises can be counted. */
export const counters: Counters = { dispatches: 0, submits: 0 };

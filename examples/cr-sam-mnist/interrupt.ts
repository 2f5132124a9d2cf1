/** Ctrl-C: the first asks the program to end after the step under way, the second ends it at once. */

export interface Interrupts {
  /** Fires at the first Ctrl-C (or SIGTERM). */
  readonly signal: AbortSignal;
  stop(): void;
}

const signals = ["SIGINT", "SIGTERM"] as const;

/** One key press may arrive twice, from the terminal and from npm, which passes it on. */
const samePressMs = 500;

/** `restore` puts the terminal back before the program is ended at once. */
export function interrupts(restore: () => void): Interrupts {
  const controller = new AbortController();
  let first = 0;
  const onSignal = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort(new Error("interrupted"));
    } else if (performance.now() - first > samePressMs) {
      restore();
      process.exit(130);
    }
  };
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}

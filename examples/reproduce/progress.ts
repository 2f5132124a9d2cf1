/** Progress as lines: what is trained, how far it is, and about how long it will take. */
export interface Progress {
  log(text: string): void;
  /** `done` of `total` units of a piece of work are done. */
  at(what: string, done: number, total: number, note?: string): void;
}

const clock = (seconds: number): string => {
  const s = Math.round(seconds);
  return s < 90 ? `${s} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
};

/** On a terminal one line that changes; elsewhere a line at most every `everySeconds`. */
export function progressOn(
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
  quiet: boolean,
  everySeconds = 20,
): Progress {
  if (quiet) return { log: () => {}, at: () => {} };
  let current = "";
  let began = 0;
  let lastLine = 0;
  return {
    log: (text) => void stream.write(stream.isTTY ? `\r\u001b[K${text}\n` : `${text}\n`),
    at(what, done, total, note = "") {
      const now = performance.now();
      if (what !== current) {
        current = what;
        began = now;
        lastLine = 0;
      }
      const elapsed = (now - began) / 1000;
      const left = done > 0 ? ` about ${clock((elapsed / done) * (total - done))} left` : "";
      const line = `${what}: ${done}/${total}${note ? `, ${note}` : ""}, ${clock(elapsed)}${done < total ? left : ""}`;
      if (stream.isTTY) stream.write(`\r\u001b[K${line}${done === total ? "\n" : ""}`);
      else if (done === total || now - lastLine > everySeconds * 1000) {
        lastLine = now;
        stream.write(`${line}\n`);
      }
    },
  };
}

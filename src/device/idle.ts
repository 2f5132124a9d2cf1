/**
 * Waiting for the device without taking the processor from it.
 *
 * Dawn in Node learns of completion by polling: while anything is pending it re-arms a callback
 * through the global `setImmediate`, which spins one core. With a GPU that is merely a waste; a
 * software driver computes on that very core. So each poll of Dawn's rests for a tenth of the time
 * already waited (at most two milliseconds): short waits stay short, long ones cost nothing.
 *
 * The global `setImmediate` is replaced only during the calls in which Dawn arms its poll (a call
 * that starts a wait, and the poll itself), never while other code runs, and even then only
 * callbacks that are not JavaScript are held back.
 */

/** Starts something that the device completes later, and waits for it. */
export type Wait = <T>(start: () => Promise<T>) => Promise<T>;

/** The way of hosts that do not poll: just wait. */
export const plainWait: Wait = (start) => start();

/** Time to rest before the next poll, after `waited` ms of waiting. */
export function restOf(waited: number): number {
  return Math.min(2, waited / 10);
}

type Immediate = (callback: (...args: unknown[]) => void, ...args: unknown[]) => unknown;
interface Host {
  setImmediate: Immediate;
}

/** A wait for a host that polls through `globalThis.setImmediate`. */
export function tamedWait(): Wait {
  const host = globalThis as unknown as Host;
  // The real ones: a test may have replaced the globals by fake timers.
  const { setImmediate, setTimeout } = globalThis;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let pending = 0;
  let since = 0;

  const poll = (callback: () => void) => () => arming(callback);

  function rest(callback: () => void): unknown {
    const ms = pending === 0 ? 0 : restOf(performance.now() - since);
    if (ms < 0.02) return setImmediate(poll(callback));
    if (ms >= 1) return setTimeout(poll(callback), ms);
    return setImmediate(() => {
      Atomics.wait(cell, 0, 0, ms); // timers cannot rest for less than a millisecond
      arming(callback);
    });
  }

  /** Runs what may arm Dawn's poll, with our `setImmediate` in place. */
  function arming<T>(work: () => T): T {
    const own = host.setImmediate;
    const ours: Immediate = (callback, ...args) =>
      args.length === 0 && isNative(callback) ? rest(callback) : own(callback, ...args);
    host.setImmediate = ours;
    try {
      return work();
    } finally {
      if (host.setImmediate === ours) host.setImmediate = own;
    }
  }

  return async (start) => {
    if (pending === 0) since = performance.now();
    pending += 1;
    try {
      return await arming(start);
    } finally {
      pending -= 1;
      since = performance.now();
    }
  };
}

/** True for a nameless function that an addon made (a bound one has a name). */
function isNative(callback: unknown): boolean {
  return (
    typeof callback === "function" &&
    callback.name === "" &&
    Function.prototype.toString.call(callback) === "function () { [native code] }"
  );
}

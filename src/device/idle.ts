/** Waiting for the device without taking the processor from it. */

/** Starts something that the device completes later, and waits for it. */
export type Wait = <T>(start: () => Promise<T>) => Promise<T>;

/** The way of hosts that do not poll: just wait. */
export const plainWait: Wait = (start) => start();

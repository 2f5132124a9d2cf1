/** Effects of runs, in the order of the runs: each waits for those before it. */
import type { HostValue } from "../ir/effects.js";
import { type Effect, perform } from "../ir/effects.js";
import type { ConcreteArray } from "./array.js";

let queue: Promise<void> = Promise.resolve();
let failure: { readonly error: unknown } | undefined;

/** Do something when every effect before it is done; an error waits for `effectsBarrier`. */
export function enqueue(
  values: Promise<readonly HostValue[]>,
  f: (v: readonly HostValue[]) => void,
) {
  // Handled below; this keeps a failure that is queued behind others from being reported as unhandled.
  values.catch(() => {});
  queue = queue.then(async () => {
    try {
      f(await values);
    } catch (error) {
      failure ??= { error };
    }
  });
}

/** Read the values that a run returned for its effects, and perform them in their turn. */
export function deliver(
  effects: readonly Effect[],
  arrays: readonly ConcreteArray[],
  label: string,
): void {
  const values = Promise.all(
    arrays.map(async (x): Promise<HostValue> => {
      const data = await x.read(`${label}: debug`);
      x.dispose();
      return { ...x.aval, data };
    }),
  );
  enqueue(values, (v) => perform(effects, v));
}

/** Wait for all effects of runs so far; throws the first error that one of them threw. */
export async function effectsDone(): Promise<void> {
  await queue;
  const failed = failure;
  failure = undefined;
  if (failed) throw failed.error;
}

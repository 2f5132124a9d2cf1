/** Memory that a program needs beside its arguments, told before it runs. */
import { formatBytes } from "../device/index.js";
import { largestArrays, TooLargeError } from "../schedule/index.js";
import { storageBytes } from "./array.js";
import { ControlExecutable } from "./control/executable.js";
import type { Executable } from "./executable.js";

const total = (list: readonly number[]): number => list.reduce((sum, bytes) => sum + bytes, 0);

/** Bytes of results that take no argument's place, of intermediates, and of what loops keep. */
export function neededBytes(executable: Executable | ControlExecutable): number {
  if (executable instanceof ControlExecutable) {
    const { schedule, arena } = executable;
    return total(schedule.outputs.map(storageBytes)) + total(schedule.frames) + total(arena);
  }
  const { plan } = executable.schedule;
  const results = plan.results.filter((r) => r.donor === undefined);
  return total(results.map((r) => storageBytes(r.variable.aval))) + total(plan.arena);
}

/**
 * @throws TooLargeError where that is more than there is in all. (Software drivers never refuse memory, and
 * the system ends a process that takes too much; other adapters do not say how much they have.)
 */
export function checkMemory(
  name: string,
  executable: Executable | ControlExecutable,
  budget: number | undefined,
): void {
  const needed = budget === undefined ? 0 : neededBytes(executable);
  if (budget === undefined || needed <= budget) return;
  const schedules =
    executable instanceof ControlExecutable
      ? [...new Set(executable.steps.map((s) => s.segment.schedule))]
      : [executable.schedule];
  const lists = schedules.map(({ plan, defs }) => {
    const held = [...plan.locations].flatMap(([v, at]) => (at.kind === "input" ? [] : [v]));
    return held.length === 0 ? "" : `\n${largestArrays(held, defs)}`;
  });
  throw new TooLargeError(
    `${name}: results and intermediates take ${formatBytes(needed)} (${needed} bytes) at once, but there are ` +
      `${formatBytes(budget)} at most. Use smaller batches, fewer lanes of vmap (map with batchSize goes ` +
      `through them in batches), or checkpoint(). The program's largest arrays:${lists.join("")}`,
    needed / budget,
  );
}

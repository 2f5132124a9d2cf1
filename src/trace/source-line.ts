/** The line of the user's program that is calling the library now, from the stack. */
import type { Origin } from "../ir/origin.js";
import { currentOp } from "./tracer.js";

const pathOf = (url: string): string => url.replace(/^file:\/\//, "");

/** The folder that holds src/, nn/ and optim/ of the library, as stacks spell it. */
const root = pathOf(new URL("../../", import.meta.url).href);
const own = ["src/", "nn/", "optim/", "data/"].map((folder) => root + folder);

/** Positions in the stack, innermost first. */
function frames(): string[] {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const { stack } = new Error();
  Error.stackTraceLimit = before;
  return (stack ?? "").split("\n").flatMap((line) => {
    const at = /((?:file|https?):\/\/[^\s()]+:\d+:\d+|\/[^\s()]+:\d+:\d+)\)?$/.exec(line)?.[1];
    return at === undefined ? [] : [pathOf(at)];
  });
}

/** The innermost position outside the library. */
export const sourceLine = (): string | undefined =>
  frames().find((at) => !own.some((folder) => at.startsWith(folder)) && !at.includes("node:"));

export const currentOrigin = (): Origin => ({ op: currentOp(), line: sourceLine() });

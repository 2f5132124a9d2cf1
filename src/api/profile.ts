/** profile: where the time of a call goes, kernel by kernel. */
import { explainProgram } from "../runtime/index.js";
import type { AnyFunction } from "./arguments.js";
import { JitCache, type JitOptions } from "./jit.js";

export interface ProfiledKernel {
  readonly name: string;
  /** The primitives that it computes, by name. */
  readonly fused: readonly string[];
  readonly workgroups: readonly [x: number, y: number, z: number];
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Milliseconds after the first kernel began; undefined without timestamps. */
  readonly startMs: number | undefined;
  /** Milliseconds that it took; undefined without timestamps. */
  readonly ms: number | undefined;
}

/** One event of a Chrome trace: a span, with times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** The trace event format, as chrome://tracing and Perfetto read it. */
export interface ChromeTrace {
  readonly displayTimeUnit: "ms";
  readonly traceEvents: readonly TraceEvent[];
}

export interface Profile<R> {
  /** What the function returned. */
  readonly result: R;
  /** Where the kernels' times come from; "none" where there are none: see `profile`. */
  readonly clock: "timestamps" | "none";
  readonly kernels: readonly ProfiledKernel[];
  /** Milliseconds on the host until the work was submitted. */
  readonly hostMs: number;
  /** Milliseconds until the host knew that all was done. */
  readonly totalMs: number;
  /** The same as a file for chrome://tracing or Perfetto, once written as JSON. */
  readonly trace: ChromeTrace;
}

/**
 * Run one call of `jit(f, options)` and measure it: the time of every kernel by the device's own clock
 * (WebGPU's timestamp queries), and those of the host. Each kernel runs in a pass of its own, which
 * costs a little. Where the adapter has no timestamps, and for programs with loops (scan, whileLoop),
 * `clock` is "none", the kernels have no times, and `totalMs` stands for the whole program. A program that donates nothing runs once before, because
 * drivers compile shaders when they first run; with donated arguments, profile a later call.
 *
 * ```ts
 * const { kernels, totalMs } = await profile((x: Tensor) => x.mul(2).add(1).sum())(ones([8]));
 * kernels.length; // 1
 * ```
 */
export function profile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: JitOptions = {},
): (...args: A) => Promise<Profile<R>> {
  const cache = new JitCache(f as unknown as AnyFunction, options);
  return async (...args: A) => {
    const { program, result, kernels: times, hostMs, totalMs } = await cache.timed(args);
    const kernels = explainProgram(program).kernels.map(
      (k, i): ProfiledKernel => ({ ...k, startMs: times?.[i]?.startMs, ms: times?.[i]?.ms }),
    );
    return {
      result: result as R,
      clock: times ? "timestamps" : "none",
      kernels,
      hostMs,
      totalMs,
      trace: traceOf(program.name, kernels, hostMs, totalMs),
    };
  };
}

function traceOf(
  name: string,
  kernels: readonly ProfiledKernel[],
  hostMs: number,
  totalMs: number,
): ChromeTrace {
  const named = (tid: number, what: string): TraceEvent => ({
    name: "thread_name",
    ph: "M",
    pid: 1,
    tid,
    ts: 0,
    args: { name: what },
  });
  const span = (tid: number, what: string, start: number, ms: number, args = {}): TraceEvent => ({
    name: what,
    ph: "X",
    pid: 1,
    tid,
    ts: start * 1000,
    dur: ms * 1000,
    args,
  });
  const device = kernels.flatMap(({ startMs, ms, name: kernel, ...args }, i) =>
    startMs === undefined || ms === undefined
      ? []
      : // The two clocks have no common zero: the device's begins when all was submitted.
        [span(2, `${i} ${kernel}`, hostMs + startMs, ms, args)],
  );
  return {
    displayTimeUnit: "ms",
    traceEvents: [
      named(1, "host"),
      named(2, "device"),
      span(1, `${name}: submit`, 0, hostMs),
      span(1, `${name}: wait`, hostMs, totalMs - hostMs),
      ...device,
    ],
  };
}

/** Evaluate a function's graph on the host in f64. */
import type { AnyFunction } from "../api/arguments.js";
import { ConcreteTensor } from "../api/concrete.js";
import { DtypeError } from "../core/errors.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { flatten } from "../core/tree.js";
import { interpret } from "../reference/interpret.js";
import { hoistHeld } from "../trace/late.js";
import { HostScalar, type Tensor } from "../trace/tensor.js";
import { type TracedFunction, traceFunction } from "../trace/trace.js";
import { HostArray } from "./host-array.js";

/** Any tree with its tensors replaced by host arrays. */
export type Hosted<T> = T extends Tensor | number | boolean
  ? HostArray
  : T extends object
    ? { [K in keyof T]: Hosted<T[K]> }
    : T;

/** Arguments may be tensors, numbers and host arrays, in trees. */
export type HostedArgs<A extends readonly unknown[]> = { [K in keyof A]: A[K] | Hosted<A[K]> };

async function hostOf(x: unknown): Promise<{ value: NdArray; weak: boolean }> {
  if (x instanceof HostArray) return { value: x, weak: false };
  if (typeof x === "number") return { value: ndarray([], "float32", x), weak: true };
  if (typeof x === "boolean") return { value: ndarray([], "bool", Number(x)), weak: true };
  if (x instanceof HostScalar) {
    return { value: ndarray([], x.dtype, x.value), weak: true };
  }
  if (x instanceof ConcreteTensor) {
    return { value: ndarray(x.shape, x.dtype, await x.data()), weak: false };
  }
  throw new DtypeError(
    `reference: an argument leaf is a ${typeof x}; pass tensors, numbers or host arrays`,
  );
}

/** The traced graph of `f` with host values for all its inputs. */
export async function hostedCall(
  f: AnyFunction,
  args: readonly unknown[],
): Promise<{ traced: TracedFunction; inputs: NdArray[] }> {
  const [raw, def] = flatten(args);
  const hosted = await Promise.all(raw.map(hostOf));
  const traced = traceFunction(
    f.name || "reference",
    hosted.map(({ value, weak }) => ({
      aval: { shape: value.shape, dtype: value.dtype },
      weak,
    })),
    (tracers) => f(...(def.unflatten(tracers) as never[])),
  );
  const { graph, held } = hoistHeld(traced.graph);
  const captures = await Promise.all([...traced.captures, ...held].map(hostOf));
  return { traced: { ...traced, graph }, inputs: [...hosted, ...captures].map((h) => h.value) };
}

/**
 * The same graph that would run on the device, evaluated on the host in f64 over each primitive's
 * reference rule. Needs no device for host arrays, numbers and tensors made by `array(...)`.
 *
 * ```ts
 * const y = await reference((x: Tensor) => x.mul(x).sum())(hostArray([1, 2, 3]));
 * y.item(); // 14
 * ```
 */
export function reference<A extends readonly unknown[], R>(
  f: (...args: A) => R,
): (...args: HostedArgs<A>) => Promise<Hosted<R>> {
  return async (...args) => {
    const { traced, inputs } = await hostedCall(f as unknown as AnyFunction, args);
    const outs = interpret(traced.graph, inputs).map((x) => new HostArray(x));
    return traced.outDef.unflatten(outs) as Hosted<R>;
  };
}

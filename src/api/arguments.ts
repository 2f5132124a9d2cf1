/** Argument trees of user functions, taken apart for the tracer and checked with key paths. */
import { avalsEqual, showAval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { DtypeError, ShapeError } from "../core/errors.js";
import { broadcastPrefix, flatten, type TreeDef } from "../core/tree.js";
import { HostScalar, isTensor, type Tensor, type TensorLike } from "../trace/tensor.js";
import { type InputSpec, operation, type TracedFunction, traceFunction } from "../trace/trace.js";
import { tracerOf } from "../trace/tracer.js";
import { zeros } from "../transform/index.js";

export type AnyFunction = (...args: never[]) => unknown;

export const isTensorLike = (x: unknown): x is TensorLike =>
  isTensor(x) || typeof x === "number" || typeof x === "boolean";

export const labelOf = (f: AnyFunction): string => f.name || "anonymous function";

/** A value as a tensor: numbers become host scalars. */
export const asTensor = (x: TensorLike): Tensor => (isTensor(x) ? x : new HostScalar(x));

/** Throws unless `f` is a function: what is transformed is a function, not its result. */
export function requireFunction(op: string, f: unknown): void {
  if (typeof f === "function") return;
  const got = isTensor(f)
    ? `a tensor ${showAval(f.aval)}`
    : f === undefined || f === null
      ? String(f)
      : `a ${describe(f)}`;
  throw new DtypeError(
    `${op}: the first argument must be a function, not ${got}; write ${op}((x) => ...)`,
  );
}

/** The leaves of an argument list; anything that is not a tensor or number is an error. */
export function argumentLeaves(
  op: string,
  args: readonly unknown[],
): { leaves: Tensor[]; def: TreeDef } {
  const [raw, def] = flatten(args);
  const leaves = raw.map((x, i) => {
    if (!isTensorLike(x)) {
      const hint = ArrayBuffer.isView(x)
        ? "make it a tensor with array(...)"
        : x instanceof Promise
          ? "await it first"
          : "pass tensors, numbers, or trees of them; other values belong in a closure or, for jit, in staticArgnums";
      throw new DtypeError(
        `${op}: argument${def.paths()[i]} is a ${describe(x)}, which cannot be traced; ${hint}`,
      );
    }
    return asTensor(x);
  });
  return { leaves, def };
}

const describe = (x: unknown): string =>
  typeof x === "object" && x !== null ? (x.constructor?.name ?? "object") : typeof x;

export const specOf = (x: Tensor): InputSpec => ({ aval: x.aval, weak: x.weak });

export interface TracedCall extends TracedFunction {
  readonly label: string;
  readonly leaves: readonly Tensor[];
  readonly inDef: TreeDef;
  /** The graph's inputs: the leaves, then the captures. */
  readonly inputs: readonly Tensor[];
  /** For each argument, the range of its leaves. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
}

/** Trace `f` on the avals of concrete or traced arguments. */
export function traceCall(op: string, f: AnyFunction, args: readonly unknown[]): TracedCall {
  requireFunction(op, f);
  if (!Array.isArray(args)) {
    throw new ShapeError(
      `${op}: the arguments of '${labelOf(f)}' must be a list, one entry an argument; write [x] for one`,
    );
  }
  const { leaves, def } = argumentLeaves(op, args);
  const label = labelOf(f);
  const traced = traceFunction(label, leaves.map(specOf), (tracers) =>
    f(...(def.unflatten(tracers) as never[])),
  );
  let next = 0;
  const ranges = args.map((a) => {
    const from = next;
    next += flatten(a)[1].size;
    return [from, next] as const;
  });
  return {
    ...traced,
    label,
    leaves,
    inDef: def,
    inputs: [...leaves, ...traced.captures],
    ranges,
  };
}

/** `args.a[0]` style name of a leaf of an argument list, for errors. */
export const leafName = (call: { inDef: TreeDef }, i: number): string =>
  `argument${call.inDef.paths()[i] ?? `[${i}]`}`;

/**
 * A tree of tangents (or cotangents) as a list that matches `def`'s leaves. Integer and boolean
 * leaves have none: null (or nothing) stands for them.
 */
export function matchTangents(
  op: string,
  noun: "tangent" | "cotangent",
  tree: unknown,
  def: TreeDef,
  of: readonly { readonly aval: Tensor["aval"] }[],
): (Tensor | null)[] {
  const isValue = (x: unknown): x is TensorLike | null => x === null || isTensorLike(x);
  const list = broadcastPrefix(op, tree, def, isValue, {
    what: `${noun}s`,
    advice: `give a ${noun} of the same shape for each leaf, or null for zero`,
  });
  const paths = def.paths();
  return list.map((x, i) => {
    const want = of[i]!.aval;
    if (x === null) return null;
    if (!isFloat(want.dtype)) {
      throw new DtypeError(
        `${op}: the leaf at "${paths[i] || "(root)"}" is ${showAval(want)}, which has no ${noun}; pass null there`,
      );
    }
    const t = asTensor(x);
    if (!avalsEqual(t.aval, want)) {
      throw new ShapeError(
        `${op}: the leaf at "${paths[i] || "(root)"}" is ${showAval(want)} but its ${noun} is ` +
          `${showAval(t.aval)}; they must have the same shape and dtype`,
      );
    }
    return t;
  });
}

/** `argnums` as a list of positions in the arguments of a call; negative ones count from the end. */
export function argnumList(
  op: string,
  argnums: number | readonly number[],
  count: number,
): number[] {
  return (typeof argnums === "number" ? [argnums] : argnums).map((n) => {
    const i = n < 0 ? n + count : n;
    if (!Number.isInteger(i) || i < 0 || i >= count) {
      throw new ShapeError(
        `${op}: argnums ${n} is out of range: the function was called with ${count} argument(s)`,
      );
    }
    return i;
  });
}

/** Zeros like a tensor or atom. */
export const zerosTensor = (of: { readonly aval: Tensor["aval"] }): Tensor =>
  operation("zeros", (trace) => tracerOf(trace, zeros(of.aval)));

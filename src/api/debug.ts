/** debug: look at values within jitted functions (jax.debug). */
import { DtypeError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import type { HostValue } from "../ir/effects.js";
import { hostCall } from "../prims/index.js";
import { effectsDone } from "../runtime/index.js";
import type { Tensor } from "../trace/tensor.js";
import { operations } from "../trace/trace.js";
import { isTensorLike } from "./arguments.js";
import type { NestedArray } from "./concrete.js";
import { toAtom } from "./ops/promote.js";

/** A tree with nested lists, numbers and booleans for its tensors. */
export type HostTree<T> = T extends Tensor
  ? NestedArray
  : T extends number | boolean
    ? T
    : T extends object
      ? { [K in keyof T]: HostTree<T[K]> }
      : T;

function nested({ shape, dtype, data }: HostValue): NestedArray {
  let next = 0;
  const build = (axis: number): NestedArray => {
    if (axis < shape.length) return Array.from({ length: shape[axis]! }, () => build(axis + 1));
    const v = data[next++]!;
    return dtype === "bool" ? v !== 0 : v;
  };
  return build(0);
}

function call(op: string, args: readonly unknown[], f: (values: readonly unknown[]) => void): void {
  const [leaves, def] = flatten(args);
  const tensors = leaves.flatMap((x, i) => (isTensorLike(x) ? [i] : []));
  operations(op, (trace) => {
    const atoms = tensors.map((i) => toAtom(leaves[i] as Tensor, trace));
    hostCall(atoms, {
      lanes: 0,
      call(values) {
        const all = [...leaves];
        tensors.forEach((i, k) => {
          all[i] = nested(values[k]!);
        });
        f(def.unflatten(all) as unknown[]);
      },
    });
    return [];
  });
}

/**
 * Call `f` on the host with the values of `args` (jax.debug.callback), once the program that computes
 * them has run: calls come in the order of the program and of the runs, whatever is awaited meanwhile.
 * Tensors arrive as nested lists (a number for a scalar), other leaves as they are.
 *
 * It works under jit and every transform: grad calls it in the forward pass, vmap for each lane that its
 * arguments depend on, scan for each step; under checkpoint it is called once. `f` returns nothing to
 * the program. What `f` throws rejects the next `debug.effectsBarrier()`.
 *
 * ```ts
 * const seen: unknown[] = [];
 * const f = jit((x: Tensor) => {
 *   debug.callback((y) => seen.push(y), x.mul(2));
 *   return x.add(1);
 * });
 * f(array([1, 2]));
 * await debug.effectsBarrier();
 * seen; // [[2, 4]]
 * ```
 */
export function callback<A extends readonly unknown[]>(
  f: (...args: { [K in keyof A]: HostTree<A[K]> }) => unknown,
  ...args: A
): void {
  if (typeof f !== "function") {
    throw new DtypeError("debug.callback: the first argument must be a function; write (x) => ...");
  }
  call("debug.callback", args, (values) => {
    f(...(values as unknown as { [K in keyof A]: HostTree<A[K]> }));
  });
}

/** The shortest text that is this number in float32. */
function numberText(x: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(x.toPrecision(digits));
    if (Object.is(Math.fround(text), Math.fround(x))) return String(text);
  }
  return String(x);
}

function valueText(x: unknown): string {
  if (Array.isArray(x)) return `[${x.map(valueText).join(", ")}]`;
  if (typeof x === "number") return numberText(x);
  if (typeof x === "object" && x !== null) {
    return `{${Object.entries(x)
      .map(([k, v]) => `${k}: ${valueText(v)}`)
      .join(", ")}}`;
  }
  return String(x);
}

/**
 * Print values when they are computed (jax.debug.print), in order: see `callback`. `{}` in the format
 * stands for the next argument, `{0}` for one by its number, `{name}` for a property of the last
 * argument where that is a plain object; `{{` is a brace.
 *
 * ```ts
 * const f = jit((x: Tensor) => {
 *   debug.print("x = {}, sum = {sum}", x, { sum: x.sum() });
 *   return x.add(1);
 * });
 * f(array([1, 2])); // prints "x = [1, 2], sum = 3"
 * await debug.effectsBarrier();
 * ```
 */
export function print(format: string, ...args: readonly unknown[]): void {
  const parts = parse(format, args);
  call("debug.print", args, (values) => {
    const named = values.at(-1) as Readonly<Record<string, unknown>>;
    const text = parts.map((p) =>
      typeof p === "string" ? p : valueText("at" in p ? values[p.at] : named[p.name]),
    );
    console.log(text.join(""));
  });
}

type Part = string | { readonly at: number } | { readonly name: string };

function parse(format: string, args: readonly unknown[]): Part[] {
  const parts: Part[] = [];
  let next = 0;
  let from = 0;
  for (const match of format.matchAll(/\{\{|\}\}|\{([A-Za-z_$][\w$]*|\d*)\}/g)) {
    parts.push(format.slice(from, match.index));
    from = match.index + match[0].length;
    const field = match[1];
    if (field === undefined) parts.push(match[0][0]!);
    else if (field === "" || /^\d/.test(field)) {
      const at = field === "" ? next++ : Number(field);
      if (at >= args.length) {
        throw new DtypeError(
          `debug.print: "${format}" wants value ${at}, but ${args.length} value(s) were given`,
        );
      }
      parts.push({ at });
    } else {
      const last = args.at(-1);
      const has = typeof last === "object" && last !== null && field in last;
      if (!has) {
        throw new DtypeError(
          `debug.print: "${format}" wants {${field}}; give it as a property of an object in the last place`,
        );
      }
      parts.push({ name: field });
    }
  }
  parts.push(format.slice(from));
  return parts;
}

/**
 * Wait for the prints and callbacks of all calls so far (jax.effects_barrier); rejects with the first
 * error that a callback threw.
 *
 * ```ts
 * debug.callback(() => {}, array(1));
 * await debug.effectsBarrier();
 * ```
 */
export const effectsBarrier = (): Promise<void> => effectsDone();

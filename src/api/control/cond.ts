/** cond and switch: one of several functions, chosen by a value on the device. */
import { avalsEqual, shapesEqual, showAval } from "../../core/aval.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { buildGraph } from "../../ir/builder.js";
import { inlineGraph } from "../../ir/eval.js";
import { convert } from "../../prims/index.js";
import { cond as condAtoms } from "../../structured/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { applyGraph, type TracedFunction, traceFunction } from "../../trace/trace.js";
import {
  type AnyFunction,
  argumentLeaves,
  asTensor,
  labelOf,
  requireFunction,
  specOf,
} from "../arguments.js";
import { astype, notEqual } from "../ops/index.js";
import type { Like, Traced, TracedArgs } from "./types.js";

/**
 * `trueFun(...operands)` where `pred` holds, else `falseFun(...operands)` (jax.lax.cond). Both are
 * traced; on the device only the chosen one is computed where that pays. Under vmap with a predicate that
 * differs between lanes it is a `where` of both.
 *
 * @throws ShapeError where the results differ in structure, shapes or dtypes.
 *
 * ```ts
 * const f = (x: Tensor) => cond(x.sum().greater(0), (y) => y.mul(2), (y) => y.neg(), x);
 * await f(array([1, 2])).toArray(); // [2, 4]
 * ```
 */
export function cond<const A extends readonly unknown[], const R>(
  pred: TensorLike,
  trueFun: (...operands: TracedArgs<A>) => R,
  falseFun: (...operands: TracedArgs<A>) => NoInfer<R | Like<R>>,
  ...operands: A
): Traced<R> {
  const p = asTensor(pred);
  if (p.ndim !== 0) {
    throw new ShapeError(
      `cond: the predicate is ${showAval(p.aval)}; it must be a scalar: use where for choices element by ` +
        "element, or any/all of the array",
    );
  }
  const index = astype(p.dtype === "bool" ? p : notEqual(p, 0), "int32");
  const names = ["falseFun", "trueFun"];
  return choose(
    "cond",
    index,
    [falseFun, trueFun] as unknown as AnyFunction[],
    names,
    operands,
  ) as Traced<R>;
}

/**
 * The branch number `index` of the operands (jax.lax.switch; `switch` is a reserved word, so the import is
 * `switchCase`, or `switch` of a namespace import). The index is clamped to the branches there are.
 *
 * ```ts
 * const f = (i: Tensor, x: Tensor) => switchCase(i, [(y) => y, (y) => y.neg(), (y) => y.mul(y)], x);
 * await f(array(2, { dtype: "int32" }), array(3)).item(); // 9
 * ```
 */
export function switchCase<const A extends readonly unknown[], const R>(
  index: TensorLike,
  branches: readonly ((...operands: TracedArgs<A>) => R | NoInfer<Like<R>>)[],
  ...operands: A
): Traced<R> {
  const i = asTensor(index);
  const whole = i.dtype === "int32" || i.dtype === "uint32" || typeof index === "number";
  if (i.ndim !== 0 || !whole || (typeof index === "number" && !Number.isInteger(index))) {
    throw new DtypeError(
      `switch: the index is ${isTensor(index) ? showAval(index.aval) : String(index)}; it must be a whole ` +
        "number or a scalar int32 or uint32",
    );
  }
  if (branches.length === 0)
    throw new ShapeError("switch: there are no branches; give at least one");
  const names = branches.map((_, k) => `branch ${k}`);
  const list = branches as unknown as AnyFunction[];
  return choose("switch", astype(i, "int32"), list, names, operands) as Traced<R>;
}

function choose(
  op: string,
  index: Tensor,
  functions: readonly AnyFunction[],
  names: readonly string[],
  operands: readonly unknown[],
): unknown {
  for (const f of functions) requireFunction(op, f);
  const { leaves, def } = argumentLeaves(op, operands);
  const traced = functions.map((f) =>
    traceFunction(labelOf(f), leaves.map(specOf), (tracers) =>
      f(...(def.unflatten(tracers) as never[])),
    ),
  );
  const first = traced[0]!;
  traced.forEach((t, k) => {
    agree(op, names[0]!, first, names[k]!, t);
  });
  // What is a number in one branch takes the dtype that another gives it.
  const avals = first.graph.outputAvals.map((a, i) => {
    const strong = traced.find((t) => !t.outWeak[i]);
    return strong?.graph.outputAvals[i] ?? a;
  });
  const captures = traced.flatMap((t) => t.captures);
  const inputs = [...leaves, ...captures];
  let at = leaves.length;
  const branches = traced.map((t) => {
    const from = at;
    at += t.captures.length;
    const to = at;
    return buildGraph(
      inputs.map((x) => x.aval),
      (ins) => {
        const own = [...ins.slice(0, leaves.length), ...ins.slice(from, to)];
        return inlineGraph(t.graph, own).map((x, i) =>
          x.aval.dtype === avals[i]!.dtype ? x : convert(x, avals[i]!.dtype),
        );
      },
    );
  });
  const graph = buildGraph([index.aval, ...inputs.map((x) => x.aval)], ([i, ...rest]) =>
    condAtoms(i!, rest, branches),
  );
  return first.outDef.unflatten(applyGraph(graph, [index, ...inputs], op));
}

function agree(
  op: string,
  name: string,
  a: TracedFunction,
  other: string,
  b: TracedFunction,
): void {
  if (!a.outDef.equals(b.outDef)) {
    throw new ShapeError(
      `${op}: ${name} returns the structure ${a.outDef}, but ${other} returns ${b.outDef}; all must ` +
        "return the same structure",
    );
  }
  const paths = a.outDef.paths();
  const wrong = a.graph.outputAvals.flatMap((x, i) => {
    const y = b.graph.outputAvals[i]!;
    const weak = (a.outWeak[i] || b.outWeak[i]) && shapesEqual(x.shape, y.shape);
    return avalsEqual(x, y) || weak
      ? []
      : [`result${paths[i]} is ${showAval(x)} in ${name} but ${showAval(y)} in ${other}`];
  });
  if (wrong.length === 0) return;
  throw new ShapeError(
    `${op}: ${wrong.join("; ")}. All must return the same shapes and dtypes: use astype or broadcastTo`,
  );
}

/** cond and switch: one of several functions, chosen by a value on the device. */
import { type Aval, shapesEqual, showAval } from "../../core/aval.js";
import { isFloat } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { buildGraph } from "../../ir/builder.js";
import { inlineGraph } from "../../ir/eval.js";
import { Lit } from "../../ir/graph.js";
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
import { takes } from "./carry.js";
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
  const avals = commonAvals(op, names, traced);
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

/**
 * The avals that all branches agree on: what is a number in one takes the dtype that another gives it, as
 * far as it is a value of that dtype.
 */
function commonAvals(
  op: string,
  names: readonly string[],
  traced: readonly TracedFunction[],
): readonly Aval[] {
  const [first] = traced as readonly [TracedFunction];
  for (const [k, t] of traced.entries()) {
    if (t.outDef.equals(first.outDef)) continue;
    throw new ShapeError(
      `${op}: ${names[0]} returns the structure ${first.outDef}, but ${names[k]} returns ${t.outDef}; all ` +
        "must return the same structure",
    );
  }
  const paths = first.outDef.paths();
  const wrong: string[] = [];
  const avals = first.graph.outputs.map((_, i) => {
    const strong = traced.findIndex((t) => !t.outWeak[i]);
    const float = traced.findIndex((t) => isFloat(t.graph.outputAvals[i]!.dtype));
    const decides = Math.max(0, strong >= 0 ? strong : float);
    const want = traced[decides]!.graph.outputAvals[i]!;
    for (const [k, t] of traced.entries()) {
      const x = t.graph.outputs[i]!;
      const same = shapesEqual(x.aval.shape, want.shape);
      if (same && (x.aval.dtype === want.dtype || (t.outWeak[i] && takes(x, want.dtype)))) continue;
      const value = x instanceof Lit ? `the number ${x.value}` : showAval(x.aval);
      wrong.push(
        `result${paths[i]} is ${showAval(want)} in ${names[decides]} but ${value} in ${names[k]}`,
      );
    }
    return want;
  });
  if (wrong.length === 0) return avals;
  throw new ShapeError(
    `${op}: ${wrong.join("; ")}. All must return the same shapes and dtypes: use astype or broadcastTo`,
  );
}

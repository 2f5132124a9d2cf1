/** customVjp: functions with a cotangent rule of their own. */
import { isFloat } from "../core/dtype.js";
import { DawngradError, ShapeError } from "../core/errors.js";
import { flatten, type TreeDef } from "../core/tree.js";
import type { Graph } from "../ir/graph.js";
import { customVjpP } from "../structured/custom-vjp.js";
import { late } from "../structured/late-graph.js";
import type { Tracer } from "../trace/tracer.js";
import {
  type AnyFunction,
  isTensorLike,
  labelOf,
  matchTangents,
  requireFunction,
  specOf,
  type TracedCall,
  traceCall,
  zerosTensor,
} from "./arguments.js";
import { withName } from "./autodiff.js";
import type { CustomJvpOptions } from "./custom-jvp.js";
import { asOneProgram } from "./jacobian.js";
import { OwnRules, type RuleTracer, splitArguments, tracing } from "./own-rules.js";
import { listOf, matchOutputs, pairOf } from "./rule-results.js";

export type CustomVjpOptions = CustomJvpOptions;

/** A function whose reverse-mode derivative is what its rules say. */
export interface CustomVjp<A extends readonly unknown[], R> {
  (...args: A): R;
  /** Set the rules; returns the function. */
  defvjp(
    fwd: (...args: A) => readonly [R, unknown],
    bwd: (...args: never[]) => readonly unknown[],
  ): CustomVjp<A, R>;
}

type Backward = (...args: unknown[]) => readonly unknown[];

interface Rules {
  readonly forward: Graph;
  readonly backward: Graph;
}

function ruleGraphs(
  call: TracedCall,
  fwd: (...differentiable: unknown[]) => unknown,
  bwd: Backward,
  fixed: readonly unknown[],
  trace: RuleTracer,
): Rules {
  const op = "customVjp";
  let resDef: TreeDef | undefined;
  const forward = trace(call.leaves.map(specOf), [], (leaves: readonly Tracer[]) => {
    const result = fwd(...(call.inDef.unflatten(leaves) as unknown[]));
    const [out, residuals] = pairOf(op, `the forward rule of '${call.label}'`, result);
    const outs = matchOutputs(op, "the output of the forward rule", out, call);
    const [list, def] = flatten(residuals);
    const other = list.findIndex((x) => !isTensorLike(x));
    if (other >= 0) {
      throw new ShapeError(
        `${op}: the residuals of '${call.label}' have a ${typeof list[other]} at "${def.paths()[other]}"; ` +
          "return trees of tensors and numbers, and give other values with nondiffArgnums",
      );
    }
    resDef = def;
    return [...outs, ...list];
  });
  const residuals = forward.outputs.slice(call.graph.outputs.length);
  const outputs = call.graph.outputs;
  const floats = outputs.filter((x) => isFloat(x.aval.dtype)).map((x) => x.aval);
  const specs = residuals.map((x) => ({ aval: x.aval, weak: false }));
  const backward = trace(specs, floats, (res, cts) => {
    let next = 0;
    const ct = outputs.map((x) => (isFloat(x.aval.dtype) ? cts[next++]! : null));
    const result = bwd(...fixed, resDef!.unflatten(res), call.outDef.unflatten(ct));
    const count = (call.inDef.structure as { children: readonly unknown[] }).children.length;
    if (!Array.isArray(result) || result.length !== count) {
      throw new ShapeError(
        `${op}: the backward rule of '${call.label}' must return a list of ${count}, one cotangent for ` +
          `each differentiable argument, but it returned ${flatten(result)[1]}`,
      );
    }
    const list = matchTangents(`${op} backward rule`, "cotangent", result, call.inDef, call.leaves);
    return call.leaves.flatMap((x, i) => (isFloat(x.dtype) ? [list[i] ?? zerosTensor(x)] : []));
  });
  return { forward, backward };
}

/**
 * A function with a rule for its pullback (jax.custom_vjp). `fwd` takes the arguments and returns
 * `[out, residuals]`; `bwd` takes the residuals and the cotangent of the output (`null` at integer
 * leaves) and returns a list, one cotangent for each argument, `null` for zero. With `nondiffArgnums`
 * those arguments come first: `bwd(...nondiff, residuals, cotangent)`; `fwd` has all arguments in their
 * order.
 *
 * The rules hold under every transform but forward mode, and may call the function itself, whose rules
 * then apply to higher derivatives.
 *
 * @throws DawngradError for jvp of the function, and where a value that it closes over is
 * differentiated; ShapeError where the rules' results do not fit.
 *
 * ```ts
 * // The identity, with its gradient held within [-1, 1].
 * const clipGradient = customVjp(
 *   (x: Tensor) => x,
 *   (x) => [x, null],
 *   (_: null, g: Tensor) => [g.clip(-1, 1)],
 * );
 * await grad((x: Tensor) => clipGradient(x).mul(10))(array(2)).item(); // 1
 * ```
 */
export function customVjp<A extends readonly unknown[], R, Res>(
  f: (...args: A) => R,
  fwd: (...args: A) => readonly [R, Res],
  bwd: (residuals: Res, cotangent: R) => readonly unknown[],
): CustomVjp<A, R>;
export function customVjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  fwd?: (...args: A) => readonly [R, unknown],
  bwd?: (...args: never[]) => readonly unknown[],
  options?: CustomVjpOptions,
): CustomVjp<A, R>;
export function customVjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  fwd?: (...args: A) => readonly [R, unknown],
  bwd?: (...args: never[]) => readonly unknown[],
  options: CustomVjpOptions = {},
): CustomVjp<A, R> {
  requireFunction("customVjp", f);
  const label = labelOf(f as unknown as AnyFunction);
  const own = new OwnRules();
  const nondiff = listOf(options.nondiffArgnums);
  let rules = fwd && bwd ? { fwd, bwd } : undefined;
  const custom = withName(label, ((...args: A): R => {
    const { fixed, differentiable, rebuild } = splitArguments(args, nondiff);
    const direct = (...xs: unknown[]): R => f(...(rebuild(xs) as unknown as A));
    if (own.probing()) return direct(...differentiable);
    if (!tracing()) return asOneProgram(label, direct, differentiable as unknown[]);
    const set = rules;
    if (!set) {
      throw new DawngradError(
        `customVjp: '${label}' has no rules yet; give them as arguments or with defvjp`,
      );
    }
    const forward = (...xs: unknown[]) => set.fwd(...(rebuild(xs) as unknown as A));
    const call = traceCall(
      "customVjp",
      withName(label, direct as unknown as AnyFunction),
      differentiable,
    );
    return own.bind(
      label,
      call,
      call.leaves,
      (trace) => ruleGraphs(call, forward, set.bwd as unknown as Backward, fixed, trace),
      customVjpP,
      (graph, made) => {
        let both: Rules | undefined;
        const once = (): Rules => {
          both ??= made();
          return both;
        };
        return {
          label,
          call: graph,
          args: call.leaves.length,
          forward: late(() => once().forward),
          backward: late(() => once().backward),
        };
      },
    ) as R;
  }) as unknown as AnyFunction) as unknown as CustomVjp<A, R>;
  custom.defvjp = (nextFwd, nextBwd) => {
    rules = { fwd: nextFwd, bwd: nextBwd };
    return custom;
  };
  return custom;
}

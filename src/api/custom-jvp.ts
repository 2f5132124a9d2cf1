/** customJvp: functions with a tangent rule of their own. */
import { isFloat } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import type { Graph } from "../ir/graph.js";
import { customJvpP } from "../structured/custom-jvp.js";
import { late } from "../structured/late-graph.js";
import type { Tensor } from "../trace/tensor.js";
import type { Tracer } from "../trace/tracer.js";
import {
  type AnyFunction,
  labelOf,
  matchTangents,
  requireFunction,
  specOf,
  type TracedCall,
  traceCall,
  zerosTensor,
} from "./arguments.js";
import { withName } from "./autodiff.js";
import { asOneProgram } from "./jacobian.js";
import { add } from "./ops/arithmetic.js";
import { OwnRules, type RuleTracer, splitArguments, tracing } from "./own-rules.js";
import { listOf, matchOutputs, pairOf } from "./rule-results.js";

export interface CustomJvpOptions {
  /**
   * Arguments that are not differentiated and may be anything (functions, strings, sizes): the rule gets
   * them first.
   */
  readonly nondiffArgnums?: number | readonly number[];
}

/** The tangent of the output by one argument; null or no rule is zero. */
export type ArgumentRule<A extends readonly unknown[], R> =
  | ((tangent: A[number], out: R, ...primals: A) => R)
  | null;

/** A function whose derivative is what its rule says. */
export interface CustomJvp<A extends readonly unknown[], R> {
  (...args: A): R;
  /** Set the rule; returns the function. */
  defjvp(rule: (...args: never[]) => readonly [unknown, unknown]): CustomJvp<A, R>;
  /** Set the rule as one function an argument (jax's defjvps): their results are added up. */
  defjvps(...rules: readonly ArgumentRule<A, R>[]): CustomJvp<A, R>;
}

type Rule = (...args: unknown[]) => readonly unknown[];

/** The rule's graph: arguments and tangents of float leaves in, outputs and float tangents out. */
function ruleGraph(
  call: TracedCall,
  rule: Rule,
  fixed: readonly unknown[],
  trace: RuleTracer,
): Graph {
  const op = "customJvp";
  const isFloatLeaf = call.leaves.map((x) => isFloat(x.dtype));
  const outputs = call.graph.outputs;
  const body = (leaves: readonly Tracer[], tangents: readonly Tracer[]): unknown => {
    let next = 0;
    const given = isFloatLeaf.map((f) => (f ? tangents[next++]! : null));
    const result = rule(...fixed, call.inDef.unflatten(leaves), call.inDef.unflatten(given));
    const [out, outTangent] = pairOf(op, `the rule of '${call.label}'`, result);
    const primals = matchOutputs(op, "the primal output of the rule", out, call);
    const pushed = matchTangents(`${op} rule`, "tangent", outTangent, call.outDef, outputs);
    return [
      ...primals,
      ...outputs.flatMap((x, i) => (isFloat(x.aval.dtype) ? [pushed[i] ?? zerosTensor(x)] : [])),
    ];
  };
  const floats = call.leaves.filter((_, i) => isFloatLeaf[i]).map((x) => x.aval);
  return trace(call.leaves.map(specOf), floats, body);
}

/**
 * A function with a rule for its directional derivative (jax.custom_jvp). `rule` takes the list of
 * arguments and the list of their tangents, and returns `[out, outTangent]`; integer leaves have `null`
 * for a tangent, and `null` may be returned for zero. Reverse mode follows by transposition, so the
 * tangent must be linear in the tangents. With `nondiffArgnums` those arguments come first:
 * `rule(...nondiff, primals, tangents)`.
 *
 * The rule holds under every transform and may call the function itself, whose rule then applies to
 * higher derivatives. `defjvp` and `defjvps` set the rule afterwards.
 *
 * @throws DawngradError where a value that the function closes over is differentiated, ShapeError where
 * the rule's results do not fit the function's.
 *
 * ```ts
 * const log1pexp: (x: Tensor) => Tensor = customJvp(
 *   (x: Tensor) => x.exp().add(1).log(),
 *   ([x], [t]) => [log1pexp(x), t.mul(x.neg().exp().add(1).reciprocal())],
 * );
 * await grad(log1pexp)(array(100)).item(); // 1
 * ```
 */
export function customJvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  rule?: (primals: A, tangents: A) => readonly [unknown, unknown],
): CustomJvp<A, R>;
export function customJvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  rule: ((...args: never[]) => readonly [unknown, unknown]) | undefined,
  options: CustomJvpOptions,
): CustomJvp<A, R>;
export function customJvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  rule?: (...args: never[]) => readonly [unknown, unknown],
  options: CustomJvpOptions = {},
): CustomJvp<A, R> {
  requireFunction("customJvp", f);
  const label = labelOf(f as unknown as AnyFunction);
  const own = new OwnRules();
  const nondiff = listOf(options.nondiffArgnums);
  let current = rule as unknown as Rule | undefined;
  const custom = withName(label, ((...args: A): R => {
    const { fixed, differentiable, rebuild } = splitArguments(args, nondiff);
    const direct = (...xs: unknown[]): R => f(...(rebuild(xs) as unknown as A));
    if (own.probing()) return direct(...differentiable);
    if (!tracing()) return asOneProgram(label, direct, differentiable as unknown[]);
    const set = current;
    if (!set) {
      throw new DawngradError(
        `customJvp: '${label}' has no rule yet; give it as the second argument or with defjvp`,
      );
    }
    const call = traceCall(
      "customJvp",
      withName(label, direct as unknown as AnyFunction),
      differentiable,
    );
    return own.bind(
      label,
      call,
      call.leaves,
      (trace) => ({ rule: ruleGraph(call, set, fixed, trace) }),
      customJvpP,
      (graph, rules) => ({
        label,
        call: graph,
        args: call.leaves.length,
        rule: late(() => rules().rule),
      }),
    ) as R;
  }) as unknown as AnyFunction) as unknown as CustomJvp<A, R>;
  custom.defjvp = (next) => {
    current = next as unknown as Rule;
    return custom;
  };
  custom.defjvps = (...rules) => {
    current = (...args: unknown[]) => {
      const [primals, tangents] = args.slice(-2) as [A, A];
      const out = custom(...(rebuildAll(args.slice(0, -2), primals) as unknown as A));
      const parts = rules.flatMap((r, i) => {
        const t = tangents[i];
        return r && t !== null && t !== undefined ? [r(t, out, ...primals)] : [];
      });
      return [out, parts.length === 0 ? null : parts.reduce(addTrees)];
    };
    return custom;
  };
  const rebuildAll = (fixed: readonly unknown[], rest: readonly unknown[]): unknown[] => {
    let next = 0;
    return Array.from({ length: fixed.length + rest.length }, (_, i) => {
      const at = nondiff.indexOf(i);
      return at >= 0 ? fixed[at] : rest[next++];
    });
  };
  return custom;
}

function addTrees<R>(a: R, b: R): R {
  const [xs, def] = flatten(a);
  const [ys] = flatten(b);
  return def.unflatten(xs.map((x, i) => add(x as Tensor, ys[i] as Tensor))) as R;
}

/** checkGrads: derivatives against central differences and against each other, in f64. */
import type { AnyFunction } from "../api/arguments.js";
import { isFloat } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { type NdArray, ndarray } from "../core/ndarray.js";
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import type { Graph } from "../ir/graph.js";
import { interpret } from "../reference/interpret.js";
import { uniforms } from "../reference/perturb.js";
import { jvpGraph, vjpGraph, zeros } from "../transform/index.js";
import { hostedCall } from "./reference.js";

export interface CheckGradsOptions {
  /** Differentiate this many times. Default 2. */
  readonly order?: number;
  readonly modes?: readonly ("fwd" | "rev")[];
  /**
   * Step of the central difference, relative to max(1, |x|). The default 6e-6, the cube root of the
   * f64 rounding unit, balances truncation (h²) and rounding (ε/h): about 1e-10 for smooth functions.
   */
  readonly step?: number;
  /** Allowed error relative to the scale of the derivative. Default 1e-6. */
  readonly tolerance?: number;
  readonly seed?: number;
}

/**
 * Checks jvp against central differences and vjp against jvp, to the given order (as
 * jax.test_util.check_grads), on the f64 reference. Throws on the first disagreement.
 *
 * ```ts
 * await checkGrads((x: Tensor) => x.sin().mul(x), [hostArray([0.5, 1])], { order: 2 });
 * ```
 */
export async function checkGrads<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  args: { [K in keyof A]: unknown },
  options: CheckGradsOptions = {},
): Promise<void> {
  const { traced, inputs } = await hostedCall(f as unknown as AnyFunction, args as unknown[]);
  checkGraphGrads(traced.graph, inputs, options);
}

/** `checkGrads` for a graph. */
export function checkGraphGrads(
  graph: Graph,
  inputs: readonly NdArray[],
  options: CheckGradsOptions = {},
): void {
  const { order = 2, modes = ["fwd", "rev"], step = 6e-6, tolerance = 1e-6, seed = 7 } = options;
  const random = uniforms(seed);
  const go = (g: Graph, xs: readonly NdArray[], left: number, what: string): void => {
    const mask = xs.map((x) => isFloat(x.dtype));
    if (!mask.some((m) => m)) return;
    const v = xs.filter((_, i) => mask[i]).map((x) => direction(x, random));
    const fwd = modes.includes("fwd");
    const n = g.outputs.length;
    // What has rules for reverse mode only (customVjp) is compared with differences.
    const forward = fwd ? fullJvp(g, mask) : undefined;
    const numeric = centralDifference(g, xs, mask, v, step);
    const tangents = forward ? interpret(forward, [...xs, ...v]).slice(n) : numeric;
    if (forward) compare(`${what}jvp`, tangents, numeric, tolerance);
    const u = g.outputAvals
      .filter((a) => isFloat(a.dtype))
      .map((a) => direction(ndarray(a.shape, a.dtype, 0), random));
    // whileLoop has forward mode only.
    const backward = modes.includes("rev") ? fullVjp(g, mask) : undefined;
    if (backward) {
      const cotangents = interpret(backward, [...xs, ...u]);
      const ahead = inner(u, tangents);
      const back = inner(cotangents, v);
      const scale = 1 + innerAbs(u, tangents) + innerAbs(cotangents, v);
      if (!(Math.abs(ahead - back) <= (fwd ? 1e-9 : tolerance) * scale)) {
        throw new DawngradError(
          `checkGrads: ${what}vjp: <u, J v> = ${ahead} but <J' u, v> = ${back}; a ` +
            `${fwd ? "transpose" : "cotangent"} rule is wrong`,
        );
      }
    }
    if (left > 1) {
      if (forward) {
        go(tangentsOnly(forward, n), [...xs, ...v], left - 1, `${what}jvp of `);
      }
      if (backward) go(backward, [...xs, ...u], left - 1, `${what}vjp of `);
    }
  };
  go(graph, inputs, order, "");
}

/** JVP with a tangent for every float output. */
function fullJvp(graph: Graph, mask: readonly boolean[]): Graph {
  const { graph: g, outMask } = jvpGraph(graph, mask);
  const n = graph.outputs.length;
  return buildGraph(g.inputAvals, (inputs) => {
    const outs = inlineGraph(g, inputs);
    let next = n;
    const tangents = graph.outputs.flatMap((x, i) => {
      const t = outMask[i] ? outs[next++]! : null;
      return isFloat(x.aval.dtype) ? [t ?? zeros(x.aval)] : [];
    });
    return [...outs.slice(0, n), ...tangents];
  });
}

const tangentsOnly = (forward: Graph, n: number): Graph =>
  buildGraph(forward.inputAvals, (inputs) => inlineGraph(forward, inputs).slice(n));

/** Inputs: primals, then cotangents of the float outputs. Outputs: cotangents of float inputs. */
function fullVjp(graph: Graph, mask: readonly boolean[]): Graph {
  const { forward, backward, outMask } = vjpGraph(graph, mask);
  const n = graph.outputs.length;
  const floatOuts = graph.outputAvals.filter((a) => isFloat(a.dtype));
  return buildGraph([...graph.inputAvals, ...floatOuts], (inputs) => {
    const residuals = inlineGraph(forward, inputs.slice(0, graph.inputs.length)).slice(n);
    let next = graph.inputs.length;
    const cts = graph.outputAvals.flatMap((a, i) => {
      if (!isFloat(a.dtype)) return [];
      const c = inputs[next++]!;
      return outMask[i] ? [c] : [];
    });
    return inlineGraph(backward, [...residuals, ...cts]);
  });
}

function direction(x: NdArray, random: () => number): NdArray {
  return ndarray(
    x.shape,
    "float32",
    Array.from(x.data, () => 2 * random() - 1),
  );
}

function centralDifference(
  graph: Graph,
  xs: readonly NdArray[],
  mask: readonly boolean[],
  v: readonly NdArray[],
  step: number,
): NdArray[] {
  const scale = Math.max(1, ...xs.flatMap((x, i) => (mask[i] ? Array.from(x.data, Math.abs) : [])));
  const h = step * scale;
  const shifted = (sign: number): NdArray[] => {
    let next = 0;
    const moved = xs.map((x, i) => {
      if (!mask[i]) return x;
      const d = v[next++]!.data;
      return { ...x, data: (x.data as Float64Array).map((value, k) => value + sign * h * d[k]!) };
    });
    return interpret(graph, moved);
  };
  const plus = shifted(1);
  const minus = shifted(-1);
  return plus.flatMap((p, k) => {
    if (!isFloat(p.dtype)) return [];
    const m = minus[k]!.data;
    return [{ ...p, data: (p.data as Float64Array).map((x, i) => (x - m[i]!) / (2 * h)) }];
  });
}

function compare(
  what: string,
  got: readonly NdArray[],
  want: readonly NdArray[],
  tol: number,
): void {
  want.forEach((w, k) => {
    const scale = Math.max(1, ...Array.from(w.data, Math.abs));
    w.data.forEach((x, i) => {
      const y = got[k]!.data[i]!;
      if (!(Math.abs(y - x) <= tol * scale)) {
        throw new DawngradError(
          `checkGrads: ${what} of output ${k} at element ${i} is ${y}, but the central difference is ${x}`,
        );
      }
    });
  });
}

const pairs = (a: readonly NdArray[], b: readonly NdArray[], f: (x: number) => number): number =>
  a.reduce((sum, x, k) => {
    let s = sum;
    x.data.forEach((value, i) => {
      s += f(value * b[k]!.data[i]!);
    });
    return s;
  }, 0);

const inner = (a: readonly NdArray[], b: readonly NdArray[]): number => pairs(a, b, (x) => x);
const innerAbs = (a: readonly NdArray[], b: readonly NdArray[]): number => pairs(a, b, Math.abs);

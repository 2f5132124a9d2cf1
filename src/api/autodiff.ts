/** jvp, vjp, linearize, grad and valueAndGrad: rewrites of the traced function's graph. */
import { showAval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { DtypeError, ShapeError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import { buildGraph } from "../ir/builder.js";
import { inlineGraph } from "../ir/eval.js";
import { Graph } from "../ir/graph.js";
import { stopGradient as stopGradientAtom } from "../prims/index.js";
import type { Tensor, TensorLike } from "../trace/tensor.js";
import { applyGraph, operation } from "../trace/trace.js";
import { lift, tracerOf } from "../trace/tracer.js";
import { gradGraph, jvpGraph, linearizeGraph, vjpGraph, zeros } from "../transform/index.js";
import {
  type AnyFunction,
  argnumList,
  asTensor,
  isTensorLike,
  leafName,
  matchTangents,
  requireFunction,
  type TracedCall,
  traceCall,
  zerosTensor,
} from "./arguments.js";

const floats = (call: TracedCall): boolean[] =>
  call.inputs.map((x, i) => i < call.leaves.length && isFloat(x.dtype));

/**
 * The value of `f` at `primals` and its directional derivative along `tangents` (jax.jvp).
 *
 * `tangents` has the structure, shapes and dtypes of `primals`; `null` is zero, and what integer
 * leaves take. Integer outputs have `null` for a tangent.
 *
 * ```ts
 * const [y, dy] = jvp((x: Tensor) => x.mul(x), [array(3)], [array(1)]);
 * await dy.item(); // 6
 * ```
 */
export function jvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  primals: A,
  tangents: { readonly [K in keyof A]: A[K] | null },
): [R, R] {
  const call = traceCall("jvp", f as unknown as AnyFunction, primals);
  const given = matchTangents("jvp", "tangent", tangents, call.inDef, call.leaves);
  const mask = call.inputs.map((_, i) => (given[i] ?? null) !== null);
  const { graph, outMask } = jvpGraph(call.graph, mask);
  const tangentList = given.filter((t): t is Tensor => t !== null);
  const outs = applyGraph(
    fillTangents(graph, call.graph.outputs.length, outMask),
    [...call.inputs, ...tangentList],
    `jvp of ${call.label}`,
  );
  const n = call.graph.outputs.length;
  let next = n;
  const outTangents = call.graph.outputs.map((x) => (isFloat(x.aval.dtype) ? outs[next++]! : null));
  return [call.outDef.unflatten(outs.slice(0, n)) as R, call.outDef.unflatten(outTangents) as R];
}

/** Give every float output a tangent: zeros where none depends on the inputs. */
function fillTangents(
  graph: ReturnType<typeof jvpGraph>["graph"],
  outputs: number,
  outMask: readonly boolean[],
) {
  return buildGraph(graph.inputAvals, (inputs) => {
    const outs = inlineGraph(graph, inputs);
    const primals = outs.slice(0, outputs);
    let next = outputs;
    const tangents = primals.flatMap((x, i) => {
      const t = outMask[i] ? outs[next++]! : null;
      return isFloat(x.aval.dtype) ? [t ?? zeros(x.aval)] : [];
    });
    return [...primals, ...tangents];
  });
}

/**
 * The value of `f` at `primals` and its linear approximation there (jax.linearize): the pushforward
 * can be called many times and does not compute `f` again.
 *
 * ```ts
 * const [y, push] = linearize((x: Tensor) => x.sin(), array(0));
 * await push(array(2)).item(); // 2
 * ```
 */
export function linearize<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: A
): [R, (...tangents: A) => R] {
  const call = traceCall("linearize", f as unknown as AnyFunction, primals);
  const mask = floats(call);
  const { forward, linear, outMask } = linearizeGraph(call.graph, mask);
  const n = call.graph.outputs.length;
  const outs = applyGraph(forward, call.inputs, `linearize of ${call.label}`);
  const residuals = outs.slice(n);
  const filled = buildGraph(linear.inputAvals, (inputs) => {
    const ts = inlineGraph(linear, inputs);
    let next = 0;
    return call.graph.outputs.flatMap((x, i) => {
      const t = outMask[i] ? ts[next++]! : null;
      return isFloat(x.aval.dtype) ? [t ?? zeros(x.aval)] : [];
    });
  });
  const pushforward = (...tangents: A): R => {
    const given = matchTangents("pushforward", "tangent", tangents, call.inDef, call.leaves);
    const list = given.flatMap((t, i) => (mask[i] ? [t ?? zerosTensor(call.leaves[i]!)] : []));
    const ts = applyGraph(filled, [...residuals, ...list], `pushforward of ${call.label}`);
    let next = 0;
    return call.outDef.unflatten(
      call.graph.outputs.map((x) => (isFloat(x.aval.dtype) ? ts[next++]! : null)),
    ) as R;
  };
  return [call.outDef.unflatten(outs.slice(0, n)) as R, pushforward];
}

/**
 * The value of `f` at `primals` and its pullback (jax.vjp), which takes a cotangent with the
 * structure of the output and returns a list, one cotangent for each primal. Integer leaves get
 * `null`.
 *
 * ```ts
 * const [y, pullback] = vjp((x: Tensor) => x.mul(3), array(2));
 * const [dx] = pullback(array(1));
 * await dx.item(); // 3
 * ```
 */
export function vjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: A
): [R, (cotangent: R) => A] {
  const call = traceCall("vjp", f as unknown as AnyFunction, primals);
  const mask = floats(call);
  const { forward, backward, outMask } = vjpGraph(call.graph, mask);
  const n = call.graph.outputs.length;
  const outs = applyGraph(forward, call.inputs, `vjp of ${call.label}`);
  const residuals = outs.slice(n);
  const pullback = (cotangent: R): A => {
    const cts = matchTangents("pullback", "cotangent", cotangent, call.outDef, call.graph.outputs);
    const list = cts.flatMap((c, i) =>
      outMask[i] ? [c ?? zerosTensor(call.graph.outputs[i]!)] : [],
    );
    const gs = applyGraph(backward, [...residuals, ...list], `pullback of ${call.label}`);
    let next = 0;
    return call.inDef.unflatten(
      call.leaves.map((_, i) => (mask[i] ? gs[next++]! : null)),
    ) as unknown as A;
  };
  return [call.outDef.unflatten(outs.slice(0, n)) as R, pullback];
}

export interface GradOptions {
  /** Which arguments to differentiate with respect to: a number or a list. Default 0. */
  readonly argnums?: number | readonly number[];
  /** `f` returns `[loss, aux]`; aux is passed through undifferentiated. */
  readonly hasAux?: boolean;
}

/** The type of argument N; of one that is counted from the end, any argument's. */
type Argument<A extends readonly unknown[], N extends number> = `${N}` extends `-${string}`
  ? A[number]
  : A[N];

/** The gradients' type: that of argument N, or a tuple for a list of arguments. */
export type GradOf<A extends readonly unknown[], N> = N extends readonly number[]
  ? { -readonly [K in keyof N]: Argument<A, N[K] & number> }
  : N extends number
    ? number extends N
      ? A[0]
      : Argument<A, N>
    : A[0];

function gradCall(
  op: "grad" | "valueAndGrad",
  f: AnyFunction,
  args: readonly unknown[],
  options: GradOptions,
): { value: unknown; grads: unknown } {
  const argnums = options.argnums ?? 0;
  const list = argnumList(op, argnums, args.length);
  const call = traceCall(op, f, args);
  const mask = call.inputs.map(() => false);
  for (const n of list) {
    const [from, to] = call.ranges[n]!;
    for (let i = from; i < to; i++) {
      const leaf = call.leaves[i]!;
      if (!isFloat(leaf.dtype)) {
        throw new DtypeError(
          `${op}: ${leafName(call, i)} is ${showAval(leaf.aval)}, and only float32 has a gradient; ` +
            'convert it with astype("float32"), or leave that argument out of argnums',
        );
      }
      mask[i] = true;
    }
  }
  checkLoss(op, call, options.hasAux ?? false);
  const whole = gradGraph(call.graph, mask);
  // A loss that nobody asked for is neither computed nor left to the garbage collector.
  const skip = op === "grad" ? 1 : 0;
  const graph = new Graph(whole.inputs, whole.eqns, whole.outputs.slice(skip));
  const outs = applyGraph(graph, call.inputs, `${op} of ${call.label}`);
  const n = call.graph.outputs.length - skip;
  const byLeaf = new Map<number, Tensor>();
  let next = n;
  mask.forEach((m, i) => {
    if (m) byLeaf.set(i, outs[next++]!);
  });
  const gradsOf = (arg: number): unknown => {
    const [from, to] = call.ranges[arg]!;
    const def = flatten(args[arg])[1];
    return def.unflatten(Array.from({ length: to - from }, (_, k) => byLeaf.get(from + k)));
  };
  const primal = skip ? [undefined, ...outs.slice(0, n)] : outs.slice(0, n);
  return {
    value: call.outDef.unflatten(primal),
    grads: typeof argnums === "number" ? gradsOf(list[0]!) : list.map(gradsOf),
  };
}

function checkLoss(op: string, call: TracedCall, hasAux: boolean): void {
  const { structure } = call.outDef;
  if (hasAux) {
    const first = structure.kind === "array" ? structure.children[0] : undefined;
    if (structure.kind !== "array" || structure.children.length !== 2 || first?.kind !== "leaf") {
      throw new ShapeError(
        `${op}: with hasAux '${call.label}' must return [loss, aux], the loss a scalar, but it returned ` +
          `${structure.kind === "leaf" ? "one value" : call.outDef}`,
      );
    }
  } else if (structure.kind !== "leaf") {
    if (structure.kind === "empty") {
      throw new ShapeError(
        `${op}: '${call.label}' must return one scalar, but it returned ${call.outDef}; is a return missing?`,
      );
    }
    throw new ShapeError(
      `${op}: '${call.label}' must return one scalar, but it returned the tree ${call.outDef}; ` +
        "to return more beside the loss use { hasAux: true } and return [loss, aux]",
    );
  }
  const loss = call.graph.outputs[0]!.aval;
  if (!isFloat(loss.dtype)) {
    throw new DtypeError(
      `${op}: '${call.label}' returned ${showAval(loss)}; the loss must be a float32 scalar`,
    );
  }
  if (loss.shape.length !== 0) {
    throw new ShapeError(
      `${op}: '${call.label}' returned ${showAval(loss)}, but a gradient needs a scalar; reduce it ` +
        "with sum() or mean(), or use jacrev or vjp",
    );
  }
}

/**
 * The gradient of a scalar function (jax.grad). The result has the structure of the argument.
 *
 * @throws DtypeError for integer arguments, ShapeError for outputs that are not scalars.
 *
 * ```ts
 * const g = grad((x: Tensor) => x.mul(x).sum())(array([1, 2]));
 * await g.toArray(); // [2, 4]
 * ```
 */
export function grad<
  A extends readonly unknown[],
  const N extends number | readonly number[] = 0,
  Aux = never,
>(
  f: (...args: A) => readonly [TensorLike, Aux],
  options: { readonly argnums?: N; readonly hasAux: true },
): (...args: A) => [GradOf<A, N>, Aux];
export function grad<A extends readonly unknown[], const N extends number | readonly number[] = 0>(
  f: (...args: A) => TensorLike,
  options?: { readonly argnums?: N; readonly hasAux?: false },
): (...args: A) => GradOf<A, N>;
export function grad(f: AnyFunction, options: GradOptions = {}): (...args: unknown[]) => unknown {
  requireFunction("grad", f);
  return withName(`grad(${f.name})`, (...args: unknown[]) => {
    const { value, grads } = gradCall("grad", f, args, options);
    return options.hasAux ? [grads, (value as unknown[])[1]] : grads;
  });
}

/**
 * The value and the gradient together (jax.value_and_grad): `[value, grads]`, or with `hasAux`
 * `[[value, aux], grads]`.
 *
 * ```ts
 * const [y, g] = valueAndGrad((x: Tensor) => x.mul(x).sum())(array([1, 2]));
 * await y.item(); // 5
 * ```
 */
export function valueAndGrad<
  A extends readonly unknown[],
  const N extends number | readonly number[] = 0,
  Aux = never,
>(
  f: (...args: A) => readonly [TensorLike, Aux],
  options: { readonly argnums?: N; readonly hasAux: true },
): (...args: A) => [[Tensor, Aux], GradOf<A, N>];
export function valueAndGrad<
  A extends readonly unknown[],
  const N extends number | readonly number[] = 0,
>(
  f: (...args: A) => TensorLike,
  options?: { readonly argnums?: N; readonly hasAux?: false },
): (...args: A) => [Tensor, GradOf<A, N>];
export function valueAndGrad(
  f: AnyFunction,
  options: GradOptions = {},
): (...args: unknown[]) => unknown {
  requireFunction("valueAndGrad", f);
  return withName(`valueAndGrad(${f.name})`, (...args: unknown[]) => {
    const { value, grads } = gradCall("valueAndGrad", f, args, options);
    return [value, grads];
  });
}

/**
 * The same values, constant for differentiation (jax.lax.stop_gradient); takes any tree.
 *
 * ```ts
 * const g = grad((x: Tensor) => stopGradient(x).mul(x))(array(3));
 * await g.item(); // 3
 * ```
 */
export function stopGradient<T>(tree: T): T {
  const [leaves, def] = flatten(tree);
  return def.unflatten(
    leaves.map((x) =>
      isTensorLike(x)
        ? operation("stopGradient", (trace) =>
            tracerOf(trace, stopGradientAtom(lift(asTensor(x), trace)), asTensor(x).weak),
          )
        : x,
    ),
  ) as T;
}

/** Functions that transforms return carry a name for errors and programs. */
export function withName<F extends AnyFunction>(name: string, f: F): F {
  Object.defineProperty(f, "name", { value: name });
  return f;
}

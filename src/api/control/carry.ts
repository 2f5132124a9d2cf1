/** Functions from a carry to a carry: traced until the types agree, with errors that show both. */
import { type Aval, avalsEqual, shapesEqual, showAval } from "../../core/aval.js";
import { type DType, isFloat, isValueOf } from "../../core/dtype.js";
import { ShapeError } from "../../core/errors.js";
import { flatten, type TreeDef } from "../../core/tree.js";
import { buildGraph } from "../../ir/builder.js";
import { inlineGraph } from "../../ir/eval.js";
import { type Atom, type Graph, Lit } from "../../ir/graph.js";
import { convert } from "../../prims/index.js";
import { HostScalar, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { type InputSpec, type TracedFunction, traceFunction } from "../../trace/trace.js";
import { type AnyFunction, argumentLeaves, labelOf } from "../arguments.js";

/** A value that loops carry, taken apart. */
export interface Carry {
  readonly leaves: readonly Tensor[];
  readonly def: TreeDef;
}

export function carryOf(op: string, init: unknown): Carry {
  return { leaves: argumentLeaves(op, [init]).leaves, def: flatten(init)[1] };
}

/** A traced body: its outputs are the carry's leaves, then those of what else it returns. */
export interface TracedBody extends TracedFunction {
  readonly carry: readonly InputSpec[];
  /** Structure of what the body returns beside the carry. */
  readonly rest: TreeDef;
}

/**
 * Whether a weakly typed value may become one of a dtype: a number that is none of its values, as 0.5 is
 * no int32, keeps its own.
 */
export function takes(x: Atom | Tensor, dtype: DType): boolean {
  if (x.aval.dtype === dtype || x.aval.dtype === "bool" || isFloat(dtype)) return true;
  return (x instanceof Lit || x instanceof HostScalar) && isValueOf(dtype, x.value);
}

const where = (path: string): string => `carry${path}`;

/**
 * Trace `f(carry, ...others)`, which returns the next carry and something else. A carry that starts
 * as a JavaScript number takes the dtype that the body gives it.
 */
export function traceBody(
  op: string,
  f: AnyFunction,
  carry: Carry,
  others: readonly InputSpec[],
  call: (carry: unknown, others: readonly Tensor[]) => { next: unknown; rest: unknown },
): TracedBody {
  const n = carry.leaves.length;
  let specs = carry.leaves.map((x): InputSpec => ({ aval: x.aval, weak: x.weak }));
  for (;;) {
    let rest: TreeDef | undefined;
    const traced = traceFunction(labelOf(f), [...specs, ...others], (tracers) => {
      const out = call(carry.def.unflatten(tracers.slice(0, n)), tracers.slice(n));
      const [leaves, def] = flatten(out.next);
      if (!def.equals(carry.def)) {
        throw new ShapeError(
          `${op}: '${labelOf(f)}' was given a carry of the structure ${carry.def} but returns ${def}; ` +
            "the carry must keep its structure",
        );
      }
      rest = flatten(out.rest)[1];
      return [leaves, out.rest];
    });
    const promoted = specs.map((s, i): InputSpec => {
      const out = traced.graph.outputAvals[i]!;
      const same = s.weak && shapesEqual(s.aval.shape, out.shape) && !traced.outWeak[i];
      return same && takes(carry.leaves[i]!, out.dtype) ? { aval: out, weak: false } : s;
    });
    if (promoted.every((s, i) => avalsEqual(s.aval, specs[i]!.aval))) {
      const graph = withCarry(op, f, traced, specs, carry.def);
      return { ...traced, graph, carry: specs, rest: rest! };
    }
    specs = promoted;
  }
}

/** Numbers that the body returns take the carry's dtype; everything else must have it. */
function withCarry(
  op: string,
  f: AnyFunction,
  traced: TracedFunction,
  specs: readonly InputSpec[],
  def: TreeDef,
): Graph {
  const paths = def.paths();
  const wrong: string[] = [];
  const want: (Aval | undefined)[] = specs.map((s, i) => {
    const out = traced.graph.outputAvals[i]!;
    if (avalsEqual(s.aval, out)) return undefined;
    const same = traced.outWeak[i] && shapesEqual(s.aval.shape, out.shape);
    if (same && takes(traced.graph.outputs[i]!, s.aval.dtype)) return s.aval;
    wrong.push(`${where(paths[i]!)} is ${showAval(s.aval)} but becomes ${showAval(out)}`);
    return undefined;
  });
  if (wrong.length > 0) {
    throw new ShapeError(
      `${op}: the carry that '${labelOf(f)}' returns differs from what it was given: ${wrong.join("; ")}. ` +
        "Every step must keep shapes and dtypes: use astype, reshape or broadcastTo in the body, or start " +
        "from another value",
    );
  }
  if (!want.some((a) => a)) return traced.graph;
  return buildGraph(traced.graph.inputAvals, (ins) =>
    inlineGraph(traced.graph, ins).map((x, i) => (want[i] ? convert(x, want[i].dtype) : x)),
  );
}

/** The first values of a carry as tensors of the dtypes that the body settled on. */
export const initialValues = (
  carry: Carry,
  body: TracedBody,
  astype: (x: TensorLike, dtype: Aval["dtype"]) => Tensor,
): Tensor[] =>
  carry.leaves.map((x, i) => {
    const { dtype } = body.carry[i]!.aval;
    return x.dtype === dtype ? x : astype(x, dtype);
  });

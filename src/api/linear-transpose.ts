/** linearTranspose: the transpose of a function that is linear as it stands. */
import { showAval } from "../core/aval.js";
import { isFloat } from "../core/dtype.js";
import { DawngradError, DtypeError } from "../core/errors.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "../ir/graph.js";
import { subGraphs } from "../ir/subgraphs.js";
import { dce } from "../optimise/dce.js";
import { applyGraph } from "../trace/trace.js";
import { type LinearizedGraph, linearizeGraph, transposeGraph } from "../transform/index.js";
import {
  type AnyFunction,
  leafName,
  matchTangents,
  type TracedCall,
  traceCall,
  zerosTensor,
} from "./arguments.js";

/** What depends on some of a graph's inputs. */
function dependents(graph: Graph, inputs: readonly Var[]): (x: Atom) => boolean {
  const found = new Set<Var>(inputs);
  const depends = (x: Atom): boolean => !(x instanceof Lit) && found.has(x);
  for (const eqn of graph.eqns) {
    if (eqn.inputs.some(depends)) for (const v of eqn.outputs) found.add(v);
  }
  return depends;
}

/** Which inputs of a loop's or branch's part depend on what is `given` of its equation's inputs. */
function reached(eqn: Eqn, part: Graph, given: (x: Atom) => boolean): Var[] {
  const control = eqn.prim.control!(eqn.params);
  const carry = control.kind === "branch" ? 0 : control.carry;
  // The last inputs of both are the same.
  const ahead = eqn.inputs.length - part.inputs.length;
  const found = new Set(part.inputs.filter((_, i) => given(eqn.inputs[ahead + i]!)));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    const depends = dependents(part, [...found]);
    part.outputs.slice(0, carry).forEach((x, i) => {
      if (depends(x)) found.add(part.inputs[i]!);
    });
  }
  return [...found];
}

/** An equation whose derivative is zero, of a value that is not: floor, sign, stopGradient. */
function flatIn(graph: Graph, inputs: readonly Var[]): Eqn | undefined {
  const depends = dependents(graph, inputs);
  for (const eqn of graph.eqns) {
    if (!eqn.inputs.some(depends)) continue;
    const { prim, outputs } = eqn;
    const parts = prim.control ? subGraphs(eqn.params) : [];
    for (const part of parts) {
      const inner = flatIn(part, reached(eqn, part, depends));
      if (inner) return inner;
    }
    const smooth = prim.jvp || prim.jvpJoint;
    if (!smooth && outputs.some((v) => isFloat(v.aval.dtype))) return eqn;
  }
  return undefined;
}

/** The first equation in which the function is seen not to be linear. */
function obstacle(call: TracedCall, parts: LinearizedGraph): Eqn | undefined {
  const graph = dce(call.graph);
  const flat = flatIn(graph, graph.inputs.slice(0, call.leaves.length));
  if (flat) return flat;
  // A derivative that is not the same everywhere.
  const { forward, linear, residuals } = parts;
  const varies = dependents(forward, forward.inputs.slice(0, call.leaves.length));
  const kept = forward.outputs.slice(forward.outputs.length - residuals).map(varies);
  const fromKept = dependents(
    linear,
    linear.inputs.filter((_, i) => kept[i]),
  );
  const tangents = dependents(linear, linear.inputs.slice(residuals));
  return linear.eqns.find((e) => e.inputs.some(fromKept) && e.outputs.some(tangents));
}

/**
 * The transpose of a function that is linear in its arguments (jax.linear_transpose): takes a cotangent
 * with the structure of the output and returns a list, one cotangent for each argument. The primals
 * give shapes and dtypes only. A constant that is added to the result does not matter.
 *
 * @throws DawngradError where `f` is not linear, with the operation that is not; DtypeError for
 * integers.
 *
 * ```ts
 * const differences = (x: Tensor) => x.at([1, null]).sub(x.at([null, -1]));
 * const transposed = linearTranspose(differences, zeros([3]));
 * await transposed(array([1, 10]))[0].toArray(); // [-1, -9, 10]
 * ```
 */
export function linearTranspose<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: A
): (cotangent: R) => A {
  const call = traceCall("linearTranspose", f as unknown as AnyFunction, primals);
  call.leaves.forEach((x, i) => {
    if (isFloat(x.dtype)) return;
    throw new DtypeError(
      `linearTranspose: ${leafName(call, i)} is ${showAval(x.aval)}, and only float32 has ` +
        "cotangents; close over what is not transposed",
    );
  });
  const mask = call.inputs.map((_, i) => i < call.leaves.length);
  const parts = linearizeGraph(call.graph, mask);
  const eqn = obstacle(call, parts);
  if (eqn) {
    throw new DawngradError(
      `linearTranspose: '${call.label}' is not linear: it applies ${eqn.prim.name} to ` +
        `${eqn.inputs.map((x) => showAval(x.aval)).join(" and ")} that depend on its arguments; ` +
        "vjp linearises first",
    );
  }
  const { forward, linear, residuals, outMask } = parts;
  // What the linear map needs of constants and of what `f` closes over.
  const n = call.graph.outputs.length;
  const constants = applyGraph(forward, call.inputs, `linearTranspose of ${call.label}`).slice(n);
  const { graph: transposed } = transposeGraph(
    linear,
    linear.inputs.map((_, i) => i >= residuals),
  );
  const backward = dce(transposed);
  return (cotangent: R): A => {
    const op = "transposed function";
    const cts = matchTangents(op, "cotangent", cotangent, call.outDef, call.graph.outputs);
    const list = cts.flatMap((c, i) =>
      outMask[i] ? [c ?? zerosTensor(call.graph.outputs[i]!)] : [],
    );
    const gs = applyGraph(backward, [...constants, ...list], `transpose of ${call.label}`);
    return call.inDef.unflatten(gs) as unknown as A;
  };
}

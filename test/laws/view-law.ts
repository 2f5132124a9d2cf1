/** Index expressions: every view, and every chain of views as one expression, finds its elements. */
import { sizeOf } from "../../src/core/aval.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { type Atom, type Eqn, type Graph, Lit, type Var } from "../../src/ir/graph.js";
import {
  type Idx,
  idxEvaluate,
  idxFlatten,
  idxUnflatten,
  idxVar,
  type ViewExpr,
} from "../../src/ir/index-expr.js";

/** The element of a value at flat position `at` of the view that is being checked. */
type Element = (at: number) => number;

const noLoad = (): never => {
  throw new Error("an index that is data was composed");
};
const indexAt = (e: Idx, at: number): number => idxEvaluate(e, () => at, noLoad);

const readsData = (e: Idx): boolean =>
  e.terms.some(({ atom }) => atom.op === "load" || (atom.op !== "var" && readsData(atom.arg)));

const isStatic = (e: ViewExpr): boolean => {
  switch (e.kind) {
    case "element":
      return !e.index.some(readsData);
    case "index":
      return !readsData(e.value);
    case "within":
      return !readsData(e.value) && isStatic(e.then) && isStatic(e.else);
  }
};

/** Throws unless each view of the graph, composed with the views before it, equals its reference. */
export function checkViews(graph: Graph, inputs: readonly NdArray[]): void {
  const values = new Map<Var, NdArray>(graph.inputs.map((v, i) => [v, inputs[i]!]));
  const definitions = new Map<Var, Eqn>();
  const read = (x: Atom): NdArray =>
    x instanceof Lit ? ndarray([], x.aval.dtype, x.value) : values.get(x)!;

  const exprOf = (eqn: Eqn, index: readonly Idx[]): ViewExpr | undefined => {
    const expr = eqn.prim.view?.({
      index,
      inputs: eqn.inputs.map((x) => x.aval),
      output: eqn.outputs[0]!.aval,
      params: eqn.params,
    });
    return expr && isStatic(expr) ? expr : undefined;
  };
  const compose = (x: Atom, index: readonly Idx[]): Element => {
    const eqn = x instanceof Lit ? undefined : definitions.get(x);
    const expr = eqn && exprOf(eqn, index);
    if (eqn && expr) return elementOf(eqn, expr);
    const { data } = read(x);
    const flat = idxFlatten(index, x.aval.shape);
    return (at) => data[indexAt(flat, at)]!;
  };
  const elementOf = (eqn: Eqn, expr: ViewExpr): Element => {
    switch (expr.kind) {
      case "element":
        return compose(eqn.inputs[expr.operand]!, expr.index);
      case "index":
        return (at) => indexAt(expr.value, at);
      case "within": {
        const inside = elementOf(eqn, expr.then);
        const outside = elementOf(eqn, expr.else);
        return (at) => {
          const v = indexAt(expr.value, at);
          return expr.lo <= v && v < expr.hi ? inside(at) : outside(at);
        };
      }
    }
  };

  for (const eqn of graph.eqns) {
    const avals = eqn.outputs.map((v) => v.aval);
    eqn.prim.ref(eqn.inputs.map(read), eqn.params, avals).forEach((value, i) => {
      values.set(eqn.outputs[i]!, value);
      definitions.set(eqn.outputs[i]!, eqn);
    });
    const out = eqn.outputs[0]!;
    const { shape } = out.aval;
    if (eqn.prim.kind !== "view" || sizeOf(shape) === 0) continue;
    const expr = exprOf(eqn, idxUnflatten(idxVar("at", sizeOf(shape)), shape));
    if (!expr) continue;
    const element = elementOf(eqn, expr);
    values.get(out)!.data.forEach((want, at) => {
      const got = element(at);
      if (!Object.is(got, want) && got !== want) {
        throw new Error(`${eqn.prim.name}: element ${at} of [${shape}] is ${got}, not ${want}`);
      }
    });
  }
}

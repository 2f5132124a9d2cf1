/** Text of graphs: for people (`showGraph`) and as exact cache keys (`graphKey`). */
import { showAval } from "../core/aval.js";
import type { Atom, Graph, Lit, Var } from "./graph.js";
import { isGraph, subGraphs } from "./subgraphs.js";

const isLit = (x: Atom): x is Lit => "value" in x;

const structureKeys = new WeakMap<Graph, string>();
const valueKeys = new WeakMap<Graph, string>();

const paramsKeys = [new WeakMap<object, string>(), new WeakMap<object, string>()] as const;

/**
 * A canonical text of the parameters of an equation; equal texts mean equal parameters. Without
 * `values`, constants within sub-graphs may differ. Passes hand parameters on as they are, so the text of
 * an object is made once.
 */
export function paramsKey(params: object, values = true): string {
  const keys = paramsKeys[values ? 1 : 0];
  let key = keys.get(params);
  if (key === undefined) {
    key = textOf(params, values);
    keys.set(params, key);
  }
  return key;
}

function textOf(params: unknown, values: boolean): string {
  if (isGraph(params)) return `{${graphKey(params, values)}}`;
  if (Array.isArray(params)) return `[${params.map((x) => textOf(x, values)).join(",")}]`;
  if (typeof params === "object" && params !== null) {
    const entries = Object.entries(params).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([k, v]) => `${k}:${textOf(v, values)}`).join(",")}}`;
  }
  if (typeof params === "function") return `fn#${functionId(params)}`;
  if (typeof params === "string") return JSON.stringify(params);
  return Object.is(params, -0) ? "-0" : String(params);
}

// Functions in parameters (custom rules, callbacks) are equal only when identical.
const functionIds = new WeakMap<object, number>();
let nextFunctionId = 0;
function functionId(f: object): number {
  let id = functionIds.get(f);
  if (id === undefined) {
    id = nextFunctionId++;
    functionIds.set(f, id);
  }
  return id;
}

/**
 * The structure of a graph as text. Scalar constants appear by dtype only (their values are data),
 * unless `values` is set. Two graphs with equal keys are the same program up to those constants,
 * which `graphLits` lists in the same order.
 */
export function graphKey(graph: Graph, values = false): string {
  const keys = values ? valueKeys : structureKeys;
  const have = keys.get(graph);
  if (have !== undefined) return have;
  const ids = new Map<Var, number>();
  const name = (x: Atom): string => {
    if (isLit(x)) {
      const value = Object.is(x.value, -0) ? "-0" : String(x.value);
      return values ? `${value}:${x.aval.dtype}` : `?${x.aval.dtype}`;
    }
    return String(ids.get(x));
  };
  const define = (v: Var): string => {
    ids.set(v, ids.size);
    return showAval(v.aval);
  };
  const lines = [graph.inputs.map(define).join(" ")];
  for (const e of graph.eqns) {
    const inputs = e.inputs.map(name).join(" ");
    lines.push(
      `${e.prim.name}${paramsKey(e.params, values)} ${inputs} : ${e.outputs.map(define).join(" ")}`,
    );
  }
  lines.push(graph.outputs.map(name).join(" "));
  const key = lines.join("\n");
  keys.set(graph, key);
  return key;
}

/** The scalar constants of a graph, sub-graphs' included, in the order of `graphKey`. */
export function graphLits(graph: Graph): Lit[] {
  const out: Lit[] = [];
  for (const e of graph.eqns) {
    for (const g of subGraphs(e.params)) out.push(...graphLits(g));
    for (const x of e.inputs) if (isLit(x)) out.push(x);
  }
  for (const x of graph.outputs) if (isLit(x)) out.push(x);
  return out;
}

const letters = (n: number): string =>
  (n >= 26 ? letters(Math.floor(n / 26) - 1) : "") + String.fromCharCode(97 + (n % 26));

/** Readable text, in the manner of a jaxpr. */
export function showGraph(graph: Graph, indent = ""): string {
  const ids = new Map<Var, string>();
  const define = (v: Var): string => {
    const n = letters(ids.size);
    ids.set(v, n);
    return `${n}:${showAval(v.aval)}`;
  };
  const name = (x: Atom): string => (isLit(x) ? `${x.value}:${x.aval.dtype}` : (ids.get(x) ?? "?"));
  const nested = `${indent}    `;
  const showParam = (v: unknown): string => {
    if (isGraph(v)) return `\n${showGraph(v, nested)}\n${nested}`;
    if (Array.isArray(v) && v.some(isGraph)) return `[${v.map(showParam).join("")}]`;
    return textOf(v, true);
  };
  const lines = [`${indent}{ lambda ${graph.inputs.map(define).join(" ")} .`];
  for (const e of graph.eqns) {
    const params = Object.entries(e.params).filter(([, v]) => v !== undefined);
    const shown =
      params.length === 0 ? "" : `[${params.map(([k, v]) => `${k}=${showParam(v)}`).join(" ")}]`;
    const inputs = e.inputs.map(name).join(" ");
    lines.push(`${indent}  ${e.outputs.map(define).join(" ")} = ${e.prim.name}${shown} ${inputs}`);
  }
  lines.push(`${indent}  in (${graph.outputs.map(name).join(", ")}) }`);
  return lines.join("\n");
}

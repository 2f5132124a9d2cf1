/**
 * Builds graphs. Equations are hash-consed: the same primitive on the same atoms with the same
 * parameters is one equation, which is common-subexpression elimination for free.
 *
 * The builder in use is ambient: primitives' rules and the functions in src/prims call `bind`, which
 * adds to the innermost builder.
 */
import type { Aval } from "../core/aval.js";
import { aval, showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import { type Atom, type Eqn, Graph, Lit, Var } from "./graph.js";
import { originNow } from "./origin.js";
import type { Primitive } from "./primitive.js";
import { paramsKey } from "./print.js";
import { hasEffects } from "./subgraphs.js";

export class Builder {
  readonly inputs: Var[] = [];
  readonly eqns: Eqn[] = [];
  readonly parent: Builder | undefined;
  /** Whether primitives' `simplify` rules apply; those of a builder within follow it. */
  readonly simplifies: boolean;
  /** False once the builder's function has returned: tracers that outlive it have leaked. */
  open = true;
  /** By primitive, parameters and inputs: texts of parameters are long, and hashed once this way. */
  readonly #memo = new Map<string, Map<string, Map<string, readonly Atom[]>>>();
  readonly #ids = new Map<Var, number>();
  readonly #definitions = new Map<Var, Eqn>();

  constructor(parent?: Builder, simplifies = parent?.simplifies ?? true) {
    this.parent = parent;
    this.simplifies = simplifies;
  }

  input(a: Aval): Var {
    const v = new Var(a);
    this.inputs.push(v);
    this.#ids.set(v, this.#ids.size);
    return v;
  }

  /** A variable of another graph as an input of this one. */
  keepInput(v: Var): void {
    this.inputs.push(v);
    this.#ids.set(v, this.#ids.size);
  }

  /** An equation of another graph, whose inputs are variables of this one, as it is. */
  keep(eqn: Eqn): void {
    for (const v of eqn.outputs) {
      this.#ids.set(v, this.#ids.size);
      this.#definitions.set(v, eqn);
    }
    this.eqns.push(eqn);
  }

  owns(v: Var): boolean {
    return this.#ids.has(v);
  }

  /** The equation of this graph that defines a variable; undefined for inputs. */
  definition(v: Var): Eqn | undefined {
    return this.#definitions.get(v);
  }

  #keyOf(x: Atom, prim: Primitive): string {
    if (x instanceof Lit) return litKey(x);
    const id = this.#ids.get(x);
    if (id === undefined) {
      throw new DawngradError(
        `internal: ${prim.name} got a variable ${showAval(x.aval)} of another graph`,
      );
    }
    return `v${id}`;
  }

  add(prim: Primitive, inputs: readonly Atom[], params: object): readonly Atom[] {
    const outAvals = prim.aval(
      inputs.map((x) => x.aval),
      params,
    );
    const simpler = this.simplifies ? prim.simplify?.(inputs, params) : null;
    if (simpler) return simpler;
    let key = "";
    for (const x of inputs) key += `${this.#keyOf(x, prim)},`;
    const memo = this.#memoOf(prim.name, paramsKey(params));
    const have = memo.get(key);
    if (have) return have;
    const outputs = outAvals.map((a) => new Var(a));
    const origin = originNow();
    const eqn: Eqn = { prim, inputs, params, outputs, ...(origin ? { origin } : {}) };
    for (const v of outputs) {
      this.#ids.set(v, this.#ids.size);
      this.#definitions.set(v, eqn);
    }
    this.eqns.push(eqn);
    if (!hasEffects(eqn)) memo.set(key, outputs);
    return outputs;
  }

  #memoOf(name: string, params: string): Map<string, readonly Atom[]> {
    let byParams = this.#memo.get(name);
    if (!byParams) {
      byParams = new Map();
      this.#memo.set(name, byParams);
    }
    let memo = byParams.get(params);
    if (!memo) {
      memo = new Map();
      byParams.set(params, memo);
    }
    return memo;
  }

  build(outputs: readonly Atom[]): Graph {
    return new Graph([...this.inputs], [...this.eqns], [...outputs]);
  }
}

const litKey = (x: Lit): string =>
  `${x.aval.dtype}:${Object.is(x.value, -0) ? "-0" : String(x.value)}`;

let active: Builder | undefined;

/** The innermost builder, or undefined outside every trace. */
export const currentBuilder = (): Builder | undefined => active;

/** Run `f` with `builder` innermost. Restores the previous one whatever happens. */
export function withBuilder<T>(builder: Builder, f: () => T): T {
  const before = active;
  active = builder;
  try {
    return f();
  } finally {
    active = before;
  }
}

/** Add an equation to the innermost builder. */
export function bind<P extends object>(
  prim: Primitive<P>,
  inputs: readonly Atom[],
  params: P,
): readonly Atom[] {
  if (!active) throw new DawngradError(`internal: ${prim.name} was bound outside a trace`);
  return active.add(prim as Primitive, inputs, params);
}

/** `bind` for primitives with one output. */
export function bind1<P extends object>(
  prim: Primitive<P>,
  inputs: readonly Atom[],
  params: P,
): Atom {
  return bind(prim, inputs, params)[0]!;
}

/**
 * Inputs and parameters of the equation that defines `x`, when it is one of `prim`. Simplification
 * rules use it to look through a chain of views.
 */
export function definitionOf<P extends object>(
  x: Atom,
  prim: Primitive<P>,
): { readonly inputs: readonly Atom[]; readonly params: P } | null {
  const eqn = x instanceof Var ? active?.definition(x) : undefined;
  return eqn && eqn.prim === (prim as Primitive)
    ? { inputs: eqn.inputs, params: eqn.params as P }
    : null;
}

/** A scalar constant of the given dtype. */
export const lit = (value: number, dtype: DType): Lit => new Lit(aval([], dtype), value);

/** Build a graph from a function of atoms. */
export function buildGraph(
  inputs: readonly Aval[],
  f: (inputs: readonly Var[]) => readonly Atom[],
): Graph {
  const b = new Builder(active);
  const vars = inputs.map((a) => b.input(a));
  return withBuilder(b, () => b.build(f(vars)));
}

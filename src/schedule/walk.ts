/**
 * What an element of a variable is, as an expression: elementwise equations at the same index, views
 * at a transformed one. This is the only place that composes them; the scheduler walks expressions to
 * learn what a kernel reads, the emitter walks them to write it.
 */
import { DawngradError } from "../core/errors.js";
import { type Atom, type Eqn, Lit, type Var } from "../ir/graph.js";
import {
  type Idx,
  type IdxAtom,
  idxAdd,
  idxAtom,
  idxConst,
  idxDiv,
  idxLoad,
  idxMod,
  idxScale,
  type ViewExpr,
} from "../ir/index-expr.js";
import type { Defs } from "./defs.js";

/** What a walk makes of the parts of an expression. */
export interface Algebra<T> {
  /** A value that is not composed here (loaded, reduced, known); undefined to go into its equation. */
  resolve(v: Var, index: readonly Idx[]): T | undefined;
  constant(x: Lit): T;
  elementwise(eqn: Eqn, args: readonly T[]): readonly T[];
  /** The position itself, as a number of the dtype of the view's output. */
  position(value: Idx, eqn: Eqn): T;
  within(e: ViewExpr & { kind: "within" }, then: () => T, otherwise: () => T, eqn: Eqn): T;
  /** What is computed from this equation's output must come after its other operands. */
  ordered?(eqn: Eqn): void;
  /** Values of an equation at an index: `make` them, or give those made before. */
  once(eqn: Eqn, index: readonly Idx[], make: () => readonly T[]): readonly T[];
}

// Loads within composed indices name variables of the graph, not operands of one view.
const globalLoads = 2 ** 20;

/** The variable that a load atom of a composed index reads. */
export const loadedAtom = (defs: Defs, operand: number): Atom => defs.byId(operand - globalLoads);

function mapLoads(e: Idx, f: (operand: number) => number): Idx {
  if (!e.loads) return e;
  let out = idxConst(e.constant);
  for (const { atom, coeff } of e.terms) out = idxAdd(out, idxScale(mapAtom(atom, f), coeff));
  return out;
}

function mapAtom(atom: IdxAtom, f: (operand: number) => number): Idx {
  switch (atom.op) {
    case "var":
      return idxAtom(atom);
    case "div":
      return idxDiv(mapLoads(atom.arg, f), atom.by);
    case "mod":
      return idxMod(mapLoads(atom.arg, f), atom.by);
    case "load":
      return idxLoad(
        f(atom.operand),
        atom.index.map((i) => mapLoads(i, f)),
        atom.hi + 1,
      );
  }
}

export class Walker<T> {
  readonly defs: Defs;
  readonly #algebra: Algebra<T>;

  constructor(defs: Defs, algebra: Algebra<T>) {
    this.defs = defs;
    this.#algebra = algebra;
  }

  /** The element of `x` at `index`. */
  value(x: Atom, index: readonly Idx[]): T {
    if (x instanceof Lit) return this.#algebra.constant(x);
    const known = this.#algebra.resolve(x, index);
    if (known !== undefined) return known;
    const definition = this.defs.of(x);
    if (!definition) throw new DawngradError("internal: an expression reads an unknown variable");
    return this.#algebra.once(definition.eqn, index, () => this.compute(definition.eqn, index))[
      definition.output
    ]!;
  }

  /** All outputs of an equation at `index`, computed here whatever is stored. */
  compute(eqn: Eqn, index: readonly Idx[]): readonly T[] {
    const { prim } = eqn;
    if (prim.kind === "elementwise") {
      return this.#algebra.elementwise(
        eqn,
        eqn.inputs.map((x) => this.value(x, index)),
      );
    }
    if (prim.ordersBy) this.#algebra.ordered?.(eqn);
    if (prim.kind === "view" && prim.view) return [this.#view(viewOf(this.defs, eqn, index), eqn)];
    throw new DawngradError(`internal: ${prim.name} (${prim.kind}) within an expression`);
  }

  #view(e: ViewExpr, eqn: Eqn): T {
    switch (e.kind) {
      case "element":
        return this.value(eqn.inputs[e.operand]!, e.index);
      case "index":
        return this.#algebra.position(e.value, eqn);
      case "within": {
        // Ranges decide many conditions: a crop of a pad, the block of a concatenation.
        if (e.value.lo >= e.lo && e.value.hi < e.hi) return this.#view(e.then, eqn);
        if (e.value.hi < e.lo || e.value.lo >= e.hi) return this.#view(e.else, eqn);
        return this.#algebra.within(
          e,
          () => this.#view(e.then, eqn),
          () => this.#view(e.else, eqn),
          eqn,
        );
      }
    }
  }
}

/** The view's own expression, with loads that name variables of the graph. */
export function viewOf(defs: Defs, eqn: Eqn, index: readonly Idx[]): ViewExpr {
  const raw = eqn.prim.view!({
    index,
    inputs: eqn.inputs.map((x) => x.aval),
    output: eqn.outputs[0]!.aval,
    params: eqn.params,
  });
  const global = (operand: number): number =>
    operand >= globalLoads ? operand : globalLoads + defs.id(eqn.inputs[operand]!);
  const at = (e: Idx) => mapLoads(e, global);
  const rewrite = (e: ViewExpr): ViewExpr => {
    switch (e.kind) {
      case "element":
        return { kind: "element", operand: e.operand, index: e.index.map(at) };
      case "index":
        return { kind: "index", value: at(e.value) };
      case "within":
        return {
          kind: "within",
          value: at(e.value),
          lo: e.lo,
          hi: e.hi,
          // biome-ignore lint/suspicious/noThenProperty: the branch of a condition, not a promise
          then: rewrite(e.then),
          else: rewrite(e.else),
        };
    }
  };
  return rewrite(raw);
}

const names = new WeakMap<readonly Idx[], ReadonlySet<string>>();

/** Names of the loop variables that an index depends on, through divisions and loads too. */
export function namesIn(index: readonly Idx[]): ReadonlySet<string> {
  let found = names.get(index);
  if (!found) {
    const into = new Set<string>();
    collectNames(index, into);
    found = into;
    names.set(index, found);
  }
  return found;
}

function collectNames(index: readonly Idx[], into: Set<string>): void {
  for (const e of index) {
    for (const { atom } of e.terms) {
      if (atom.op === "var") into.add(atom.name);
      else collectNames(atom.op === "load" ? atom.index : [atom.arg], into);
    }
  }
}

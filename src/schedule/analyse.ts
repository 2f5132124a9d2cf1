/** What computing a variable reads and costs, found by walking its expression. */
import { sizeOf } from "../core/aval.js";
import type { Eqn, Var } from "../ir/graph.js";
import { type Idx, idxFlatten, idxKey, idxUnflatten, idxVar } from "../ir/index-expr.js";
import { operandIndex, sourceOf } from "./contraction.js";
import type { Defs } from "./defs.js";
import { loopVar, operandAt, pointOf, reduction, sizesOf } from "./kernel.js";
import { type Algebra, loadedAtom, namesIn, Walker } from "./walk.js";

/** Which variables live in memory (or registers of their own kernel), and which are just scalars. */
export interface Storage {
  /** A value of its own: loaded, not recomputed. */
  isStored(v: Var): boolean;
  /** A scalar that comes with the run's constants. */
  isScalar(v: Var): boolean;
}

export interface Analysis {
  /**
   * Stored variables read, with the keys of the flat positions they are read at: no position for those
   * that only have to be there before.
   */
  readonly reads: Map<Var, Set<string>>;
  /** Elementwise equations evaluated within, with the keys of the indices. */
  readonly inline: Map<Eqn, Set<string>>;
  /** Weight of the expression: operations by cost, once for each index. */
  weight: number;
  /** Operations for one point (loops included). */
  flops: number;
  /** Loads for one point, loops included. */
  loads: number;
}

/** Where a contraction is computed: as flat positions of its lanes, rows and columns. */
export interface ContractPoint {
  readonly lane: Idx;
  readonly row: Idx;
  readonly column: Idx;
}

const costOf = (eqn: Eqn): number => eqn.prim.cost ?? 1;

/** A walk that collects; `visit` adds further roots to the same analysis. */
export class Analyser {
  readonly result: Analysis = {
    reads: new Map(),
    inline: new Map(),
    weight: 0,
    flops: 0,
    loads: 0,
  };
  /** Times that each inlined elementwise equation is evaluated for one point. */
  readonly evaluations = new Map<Eqn, number>();
  /** The keys of the indices at which each equation has been visited. */
  readonly #seen = new Map<Eqn, Set<string>>();
  readonly #walker: Walker<true>;
  readonly #defs: Defs;
  /** Times that what is being visited runs for each point: less than one where points share it. */
  #times = 1;

  /** `seen` is told of every stored variable that is read, and the flat position. */
  constructor(defs: Defs, storage: Storage, seen?: (v: Var, flat: Idx) => void) {
    this.#defs = defs;
    const { result } = this;
    const loads = (index: readonly Idx[]): void => {
      for (const e of index) {
        if (!e.loads) continue;
        for (const { atom } of e.terms) {
          if (atom.op === "div" || atom.op === "mod") loads([atom.arg]);
          if (atom.op === "load") this.#walker.value(loadedAtom(defs, atom.operand), atom.index);
        }
      }
    };
    const algebra: Algebra<true> = {
      resolve: (v, index) => {
        if (storage.isScalar(v)) return true;
        if (!storage.isStored(v)) return undefined;
        const flat = idxFlatten(index, v.aval.shape);
        const keys = result.reads.get(v) ?? new Set<string>();
        if (keys.has(flat.key)) return true;
        keys.add(flat.key);
        seen?.(v, flat);
        result.reads.set(v, keys);
        result.weight += 1;
        result.loads += this.#inLoop(index) ? this.#times : 1;
        loads([flat]);
        return true;
      },
      constant: () => true,
      elementwise: (eqn) => {
        const cost = costOf(eqn);
        result.weight += Math.max(1, cost / 4);
        return eqn.outputs.map(() => true as const);
      },
      position: (value) => {
        loads([value]);
        return true;
      },
      within: (e, then, otherwise) => {
        loads([e.value]);
        result.weight += 1;
        then();
        otherwise();
        return true;
      },
      ordered: (eqn) => {
        for (const x of eqn.inputs.slice(1)) {
          // A read at no position: an order, and nothing to bind.
          const from = sourceOf(defs, x, (v) => storage.isStored(v));
          if (!from || defs.inputIndex(from) !== undefined || result.reads.has(from)) continue;
          result.reads.set(from, new Set());
        }
      },
      once: (eqn, index, make) => {
        const at = idxKey(index);
        const seen = this.#seen.get(eqn);
        if (seen?.has(at)) return eqn.outputs.map(() => true as const);
        if (eqn.prim.kind === "elementwise") {
          const keys = result.inline.get(eqn) ?? new Set<string>();
          keys.add(at);
          result.inline.set(eqn, keys);
          const times = this.#inLoop(index) ? this.#times : 1;
          result.flops += costOf(eqn) * times;
          this.evaluations.set(eqn, (this.evaluations.get(eqn) ?? 0) + times);
        }
        const made = make() as readonly true[];
        if (seen) seen.add(at);
        else this.#seen.set(eqn, new Set([at]));
        return made;
      },
    };
    this.#walker = new Walker(defs, algebra);
  }

  #inLoop(index: readonly Idx[]): boolean {
    if (this.#times <= 1) return this.#times < 1;
    for (const name of namesIn(index)) if (name.startsWith("r")) return true;
    return false;
  }

  /** Everything that computing `v` at position `index` reads. */
  visit(v: Var, index: readonly Idx[], times = 1, at?: ContractPoint): void {
    const { eqn } = this.#defs.of(v)!;
    const { prim } = eqn;
    if (prim.kind === "reduce") {
      const { extent } = reduction(eqn);
      const at = operandAt(eqn, index, loopVar(extent));
      this.#within(times * extent, () => {
        for (const x of eqn.inputs) this.#walker.value(x, at);
        this.result.flops += extent;
      });
    } else if (prim.kind === "contract") {
      const { batch, m, n, k } = sizesOf(eqn);
      const depth = idxVar("k", k);
      const lane = at?.lane ?? idxVar("b", batch);
      const row = at?.row ?? idxVar("m", m);
      const column = at?.column ?? idxVar("n", n);
      this.#walker.value(eqn.inputs[0]!, operandIndex(eqn, 0, lane, row, depth));
      this.#walker.value(eqn.inputs[1]!, operandIndex(eqn, 1, lane, column, depth));
      this.result.flops += 2 * k;
    } else {
      this.#within(times, () => this.#walker.compute(eqn, index));
    }
  }

  #within(times: number, f: () => void): void {
    const before = this.#times;
    this.#times = times;
    f();
    this.#times = before;
  }
}

/** The analysis of one variable at the point with its flat position. */
export function analyse(defs: Defs, storage: Storage, v: Var): Analysis {
  const analyser = new Analyser(defs, storage);
  analyser.visit(v, idxUnflatten(pointOf(sizeOf(v.aval.shape)), v.aval.shape));
  return analyser.result;
}

/** Analyses of variables while more and more elementwise values become stored. */
export class Analyses {
  readonly #defs: Defs;
  readonly #storage: Storage;
  readonly #made = new Map<Var, Analysis>();

  constructor(defs: Defs, storage: Storage) {
    this.#defs = defs;
    this.#storage = storage;
  }

  of(v: Var): Analysis {
    const have = this.#made.get(v);
    if (have && this.#holds(v, have)) return have;
    const made = analyse(this.#defs, this.#storage, v);
    this.#made.set(v, made);
    return made;
  }

  /** Is everything that was computed within the expression still computed there? */
  #holds(v: Var, a: Analysis): boolean {
    for (const eqn of a.inline.keys()) {
      for (const x of eqn.outputs) if (x !== v && this.#storage.isStored(x)) return false;
    }
    return true;
  }
}

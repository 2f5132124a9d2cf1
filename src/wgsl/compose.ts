/**
 * Writes expressions as WGSL: the emitting counterpart of the scheduler's analysis. Values are bound
 * to names in the outermost block where they are known, once for each index, one or four lanes wide.
 */
import type { DType } from "../core/dtype.js";
import type { Eqn, Lit, Var } from "../ir/graph.js";
import {
  type Idx,
  type IdxAtom,
  idxAdd,
  idxAtom,
  idxConst,
  idxFlatten,
  idxKey,
  idxScale,
  idxSub,
  idxSubstitute,
  idxVar,
  largestIndex,
} from "../ir/index-expr.js";
import type { EmitContext } from "../ir/primitive.js";
import type { Storage } from "../schedule/analyse.js";
import type { Defs } from "../schedule/defs.js";
import { stepLevel } from "../schedule/place.js";
import { countsTooFar } from "../schedule/sizes.js";
import { type Algebra, loadedAtom, namesIn, Walker } from "../schedule/walk.js";
import type { ModuleBuilder, Place } from "./module.js";
import type { Scopes } from "./scope.js";
import { constantText, indexText, typeOf, type Width, wordOf } from "./text.js";

export interface Value {
  readonly text: string;
  readonly width: Width;
  readonly dtype: DType;
}

/** How well the memory accesses of a kernel come out. */
export interface AccessCounts {
  /** Aligned vectors, for four elements each. */
  vector: number;
  /** Single elements. */
  scalar: number;
}

export interface ComposerOptions {
  readonly defs: Defs;
  readonly storage: Storage;
  readonly module: ModuleBuilder;
  readonly scopes: Scopes;
  /** Where a stored variable of another kernel lies. */
  place(v: Var): Place;
  /** A value that the kernel holds itself (at its point, or in its inner loop). */
  own(v: Var, flat: Idx): Value | undefined;
}

export class Composer {
  readonly counts: AccessCounts = { vector: 0, scalar: 0 };
  readonly walker: Walker<Value>;
  /** The loop variable whose steps of four are the lanes of vectors. */
  vectorName: string | undefined;
  /** Iterations of the loop that is being written. */
  times = 1;
  readonly #o: ComposerOptions;

  constructor(options: ComposerOptions) {
    this.#o = options;
    this.walker = new Walker(options.defs, this.#algebra());
  }

  /** The element of `x` at `index`, four lanes wide where the index depends on the vector variable. */
  value(v: Var, index: readonly Idx[]): Value {
    return this.walker.value(v, index);
  }

  /** The element of the variable itself, though it is stored (it is being computed here). */
  computed(v: Var, index: readonly Idx[]): Value {
    const { eqn, output } = this.#o.defs.of(v)!;
    return this.#once(eqn, index, () => this.walker.compute(eqn, index))[output]!;
  }

  count(kind: keyof AccessCounts, n: number): void {
    this.counts[kind] += n * (this.#o.scopes.depth > 0 ? this.times : 1);
  }

  isVector(index: readonly Idx[]): boolean {
    return this.vectorName !== undefined && namesIn(index).has(this.vectorName);
  }

  /** `e` for each of the four lanes, in terms of the vector variable's quarter. */
  lanes(e: Idx, name = this.vectorName!): readonly [Idx, Idx, Idx, Idx] {
    const lane = (j: number) =>
      idxSubstitute(e, (n, hi) => {
        if (n !== name) return undefined;
        return idxAdd(idxScale(quarterVar(name, hi), 4), j);
      });
    return [lane(0), lane(1), lane(2), lane(3)];
  }

  /** An index as a scalar u32 expression. */
  index(e: Idx): string {
    return indexText(e, (atom) => this.#atom(atom));
  }

  #atom(atom: IdxAtom): string {
    const { scopes, module } = this.#o;
    if (atom.op === "var") {
      const level = stepLevel(atom.name);
      return level === undefined ? atom.name : module.step(level);
    }
    const names = namesIn([idxAtom(atom)]);
    return scopes.once(`i:${atom.key}`, names, () => {
      let text: string;
      if (atom.op === "load") {
        // One lane's index: the loaded element is a scalar.
        const before = this.vectorName;
        this.vectorName = undefined;
        const x = this.walker.value(loadedAtom(this.#o.defs, atom.operand), atom.index);
        this.vectorName = before;
        text =
          x.dtype === "int32"
            ? `u32(clamp(${x.text}, 0i, ${atom.hi}i))`
            : `min(u32(${x.text}), ${atom.hi}u)`;
      } else {
        if (atom.arg.hi > largestIndex) throw countsTooFar(atom.arg.hi);
        text = `${this.index(atom.arg)} ${atom.op === "div" ? "/" : "%"} ${atom.by}u`;
      }
      const name = module.fresh("at");
      scopes.lines.push(`let ${name} = ${text};`);
      return name;
    });
  }

  #let(type: string, expression: string): string {
    const name = this.#o.module.fresh("v");
    this.#o.scopes.lines.push(`let ${name}: ${type} = ${expression};`);
    return name;
  }

  splat(x: Value, width: Width): string {
    return width === 4 && x.width === 1 ? `${typeOf(x.dtype, 4)}(${x.text})` : x.text;
  }

  context(width: Width): EmitContext {
    const { module } = this.#o;
    return {
      width,
      type: (dtype) => typeOf(dtype, width),
      constant: (value, dtype) => this.constant(value, dtype, width),
      let: (type, expression) => this.#let(type, expression),
      helper: (name, code) => module.helper(name, width, code),
    };
  }

  constant(value: number, dtype: DType, width: Width): string {
    const known = constantText(value, dtype);
    const scalar = known ?? this.#word(`c:${value}`, this.#o.module.constant(value, dtype), dtype);
    return width === 4 ? `${typeOf(dtype, 4)}(${scalar})` : scalar;
  }

  #word(key: string, text: string, dtype: DType): string {
    return this.#o.scopes.once(`${key}:${dtype}`, new Set(), () =>
      this.#let(typeOf(dtype, 1), text),
    );
  }

  #once(eqn: Eqn, index: readonly Idx[], make: () => readonly Value[]): readonly Value[] {
    const key = `${this.#o.defs.id(eqn.outputs[0]!)}@${idxKey(index)}`;
    return this.#o.scopes.once(key, namesIn(index), make);
  }

  #load(v: Var, at: Idx): Value {
    const { scopes, module, defs } = this.#o;
    const { dtype } = v.aval;
    return scopes.once(`l:${defs.id(v)}@${at.key}`, namesIn([at]), (): Value => {
      const place = this.#o.place(v);
      const flat = place.base ? idxAdd(at, place.base) : at;
      if (!this.isVector([flat])) {
        this.count("scalar", 1);
        const text = module.load(place, dtype, 1, this.index(flat));
        return { text: this.#let(typeOf(dtype, 1), text), width: 1, dtype };
      }
      const lanes = this.lanes(flat);
      if (isContiguous(lanes)) {
        this.count("vector", 1);
        const text = module.load(place, dtype, 4, this.index(quarterOf(lanes[0])));
        return { text: this.#let(typeOf(dtype, 4), text), width: 4, dtype };
      }
      if (lanes.every((e) => e.key === lanes[0].key)) {
        this.count("scalar", 1);
        const text = module.load(place, dtype, 1, this.index(lanes[0]));
        return { text: this.#let(typeOf(dtype, 1), text), width: 1, dtype };
      }
      this.count("scalar", 4);
      const parts = lanes.map((e) => module.load(place, dtype, 1, this.index(e)));
      const type = typeOf(dtype, 4);
      return { text: this.#let(type, `${type}(${parts.join(", ")})`), width: 4, dtype };
    });
  }

  #algebra(): Algebra<Value> {
    const { defs, storage, module } = this.#o;
    return {
      resolve: (v, index) => {
        const { dtype } = v.aval;
        if (storage.isScalar(v)) {
          const word = { kind: "scalar", input: defs.inputIndex(v)!, dtype } as const;
          const text = this.#word(`w:${word.input}`, module.word(word, dtype), dtype);
          return { text, width: 1, dtype };
        }
        if (!storage.isStored(v)) return undefined;
        const flat = idxFlatten(index, v.aval.shape);
        return this.#o.own(v, flat) ?? this.#load(v, flat);
      },
      constant: ({ value, aval: { dtype } }: Lit) => {
        // Drivers that know a factor or dividend to be 0 say 0 whatever the other is: NaN, an infinity, 0.
        const zero = dtype === "float32" && value === 0;
        const word = { kind: "fixed", bits: wordOf(value, dtype) } as const;
        const text = zero
          ? this.#word(`c:${word.bits}`, module.word(word, dtype), dtype)
          : this.constant(value, dtype, 1);
        return { text, width: 1, dtype };
      },
      elementwise: (eqn, args) => {
        const width = args.some((a) => a.width === 4) ? 4 : 1;
        const texts = eqn.prim.emit!({
          args: args.map((a) => this.splat(a, width)),
          inputs: eqn.inputs.map((x) => x.aval),
          outputs: eqn.outputs.map((x) => x.aval),
          params: eqn.params,
          ctx: this.context(width),
        });
        return texts.map((text, i): Value => {
          const { dtype } = eqn.outputs[i]!.aval;
          return { text: this.#let(typeOf(dtype, width), text), width, dtype };
        });
      },
      position: (e, eqn) => {
        const { dtype } = eqn.outputs[0]!.aval;
        if (!this.isVector([e])) {
          const text = `${typeOf(dtype, 1)}(${this.index(e)})`;
          return { text: this.#let(typeOf(dtype, 1), text), width: 1, dtype };
        }
        const text = `${typeOf(dtype, 4)}(${this.#laneVector(e)})`;
        return { text: this.#let(typeOf(dtype, 4), text), width: 4, dtype };
      },
      within: (e, then, otherwise, eqn) => {
        const { dtype } = eqn.outputs[0]!.aval;
        const condition = this.#condition(e.value, e.lo, e.hi);
        const a = then();
        const b = otherwise();
        const width: Width = a.width === 4 || b.width === 4 || condition.width === 4 ? 4 : 1;
        const text = `select(${this.splat(b, width)}, ${this.splat(a, width)}, ${condition.text})`;
        return { text: this.#let(typeOf(dtype, width), text), width, dtype };
      },
      once: (eqn, index, make) => this.#once(eqn, index, make),
    };
  }

  /** The four lanes of an index as a vec4<u32>. */
  #laneVector(e: Idx): string {
    const lanes = this.lanes(e);
    const step = idxSub(lanes[1], lanes[0]);
    const regular = lanes.every((lane, j) => idxSub(lane, lanes[0]).key === idxScale(step, j).key);
    if (regular && step.terms.length === 0) {
      const steps = [0, 1, 2, 3].map((j) => `${(j * step.constant) >>> 0}u`).join(", ");
      return `(vec4<u32>(${this.index(lanes[0])}) + vec4<u32>(${steps}))`;
    }
    return `vec4<u32>(${lanes.map((lane) => this.index(lane)).join(", ")})`;
  }

  #condition(e: Idx, lo: number, hi: number): { text: string; width: Width } {
    if (Math.max(e.hi, hi) > largestIndex) throw countsTooFar(e.hi);
    // Below zero, u32 wraps to a large number: one comparison covers both ends.
    const test = (value: Idx, text: string, one: (n: number) => string): string => {
      const size = hi - lo;
      if (value.hi < hi && value.lo >= 0) return `(${text} >= ${one(lo)})`;
      if (lo === 0) return size === 1 ? `(${text} == ${one(0)})` : `(${text} < ${one(hi)})`;
      return `(${text} - ${one(lo)} < ${one(size)})`;
    };
    if (!this.isVector([e])) {
      return { text: test(e, this.index(e), (n) => `${n >>> 0}u`), width: 1 };
    }
    const lanes = this.lanes(e);
    if (lanes.every((lane) => lane.key === lanes[0].key)) {
      return { text: test(e, this.index(lanes[0]), (n) => `${n >>> 0}u`), width: 1 };
    }
    return { text: test(e, this.#laneVector(e), (n) => `vec4<u32>(${n >>> 0}u)`), width: 4 };
  }
}

/** The WGSL name of a vector variable's quarter: the variable is four times it plus the lane. */
export const quarterName = (name: string): string => `${name}q`;

/**
 * It stays a variable where it is always 0, so that texts of small arrays are those of large ones. A range
 * that is wider than it has to be could take a quotient's parts beyond u32.
 */
export const quarterVar = (name: string, hi: number): Idx =>
  idxVar(quarterName(name), Math.max(2, Math.floor(hi / 4) + 1));

/** Are four flat positions one aligned vector? */
export const isContiguous = (lanes: readonly [Idx, Idx, Idx, Idx]): boolean =>
  lanes.every((e, j) => e.key === idxAdd(lanes[0], j).key) &&
  lanes[0].constant % 4 === 0 &&
  lanes[0].terms.every((t) => t.coeff % 4 === 0);

/** A quarter of a position whose parts are all multiples of four. */
export const quarterOf = (e: Idx): Idx => {
  let out = idxConst(e.constant / 4);
  for (const { atom, coeff } of e.terms) out = idxAdd(out, idxScale(idxAtom(atom), coeff / 4));
  return out;
};

/** A flat position that is the same for all lanes, as a vector index; null where it is not a vector's. */
export const vectorBase = (composer: Composer, base: Idx): string | null =>
  base.constant % 4 === 0 && base.terms.every((t) => t.coeff % 4 === 0)
    ? composer.index(quarterOf(base))
    : null;

/** A flat position of lanes 0-3, as a vector index; null where they are not one aligned vector. */
export function vectorPosition(composer: Composer, flat: Idx): string | null {
  const lanes = composer.lanes(flat);
  return isContiguous(lanes) ? composer.index(quarterOf(lanes[0])) : null;
}

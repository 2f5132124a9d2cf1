/**
 * Symbolic index arithmetic: sums of integer multiples of loop variables, floor divisions and
 * remainders, with ranges. Views compose into these, so that a chain of reshapes, transposes and
 * slices costs nothing and pure strides are recognised as such. Values are exact integers; WGSL
 * evaluates them in wrapping u32 arithmetic, which is right as long as the final value is >= 0.
 */

export type IdxAtom = {
  readonly key: string;
  readonly lo: number;
  readonly hi: number;
  /** Does it depend on an element of an operand? */
  readonly loads: boolean;
} & (
  | { readonly op: "var"; readonly name: string }
  | { readonly op: "div"; readonly arg: Idx; readonly by: number }
  | { readonly op: "mod"; readonly arg: Idx; readonly by: number }
  /** The int32/uint32 element of view operand `operand` at `index`, clamped to [lo, hi]. */
  | { readonly op: "load"; readonly operand: number; readonly index: readonly Idx[] }
);

export interface Term {
  readonly atom: IdxAtom;
  readonly coeff: number;
}

/** constant + Σ coeff·atom, with inclusive bounds. */
export interface Idx {
  /** In the order of the atoms' keys, without zeros. */
  readonly terms: readonly Term[];
  readonly constant: number;
  readonly lo: number;
  readonly hi: number;
  /** Does it depend on an element of an operand? */
  readonly loads: boolean;
  /** Equal keys mean equal expressions. */
  readonly key: string;
}

/** Where an output element of a view comes from. */
export type ViewExpr =
  /** Element `index` of operand number `operand`. */
  | { readonly kind: "element"; readonly operand: number; readonly index: readonly Idx[] }
  /** The integer itself, converted to the output's dtype (iota). */
  | { readonly kind: "index"; readonly value: Idx }
  /** `then` where lo <= value < hi, else `else`. */
  | {
      readonly kind: "within";
      readonly value: Idx;
      readonly lo: number;
      readonly hi: number;
      readonly then: ViewExpr;
      readonly else: ViewExpr;
    };

/** `inside` where lo <= value < hi, else `outside`. */
export const viewWithin = (
  value: Idx,
  lo: number,
  hi: number,
  inside: ViewExpr,
  outside: ViewExpr,
): ViewExpr =>
  // biome-ignore lint/suspicious/noThenProperty: an expression is never awaited
  ({ kind: "within", value, lo, hi, then: inside, else: outside });

/** A sum in its normal form. Compilers make millions of them and compare few: the key comes when asked for. */
class Sum implements Idx {
  readonly terms: readonly Term[];
  readonly constant: number;
  readonly lo: number;
  readonly hi: number;
  readonly loads: boolean;
  #key: string | undefined;

  constructor(terms: readonly Term[], constant: number) {
    let lo = constant;
    let hi = constant;
    let loads = false;
    for (const { atom, coeff } of terms) {
      lo += coeff > 0 ? coeff * atom.lo : coeff * atom.hi;
      hi += coeff > 0 ? coeff * atom.hi : coeff * atom.lo;
      loads ||= atom.loads;
    }
    this.terms = terms;
    // Adding 0 turns -0 into 0.
    this.constant = constant + 0;
    this.lo = lo + 0;
    this.hi = hi + 0;
    this.loads = loads;
  }

  get key(): string {
    if (this.#key !== undefined) return this.#key;
    const { terms, constant } = this;
    let key = "";
    for (const { atom, coeff } of terms) {
      if (key !== "") key += "+";
      key += coeff === 1 ? atom.key : `${atom.key}*${coeff}`;
    }
    if (constant !== 0 || key === "") key += key === "" ? constant : `+${constant}`;
    this.#key = key;
    return key;
  }
}

/** A sum of ordered terms: div(x, c)·c·k + mod(x, c)·k  =  x·k. */
function make(terms: readonly Term[], constant: number): Idx {
  for (const { atom, coeff } of terms) {
    if (atom.op !== "mod") continue;
    const whole = coeff * atom.by;
    if (!terms.some((t) => t.atom.op === "div" && t.coeff === whole)) continue;
    // The quotient may have merged with a division inside x.
    const quotient = idxDiv(atom.arg, atom.by);
    const [only, more] = quotient.terms;
    if (only?.coeff !== 1 || more || quotient.constant !== 0) continue;
    const { key } = only.atom;
    if (!terms.some((t) => t.coeff === whole && t.atom.key === key)) continue;
    const rest = terms.filter((t) => t.atom !== atom && t.atom.key !== key);
    return idxAdd(make(rest, constant), idxScale(atom.arg, coeff));
  }
  return new Sum(terms, constant);
}

/** The terms of two sums as one ordered list. */
function mergeTerms(a: readonly Term[], b: readonly Term[]): readonly Term[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const out: Term[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!;
    const y = b[j]!;
    if (x.atom === y.atom || x.atom.key === y.atom.key) {
      const coeff = x.coeff + y.coeff;
      if (coeff !== 0) out.push({ atom: x.atom, coeff });
      i++;
      j++;
    } else if (x.atom.key < y.atom.key) {
      out.push(x);
      i++;
    } else {
      out.push(y);
      j++;
    }
  }
  while (i < a.length) out.push(a[i++]!);
  while (j < b.length) out.push(b[j++]!);
  return out;
}

/** An atom as a sum. */
export const idxAtom = (atom: IdxAtom): Idx => new Sum([{ atom, coeff: 1 }], 0);

export const idxConst = (value: number): Idx => new Sum([], value);

const indexKeys = new WeakMap<readonly Idx[], string>();

/** The key of a list of expressions. Walks hand an index on as it is from operation to operation. */
export function idxKey(index: readonly Idx[]): string {
  let key = indexKeys.get(index);
  if (key === undefined) {
    key = index.map((e) => e.key).join(";");
    indexKeys.set(index, key);
  }
  return key;
}

/** A loop variable that runs over 0 .. size-1. */
export const idxVar = (name: string, size: number): Idx =>
  size === 1
    ? idxConst(0)
    : idxAtom({ op: "var", name, key: name, loads: false, lo: 0, hi: Math.max(0, size - 1) });

/** An integer operand's element used as an index, clamped to 0 .. size-1. */
export const idxLoad = (operand: number, index: readonly Idx[], size: number): Idx =>
  idxAtom({
    op: "load",
    operand,
    index,
    key: `load${operand}[${index.map((i) => i.key).join(";")}]<${size}`,
    loads: true,
    lo: 0,
    hi: Math.max(0, size - 1),
  });

export function idxAdd(a: Idx, b: Idx | number): Idx {
  if (typeof b === "number") return b === 0 ? a : new Sum(a.terms, a.constant + b);
  const constant = a.constant + b.constant;
  if (a.terms.length === 0) return constant === b.constant ? b : new Sum(b.terms, constant);
  if (b.terms.length === 0) return constant === a.constant ? a : new Sum(a.terms, constant);
  return make(mergeTerms(a.terms, b.terms), constant);
}

export function idxScale(a: Idx, by: number): Idx {
  if (by === 1) return a;
  if (by === 0) return idxConst(0);
  const terms = a.terms.map(({ atom, coeff }) => ({ atom, coeff: coeff * by }));
  return new Sum(terms, a.constant * by);
}

export const idxSub = (a: Idx, b: Idx): Idx => idxAdd(a, idxScale(b, -1));

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/** WGSL computes indices in u32: what is divided may be no larger. */
export const largestIndex = 2 ** 32 - 1;

/**
 * e as by·quotient + rest, where rest >= 0 and its coefficients lie in [0, by), or in (-by, by)
 * where the former would overflow (reversed long axes).
 */
function split(e: Idx, by: number): [quotient: Idx, rest: Idx] {
  const parts = splitWith(e, by, Math.floor);
  return parts[1].hi <= largestIndex ? parts : splitWith(e, by, Math.trunc);
}

function splitWith(e: Idx, by: number, round: (x: number) => number): [Idx, Idx] {
  const q: Term[] = [];
  const r: Term[] = [];
  let least = e.constant;
  for (const { atom, coeff } of e.terms) {
    const k = round(coeff / by);
    const left = coeff - k * by;
    if (k !== 0) q.push({ atom, coeff: k });
    if (left !== 0) r.push({ atom, coeff: left });
    least += left * (left > 0 ? atom.lo : atom.hi);
  }
  const k = Math.floor(least / by);
  return [make(q, k), make(r, e.constant - k * by)];
}

/** Divide every coefficient by their common factor with `by`. */
function reduceBy(e: Idx, by: number): [Idx, number, number] {
  let g = by;
  for (const t of e.terms) g = gcd(g, t.coeff);
  // A constant below g does not change the quotient of the rest.
  if (g <= 1) return [e, by, 1];
  const terms = e.terms.map(({ atom, coeff }) => ({ atom, coeff: coeff / g }));
  return [new Sum(terms, Math.floor(e.constant / g)), by / g, g];
}

/** Floor division by a positive constant. */
export function idxDiv(e: Idx, by: number): Idx {
  if (by === 1) return e;
  if (e.lo >= 0 && e.hi < by) return idxConst(0);
  const [quotient, rest] = split(e, by);
  if (rest.hi < by) return quotient;
  const [arg, c] = reduceBy(rest, by);
  if (arg.hi < c) return quotient;
  if (c === 1) return idxAdd(quotient, arg);
  let inner = arg;
  let divisor = c;
  const only = arg.terms.length === 1 && arg.constant === 0 ? arg.terms[0]! : undefined;
  if (only && only.coeff === 1 && only.atom.op === "div") {
    inner = only.atom.arg;
    divisor = c * only.atom.by;
  }
  const atom: IdxAtom = {
    op: "div",
    arg: inner,
    by: divisor,
    key: `(${inner.key})/${divisor}`,
    loads: inner.loads,
    lo: Math.floor(inner.lo / divisor),
    hi: Math.floor(inner.hi / divisor),
  };
  return idxAdd(quotient, idxAtom(atom));
}

/** Remainder by a positive constant, in [0, by). */
export function idxMod(e: Idx, by: number): Idx {
  if (by === 1) return idxConst(0);
  if (e.lo >= 0 && e.hi < by) return e;
  const [, rest] = split(e, by);
  if (rest.hi < by) return rest;
  let g = by;
  for (const t of rest.terms) g = gcd(g, t.coeff);
  const offset = g > 1 ? rest.constant % g : 0;
  const [arg, c] = reduceBy(idxAdd(rest, -offset), by);
  if (c === 1) return idxConst(offset);
  if (arg.hi < c) return idxAdd(idxScale(arg, g), offset);
  const only = arg.terms.length === 1 && arg.constant === 0 ? arg.terms[0]! : undefined;
  const inner =
    only && only.coeff === 1 && only.atom.op === "mod" && only.atom.by % c === 0
      ? only.atom.arg
      : arg;
  const atom: IdxAtom = {
    op: "mod",
    arg: inner,
    by: c,
    key: `(${inner.key})%${c}`,
    loads: inner.loads,
    lo: 0,
    hi: c - 1,
  };
  return idxAdd(idxScale(idxAtom(atom), g), offset);
}

/** The row-major position of an index in a shape. */
export function idxFlatten(index: readonly Idx[], shape: readonly number[]): Idx {
  let out = idxConst(0);
  index.forEach((e, axis) => {
    out = idxAdd(idxScale(out, shape[axis]!), e);
  });
  return out;
}

/** The index in a shape of a row-major position. */
export function idxUnflatten(flat: Idx, shape: readonly number[]): Idx[] {
  const out = new Array<Idx>(shape.length);
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    out[axis] = size <= 1 ? idxConst(0) : axis === 0 ? rest : idxMod(rest, size);
    if (size > 1) rest = idxDiv(rest, size);
  }
  return out;
}

/** Replace variables, whose values go up to `hi`, by expressions. */
export function idxSubstitute(e: Idx, bind: (name: string, hi: number) => Idx | undefined): Idx {
  let out = idxConst(e.constant);
  for (const { atom, coeff } of e.terms) {
    let value: Idx;
    switch (atom.op) {
      case "var":
        value = bind(atom.name, atom.hi) ?? idxAtom(atom);
        break;
      case "div":
        value = idxDiv(idxSubstitute(atom.arg, bind), atom.by);
        break;
      case "mod":
        value = idxMod(idxSubstitute(atom.arg, bind), atom.by);
        break;
      case "load":
        value = idxLoad(
          atom.operand,
          atom.index.map((i) => idxSubstitute(i, bind)),
          atom.hi + 1,
        );
        break;
    }
    out = idxAdd(out, idxScale(value, coeff));
  }
  return out;
}

/** Strides by variable name where `e` is affine in loop variables, else null. */
export function idxStrides(e: Idx): ReadonlyMap<string, number> | null {
  const out = new Map<string, number>();
  for (const { atom, coeff } of e.terms) {
    if (atom.op !== "var") return null;
    out.set(atom.name, coeff);
  }
  return out;
}

/** Evaluate with numbers (tests and the reference of views). */
export function idxEvaluate(
  e: Idx,
  bind: (name: string) => number,
  load: (operand: number, index: readonly number[]) => number,
): number {
  let out = e.constant;
  for (const { atom, coeff } of e.terms) {
    let value: number;
    switch (atom.op) {
      case "var":
        value = bind(atom.name);
        break;
      case "div":
        value = Math.floor(idxEvaluate(atom.arg, bind, load) / atom.by);
        break;
      case "mod": {
        const x = idxEvaluate(atom.arg, bind, load);
        value = x - Math.floor(x / atom.by) * atom.by;
        break;
      }
      case "load": {
        const x = load(
          atom.operand,
          atom.index.map((i) => idxEvaluate(i, bind, load)),
        );
        value = Math.min(Math.max(x, atom.lo), atom.hi);
        break;
      }
    }
    out += coeff * value;
  }
  return out;
}

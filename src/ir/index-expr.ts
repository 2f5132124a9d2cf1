/**
 * Symbolic index arithmetic: sums of integer multiples of loop variables, floor divisions and
 * remainders, with ranges. Views compose into these, so that a chain of reshapes, transposes and
 * slices costs nothing and pure strides are recognised as such. Values are exact integers; WGSL
 * evaluates them in wrapping u32 arithmetic, which is right as long as the final value is >= 0.
 */

export type IdxAtom = { readonly key: string; readonly lo: number; readonly hi: number } & (
  | { readonly op: "var"; readonly name: string }
  | { readonly op: "div"; readonly arg: Idx; readonly by: number }
  | { readonly op: "mod"; readonly arg: Idx; readonly by: number }
  /** The int32/uint32 element of view operand `operand` at `index`, clamped to [lo, hi]. */
  | { readonly op: "load"; readonly operand: number; readonly index: readonly Idx[] }
);

/** constant + Σ coeff·atom, with inclusive bounds. */
export interface Idx {
  readonly terms: readonly { readonly atom: IdxAtom; readonly coeff: number }[];
  readonly constant: number;
  readonly lo: number;
  readonly hi: number;
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

function make(terms: Map<string, { atom: IdxAtom; coeff: number }>, constant: number): Idx {
  // div(x, c)·c·k + mod(x, c)·k  =  x·k; the quotient may have merged with a division inside x.
  for (const { atom, coeff } of terms.values()) {
    if (atom.op !== "mod") continue;
    const whole = coeff * atom.by;
    if (![...terms.values()].some((t) => t.atom.op === "div" && t.coeff === whole)) continue;
    const quotient = idxDiv(atom.arg, atom.by);
    const only = quotient.constant === 0 && quotient.terms.length === 1 && quotient.terms[0];
    if (only && only.coeff === 1 && terms.get(only.atom.key)?.coeff === whole) {
      terms.delete(atom.key);
      terms.delete(only.atom.key);
      return idxAdd(make(terms, constant), idxScale(atom.arg, coeff));
    }
  }
  const list = [...terms.values()].filter((t) => t.coeff !== 0);
  list.sort((a, b) => (a.atom.key < b.atom.key ? -1 : 1));
  let lo = constant;
  let hi = constant;
  for (const { atom, coeff } of list) {
    lo += coeff > 0 ? coeff * atom.lo : coeff * atom.hi;
    hi += coeff > 0 ? coeff * atom.hi : coeff * atom.lo;
  }
  const key = [
    ...list.map((t) => (t.coeff === 1 ? t.atom.key : `${t.atom.key}*${t.coeff}`)),
    ...(constant !== 0 || list.length === 0 ? [String(constant)] : []),
  ].join("+");
  // Adding 0 turns -0 into 0.
  return { terms: list, constant: constant + 0, lo, hi, key };
}

const asMap = (e: Idx) => new Map(e.terms.map((t) => [t.atom.key, { ...t }]));

const fromAtom = (atom: IdxAtom): Idx => make(new Map([[atom.key, { atom, coeff: 1 }]]), 0);

export const idxConst = (value: number): Idx => make(new Map(), value);

/** A loop variable that runs over 0 .. size-1. */
export const idxVar = (name: string, size: number): Idx =>
  size === 1
    ? idxConst(0)
    : fromAtom({ op: "var", name, key: name, lo: 0, hi: Math.max(0, size - 1) });

/** An integer operand's element used as an index, clamped to 0 .. size-1. */
export const idxLoad = (operand: number, index: readonly Idx[], size: number): Idx =>
  fromAtom({
    op: "load",
    operand,
    index,
    key: `load${operand}[${index.map((i) => i.key).join(";")}]<${size}`,
    lo: 0,
    hi: Math.max(0, size - 1),
  });

export function idxAdd(a: Idx, b: Idx | number): Idx {
  const terms = asMap(a);
  if (typeof b === "number") return make(terms, a.constant + b);
  for (const { atom, coeff } of b.terms) {
    const have = terms.get(atom.key);
    if (have) have.coeff += coeff;
    else terms.set(atom.key, { atom, coeff });
  }
  for (const [key, t] of terms) if (t.coeff === 0) terms.delete(key);
  return make(terms, a.constant + b.constant);
}

export function idxScale(a: Idx, by: number): Idx {
  if (by === 0) return idxConst(0);
  const terms = asMap(a);
  for (const t of terms.values()) t.coeff *= by;
  return make(terms, a.constant * by);
}

export const idxSub = (a: Idx, b: Idx): Idx => idxAdd(a, idxScale(b, -1));

const gcd = (a: number, b: number): number => (b === 0 ? Math.abs(a) : gcd(b, a % b));

/** WGSL computes indices in u32: no intermediate may be larger. */
const largest = 2 ** 32 - 1;

/**
 * e as by·quotient + rest, where rest >= 0 and its coefficients lie in [0, by), or in (-by, by)
 * where the former would overflow (reversed long axes).
 */
function split(e: Idx, by: number): [quotient: Idx, rest: Idx] {
  const parts = splitWith(e, by, Math.floor);
  return parts[1].hi <= largest ? parts : splitWith(e, by, Math.trunc);
}

function splitWith(e: Idx, by: number, round: (x: number) => number): [Idx, Idx] {
  const q = new Map<string, { atom: IdxAtom; coeff: number }>();
  const r = new Map<string, { atom: IdxAtom; coeff: number }>();
  let least = e.constant;
  for (const { atom, coeff } of e.terms) {
    const k = round(coeff / by);
    const left = coeff - k * by;
    if (k !== 0) q.set(atom.key, { atom, coeff: k });
    if (left !== 0) r.set(atom.key, { atom, coeff: left });
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
  const terms = asMap(e);
  for (const t of terms.values()) t.coeff /= g;
  return [make(terms, Math.floor(e.constant / g)), by / g, g];
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
    lo: Math.floor(inner.lo / divisor),
    hi: Math.floor(inner.hi / divisor),
  };
  return idxAdd(quotient, fromAtom(atom));
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
    lo: 0,
    hi: c - 1,
  };
  return idxAdd(idxScale(fromAtom(atom), g), offset);
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

/** Replace variables by expressions. */
export function idxSubstitute(e: Idx, bind: (name: string) => Idx | undefined): Idx {
  let out = idxConst(e.constant);
  for (const { atom, coeff } of e.terms) {
    let value: Idx;
    switch (atom.op) {
      case "var":
        value = bind(atom.name) ?? fromAtom(atom);
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

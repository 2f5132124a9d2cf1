/** Symbolic indices against plain numbers, over every assignment of the loop variables. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Idx,
  idxAdd,
  idxConst,
  idxDiv,
  idxEvaluate,
  idxFlatten,
  idxLoad,
  idxMod,
  idxScale,
  idxStrides,
  idxSub,
  idxSubstitute,
  idxUnflatten,
  idxVar,
} from "../../src/ir/index-expr.js";

/** An expression and the same computation on numbers. */
interface Pair {
  readonly idx: Idx;
  readonly at: (v: readonly number[]) => number;
}

const sizes = [5, 4, 1, 7];
const variables: Pair[] = sizes.map((n, i) => ({ idx: idxVar(`v${i}`, n), at: (v) => v[i]! }));
const loaded = [3, -2, 9, 1, 0];
const tableSize = 4;
const load: Pair = {
  idx: idxLoad(0, [idxVar("v0", 5)], tableSize),
  at: (v) => Math.min(Math.max(loaded[v[0]!]!, 0), tableSize - 1),
};

const pair: fc.Arbitrary<Pair> = fc.letrec<{ e: Pair }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(...variables, load),
    fc.integer({ min: -9, max: 9 }).map((c) => ({ idx: idxConst(c), at: () => c })),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => ({
      idx: idxAdd(a.idx, b.idx),
      at: (v: readonly number[]) => a.at(v) + b.at(v),
    })),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => ({
      idx: idxSub(a.idx, b.idx),
      at: (v: readonly number[]) => a.at(v) - b.at(v),
    })),
    fc.tuple(tie("e"), fc.integer({ min: -6, max: 12 })).map(([a, k]) => ({
      idx: idxScale(a.idx, k),
      at: (v: readonly number[]) => a.at(v) * k,
    })),
    fc.tuple(tie("e"), fc.integer({ min: 1, max: 12 })).map(([a, k]) => ({
      idx: idxDiv(a.idx, k),
      at: (v: readonly number[]) => Math.floor(a.at(v) / k),
    })),
    fc.tuple(tie("e"), fc.integer({ min: 1, max: 12 })).map(([a, k]) => ({
      idx: idxMod(a.idx, k),
      at: (v: readonly number[]) => a.at(v) - Math.floor(a.at(v) / k) * k,
    })),
  ),
})).e;

const assignments: number[][] = sizes.reduce<number[][]>(
  (list, n) => list.flatMap((v) => Array.from({ length: n }, (_, i) => [...v, i])),
  [[]],
);

const evaluate = (e: Idx, v: readonly number[]) =>
  idxEvaluate(
    e,
    (name) => v[Number(name.slice(1))]!,
    (_, [i]) => loaded[i!]!,
  );

/** As WGSL does it: u32 arithmetic that wraps, unsigned division. */
function evaluateWrapping(e: Idx, v: readonly number[]): number {
  let out = e.constant >>> 0;
  for (const { atom, coeff } of e.terms) {
    const arg = "arg" in atom ? evaluateWrapping(atom.arg, v) : 0;
    const value =
      atom.op === "var"
        ? v[Number(atom.name.slice(1))]!
        : atom.op === "load"
          ? load.at(v)
          : atom.op === "div"
            ? Math.floor(arg / atom.by)
            : arg % atom.by;
    out = (out + Math.imul(coeff, value)) >>> 0;
  }
  return out;
}

describe("index expressions", () => {
  test("equal the same arithmetic on numbers, and stay within their stated bounds", () => {
    fc.assert(
      fc.property(pair, ({ idx, at }) => {
        for (const v of assignments) {
          const value = evaluate(idx, v);
          expect(value).toBe(at(v) + 0);
          expect(value).toBeGreaterThanOrEqual(idx.lo);
          expect(value).toBeLessThanOrEqual(idx.hi);
          expect(evaluateWrapping(idx, v)).toBe(value >>> 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("substitution commutes with evaluation", () => {
    fc.assert(
      fc.property(pair, fc.array(pair, { minLength: 4, maxLength: 4 }), (e, values) => {
        // Variables stand for values within their own range.
        const inRange = values.map((p, i) => ({
          idx: idxMod(p.idx, sizes[i]!),
          at: (v: readonly number[]) => (((p.at(v) % sizes[i]!) + sizes[i]!) % sizes[i]!) + 0,
        }));
        const out = idxSubstitute(e.idx, (name) => inRange[Number(name.slice(1))]!.idx);
        for (const v of assignments) {
          expect(evaluate(out, v)).toBe(e.at(inRange.map((p) => p.at(v))) + 0);
        }
      }),
      { numRuns: 100 },
    );
  });

  const shape = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });

  test("flatten inverts unflatten and is recognised as doing so", () => {
    fc.assert(
      fc.property(shape, (s) => {
        const n = s.reduce((a, b) => a * b, 1);
        const flat = idxVar("v0", n);
        expect(idxFlatten(idxUnflatten(flat, s), s).key).toBe(flat.key);
        const index = s.map((d, i) => idxVar(`v${i}`, d));
        const back = idxUnflatten(idxFlatten(index, s), s);
        expect(back.map((e) => e.key)).toEqual(index.map((e) => e.key));
      }),
    );
  });

  test("a chain of reshapes that merge and split axes is affine again", () => {
    // [4,6,5] -> [24,5] -> [4,30] -> [4,6,5]
    const index = [4, 6, 5].map((d, i) => idxVar(`v${i}`, d));
    let at: Idx[] = index;
    let from = [4, 6, 5];
    for (const to of [[4, 30], [24, 5], [120], [4, 6, 5]]) {
      at = idxUnflatten(idxFlatten(at, from), to);
      from = to;
    }
    expect(at.map((e) => e.key)).toEqual(index.map((e) => e.key));
    expect(idxStrides(idxFlatten(index, from))).toEqual(
      new Map([
        ["v0", 30],
        ["v1", 5],
        ["v2", 1],
      ]),
    );
  });

  test("intermediates of reversed large axes fit into 32 bits", () => {
    const n = 1e8;
    const reversed = idxAdd(idxScale(idxVar("v0", n), -1), n - 1);
    for (const e of [idxDiv(reversed, 10_000), idxMod(reversed, 10_000)]) {
      for (const i of [0, 1, 9_999, 10_000, 99_999_999]) {
        expect(evaluateWrapping(e, [i])).toBe(evaluate(e, [i]));
      }
    }
    expect(evaluate(idxDiv(reversed, 10_000), [10_000])).toBe(9_998);
    expect(evaluate(idxMod(reversed, 10_000), [1])).toBe(9_998);
  });
});

/**
 * Every operation against numpy: values, shapes and dtypes. The cases are numpy's own results
 * (test/fixtures/make_numpy.py); the graphs run on the f64 reference, so that what is compared is the
 * meaning of an operation and not a device's rounding.
 */
import { readFileSync } from "node:fs";
import * as dawngrad from "dawngrad";
import { type HostArray, reference } from "dawngrad/testing";
import { describe, expect, test } from "vitest";

interface Encoded {
  readonly array: readonly (number | boolean | string)[];
  readonly shape: readonly number[];
  readonly dtype: dawngrad.DType;
}

interface Case {
  readonly op: string;
  readonly args: readonly unknown[];
  readonly want: readonly Encoded[];
  readonly many: boolean;
}

const url = new URL("../fixtures/numpy.json", import.meta.url);
const cases = JSON.parse(readFileSync(url, "utf8")) as Case[];
const groups = new Map<string, Case[]>();
for (const c of cases) groups.set(c.op, [...(groups.get(c.op) ?? []), c]);

const isEncoded = (x: unknown): x is Encoded =>
  typeof x === "object" && x !== null && "array" in x && "dtype" in x;

/** A case's arguments with tensors in the places of arrays. */
function decode(x: unknown): unknown {
  if (isEncoded(x)) {
    return dawngrad.array(x.array.map(Number), { dtype: x.dtype, shape: x.shape });
  }
  if (Array.isArray(x)) return x.map(decode);
  if (x === "Infinity" || x === "-Infinity" || x === "NaN") return Number(x);
  if (typeof x === "object" && x !== null) {
    return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, decode(v)]));
  }
  return x;
}

const operations = dawngrad as unknown as Record<string, (...args: unknown[]) => unknown>;

describe("numpy", () => {
  for (const [op, list] of groups) {
    test(`${op}: ${list.length} cases`, async () => {
      for (const c of list) {
        const args = c.args.map(decode);
        const run = reference(() => operations[op]!(...args) as dawngrad.Tensor);
        const out = (await run()) as unknown;
        const got = (c.many ? out : [out]) as HostArray[];
        const label = `${op}(${JSON.stringify(c.args)})`;
        expect(got.length, label).toBe(c.want.length);
        got.forEach((g, i) => {
          const w = c.want[i]!;
          expect(g.shape, label).toEqual(w.shape);
          expect(g.dtype, label).toBe(w.dtype);
          w.array.forEach((v, k) => {
            const want = Number(v);
            const have = g.data[k]!;
            // Constants are rounded to float32 (2^-24 each); numpy's are not.
            const room = Number.isFinite(want) ? 4 * 2 ** -24 * Math.max(1, Math.abs(want)) : 0;
            const equal = Object.is(have, want) || have === want || Math.abs(have - want) <= room;
            expect(equal, `${label} [${k}]: ${have}, numpy has ${want}`).toBe(true);
          });
        });
      }
    });
  }
});

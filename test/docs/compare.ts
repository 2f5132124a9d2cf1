/** Is what a snippet gave what its comment says? */
import { isDeepStrictEqual } from "node:util";

/** Numbers as they are printed: about five digits. */
const near = (a: number, b: number): boolean =>
  Object.is(a, b) || Math.abs(a - b) <= 2e-5 * Math.abs(b) + 1e-6;

interface Readable {
  toArray(): Promise<unknown>;
}

const isReadable = (x: unknown): x is Readable =>
  typeof x === "object" && x !== null && typeof (x as Readable).toArray === "function";

const isPlainObject = (x: object): boolean => Object.getPrototypeOf(x) === Object.prototype;

/** A value as JSON would have it: tensors and typed arrays, wherever they are in it, as lists. */
export async function plain(x: unknown): Promise<unknown> {
  if (isReadable(x)) return x.toArray();
  if (ArrayBuffer.isView(x) && !(x instanceof DataView)) return Array.from(x as Float32Array);
  if (Array.isArray(x)) return Promise.all(x.map(plain));
  if (typeof x === "object" && x !== null && isPlainObject(x)) {
    const entries = Object.entries(x).map(
      async ([key, value]) => [key, await plain(value)] as const,
    );
    return Object.fromEntries(await Promise.all(entries));
  }
  return x;
}

/** Equal, numbers approximately; objects may have more entries than expected. */
export function matches(actual: unknown, expected: unknown): boolean {
  if (typeof expected === "number") return typeof actual === "number" && near(actual, expected);
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((e, i) => matches(actual[i], e))
    );
  }
  if (typeof expected === "object" && expected !== null) {
    return (
      typeof actual === "object" &&
      actual !== null &&
      Object.entries(expected).every(([k, e]) => matches((actual as Record<string, unknown>)[k], e))
    );
  }
  return isDeepStrictEqual(actual, expected);
}

/** The structure of a tree as text, with the names of its tensors: what a checkpoint records. */
import { DataError } from "../src/index.js";

/**
 * One node, as JSON: a tensor by its name, a number by its digits (JSON has no NaN, infinity or
 * negative zero), a string, a boolean, null or undefined, a list, or an object.
 */
type Node =
  | ["tensor", string]
  | ["number", string]
  | ["string", string]
  | ["boolean", boolean]
  | ["null"]
  | ["undefined"]
  | ["list", Node[]]
  | ["object", [string, Node][]];

/** A tree taken apart; tensors are whatever `isTensor` says. */
export interface TreeText<T> {
  readonly text: string;
  /** By key path: `params.0.weight`. */
  readonly tensors: ReadonlyMap<string, T>;
}

/** Throws a DataError with the key path of anything that a checkpoint cannot hold. */
export function encodeTree<T>(tree: unknown, isTensor: (x: unknown) => x is T): TreeText<T> {
  const tensors = new Map<string, T>();
  const ancestors = new Set<object>();

  const nameFor = (path: readonly string[]): string => {
    const base = path.length === 0 ? "tensor" : path.join(".");
    // Keys may hold dots, so two paths may read the same; and the format has a reserved name.
    let name = base === "__metadata__" ? `${base}~` : base;
    for (let i = 1; tensors.has(name); i++) name = `${base}~${i}`;
    return name;
  };

  const encode = (x: unknown, path: readonly string[]): Node => {
    if (isTensor(x)) {
      const name = nameFor(path);
      tensors.set(name, x);
      return ["tensor", name];
    }
    switch (typeof x) {
      case "number":
        return ["number", Object.is(x, -0) ? "-0" : String(x)];
      case "string":
        return ["string", x];
      case "boolean":
        return ["boolean", x];
      case "undefined":
        return ["undefined"];
      case "object":
        return x === null ? ["null"] : inside(x, path);
      default:
        throw unsupported(path, `a ${typeof x}`);
    }
  };

  const inside = (x: object, path: readonly string[]): Node => {
    if (ancestors.has(x)) throw unsupported(path, "a reference to an object that contains it");
    ancestors.add(x);
    try {
      if (Array.isArray(x)) {
        return ["list", x.map((item, i) => encode(item, [...path, String(i)]))];
      }
      const prototype: unknown = Object.getPrototypeOf(x);
      if (prototype !== Object.prototype && prototype !== null) {
        throw unsupported(path, `an instance of ${x.constructor?.name ?? "a class"}`);
      }
      return ["object", Object.entries(x).map(([k, v]) => [k, encode(v, [...path, k])])];
    } finally {
      ancestors.delete(x);
    }
  };

  return { text: JSON.stringify(encode(tree, [])), tensors };
}

const unsupported = (path: readonly string[], found: string): DataError =>
  new DataError(
    `saveCheckpoint: expected tensors, numbers, strings, booleans and null in lists and plain objects, ` +
      `found ${found} at ${path.length === 0 ? "the root" : path.join(".")}`,
  );

/** Build the tree again; `tensor` gives the tensor of a name. Throws a DataError on damage. */
export function decodeTree<T>(text: string, tensor: (name: string) => T): unknown {
  const decode = (node: unknown): unknown => {
    if (!Array.isArray(node)) throw damaged();
    const [kind, value]: readonly unknown[] = node;
    switch (kind) {
      case "tensor":
        if (typeof value === "string") return tensor(value);
        break;
      case "number":
        if (typeof value === "string") return Number(value);
        break;
      case "string":
        if (typeof value === "string") return value;
        break;
      case "boolean":
        if (typeof value === "boolean") return value;
        break;
      case "null":
        return null;
      case "undefined":
        return undefined;
      case "list":
        if (Array.isArray(value)) return value.map(decode);
        break;
      case "object":
        if (Array.isArray(value)) {
          // fromEntries defines properties of its own, even one called __proto__.
          return Object.fromEntries(
            value.map((entry: unknown) => {
              if (!Array.isArray(entry) || typeof entry[0] !== "string") throw damaged();
              return [entry[0], decode(entry[1])];
            }),
          );
        }
        break;
    }
    throw damaged();
  };
  try {
    return decode(JSON.parse(text));
  } catch (error) {
    // Damaged JSON, or nested so deeply that the stack overflows.
    throw error instanceof DataError ? error : damaged(error);
  }
}

const damaged = (cause?: unknown): DataError =>
  new DataError("expected the structure of a tree, found damage", { cause });

/**
 * Pytrees: nested arrays and plain objects whose leaves are anything else. `null` and `undefined`
 * are empty subtrees. Object keys are visited in sorted order, so key order does not matter.
 */
import { ShapeError } from "./errors.js";

/** How to take a custom class apart; see `register`. */
export interface CustomNode<T> {
  flatten(value: T): { children: readonly unknown[]; aux?: unknown };
  unflatten(aux: unknown, children: readonly unknown[]): T;
}

type Structure =
  | { readonly kind: "leaf" }
  | { readonly kind: "empty"; readonly value: null | undefined }
  | { readonly kind: "array"; readonly children: readonly Structure[] }
  | {
      readonly kind: "object";
      readonly keys: readonly string[];
      readonly children: readonly Structure[];
    }
  | {
      readonly kind: "custom";
      readonly node: RegisteredNode;
      readonly aux: unknown;
      readonly children: readonly Structure[];
    };

interface RegisteredNode extends CustomNode<never> {
  readonly id: number;
  readonly name: string;
}

const registry = new Map<unknown, RegisteredNode>();

/**
 * Make instances of a class inner nodes of trees (like jax.tree_util.register_pytree_node).
 * `aux` must be comparable as JSON.
 */
export function register<T>(type: abstract new (...args: never[]) => T, node: CustomNode<T>): void {
  registry.set(type.prototype, {
    ...(node as unknown as CustomNode<never>),
    flatten: node.flatten.bind(node) as never,
    unflatten: node.unflatten.bind(node) as never,
    id: registry.size,
    name: type.name,
  });
}

const isPlain = (x: object): boolean => {
  const proto = Object.getPrototypeOf(x);
  return proto === Object.prototype || proto === null;
};

type Tree = Readonly<Record<string, unknown>>;

const LEAF: Structure = { kind: "leaf" };

/** What a value is in a tree: a leaf, or which kind of inner node. */
export function nodeOf(x: unknown): "leaf" | "empty" | "array" | "object" | RegisteredNode {
  if (x === null || x === undefined) return "empty";
  if (typeof x !== "object") return "leaf";
  if (Array.isArray(x)) return "array";
  return registry.get(Object.getPrototypeOf(x)) ?? (isPlain(x) ? "object" : "leaf");
}

function structureOf(x: unknown, leaves: unknown[]): Structure {
  const inner = (children: readonly unknown[]) => children.map((c) => structureOf(c, leaves));
  const node = nodeOf(x);
  switch (node) {
    case "leaf":
      leaves.push(x);
      return LEAF;
    case "empty":
      return { kind: "empty", value: x as null | undefined };
    case "array":
      return { kind: "array", children: inner(x as readonly unknown[]) };
    case "object": {
      const keys = Object.keys(x as object).sort();
      return { kind: "object", keys, children: inner(keys.map((k) => (x as Tree)[k])) };
    }
    default: {
      const { children, aux } = node.flatten(x as never);
      return { kind: "custom", node, aux, children: inner(children) };
    }
  }
}

/** A text that tells structures apart; `empty` is what stands for null and undefined. */
function keyOf(s: Structure, empty: (value: null | undefined) => string): string {
  const inner = (c: Structure): string => keyOf(c, empty);
  switch (s.kind) {
    case "leaf":
      return "*";
    case "empty":
      return empty(s.value);
    case "array":
      return `[${s.children.map(inner).join(",")}]`;
    case "object":
      return `{${s.keys.map((k, i) => `${JSON.stringify(k)}:${inner(s.children[i]!)}`).join(",")}}`;
    case "custom":
      return `<${s.node.id}:${s.node.name} ${auxKey(s.aux)} ${s.children.map(inner).join(",")}>`;
  }
}

const auxKey = (aux: unknown): string => JSON.stringify(aux) ?? "";

function show(s: Structure): string {
  switch (s.kind) {
    case "leaf":
      return "leaf";
    case "empty":
      return String(s.value);
    case "array":
      return `[${s.children.map(show).join(", ")}]`;
    case "object":
      return `{${s.keys.map((k, i) => `${JSON.stringify(k)}: ${show(s.children[i]!)}`).join(", ")}}`;
    case "custom":
      return `${s.node.name}(${s.children.map(show).join(", ")})`;
  }
}

function countLeaves(s: Structure): number {
  switch (s.kind) {
    case "leaf":
      return 1;
    case "empty":
      return 0;
    default:
      return s.children.reduce((n, c) => n + countLeaves(c), 0);
  }
}

/**
 * The structure of a tree: everything but its leaves. `key` is equal for structures that no function can
 * tell apart; `equals` takes null and undefined for the same, which both are nothing.
 */
export class TreeDef {
  readonly structure: Structure;
  readonly key: string;
  readonly size: number;

  constructor(structure: Structure) {
    this.structure = structure;
    this.key = keyOf(structure, String);
    this.size = countLeaves(structure);
  }

  equals(other: TreeDef): boolean {
    if (this.key === other.key) return true;
    const loose = (def: TreeDef): string => keyOf(def.structure, () => "~");
    return loose(this) === loose(other);
  }

  /** A tree of this structure with the given leaves. */
  unflatten(leaves: readonly unknown[]): unknown {
    if (leaves.length !== this.size) {
      throw new ShapeError(
        `tree.unflatten: the structure ${this} has ${this.size} leaves but ${leaves.length} were given`,
      );
    }
    let next = 0;
    const go = (s: Structure): unknown => {
      switch (s.kind) {
        case "leaf":
          return leaves[next++];
        case "empty":
          return s.value;
        case "array":
          return s.children.map(go);
        case "object":
          return Object.fromEntries(s.keys.map((k, i) => [k, go(s.children[i]!)]));
        case "custom":
          return (s.node.unflatten as (aux: unknown, c: unknown[]) => unknown)(
            s.aux,
            s.children.map(go),
          );
      }
    };
    return go(this.structure);
  }

  /** The key path of every leaf, such as `.layers[0].weight`; an empty string for a bare leaf. */
  paths(): string[] {
    const out: string[] = [];
    const go = (s: Structure, path: string): void => {
      if (s.kind === "leaf") out.push(path);
      else if (s.kind === "object") {
        s.keys.forEach((k, i) => {
          go(s.children[i]!, /^[A-Za-z_$][\w$]*$/.test(k) ? `${path}.${k}` : `${path}["${k}"]`);
        });
      } else if (s.kind !== "empty") {
        s.children.forEach((c, i) => {
          go(c, `${path}[${i}]`);
        });
      }
    };
    go(this.structure, "");
    return out;
  }

  /** As people read it: `{"w": leaf, "b": [leaf, null]}`. */
  toString(): string {
    return show(this.structure);
  }
}

/** The leaves of a tree in order, and its structure. */
export function flatten(tree: unknown): [leaves: unknown[], def: TreeDef] {
  const leaves: unknown[] = [];
  const structure = structureOf(tree, leaves);
  return [leaves, new TreeDef(structure)];
}

/** The structure of the first tree, and every tree's leaves; all must share the structure. */
export function flattenSame(op: string, trees: readonly unknown[]): [unknown[][], TreeDef] {
  const [first, def] = flatten(trees[0]);
  const lists = [first];
  for (let i = 1; i < trees.length; i++) {
    const [leaves, other] = flatten(trees[i]);
    if (!other.equals(def)) {
      throw new ShapeError(
        `${op}: tree ${i + 1} has the structure ${other} but the first has ${def}; ` +
          `${firstDifference(def, other)}`,
      );
    }
    lists.push(leaves);
  }
  return [lists, def];
}

function firstDifference(a: TreeDef, b: TreeDef): string {
  const pa = a.paths();
  const pb = b.paths();
  const missing = pa.find((p) => !pb.includes(p));
  if (missing !== undefined) return `leaf "${missing || "(root)"}" is missing`;
  const extra = pb.find((p) => !pa.includes(p));
  if (extra !== undefined) return `leaf "${extra || "(root)"}" is not expected`;
  return "their empty or custom nodes differ";
}

/** How an error of `broadcastPrefix` speaks of what it was given. */
export interface PrefixWords {
  readonly what: string;
  readonly advice: string;
}

const axesWords: PrefixWords = {
  what: "axes",
  advice: "give a number, null, or a tree of them that is a prefix of the value's structure",
};

/**
 * Give every leaf of `def` the value of the prefix that covers it: a prefix is a tree of which
 * any subtree may be replaced by one value (vmap's axes). `isValue` says what counts as a value.
 */
export function broadcastPrefix<T>(
  op: string,
  prefix: unknown,
  def: TreeDef,
  isValue: (x: unknown) => x is T,
  words: PrefixWords = axesWords,
): T[] {
  const out: T[] = [];
  const fill = (s: Structure, value: T): void => {
    for (let n = countLeaves(s); n > 0; n--) out.push(value);
  };
  const go = (p: unknown, s: Structure, path: string): void => {
    if (isValue(p)) {
      fill(s, p);
      return;
    }
    if (s.kind === "empty") return;
    if (s.kind === "array" && Array.isArray(p) && p.length === s.children.length) {
      s.children.forEach((c, i) => {
        go(p[i], c, `${path}[${i}]`);
      });
      return;
    }
    if (s.kind === "object" && typeof p === "object" && p !== null && !Array.isArray(p)) {
      const given = Object.keys(p).sort();
      if (given.length === s.keys.length && given.every((k, i) => k === s.keys[i])) {
        s.keys.forEach((k, i) => {
          go((p as Record<string, unknown>)[k], s.children[i]!, `${path}.${k}`);
        });
        return;
      }
    }
    if (s.kind === "custom" && nodeOf(p) === s.node) {
      const { children, aux } = s.node.flatten(p as never);
      if (children.length === s.children.length && auxKey(aux) === auxKey(s.aux)) {
        s.children.forEach((c, i) => {
          go(children[i], c, `${path}[${i}]`);
        });
        return;
      }
    }
    throw new ShapeError(
      `${op}: the ${words.what} at "${path || "(root)"}" do not match the value's structure ` +
        `${show(s)}; ${words.advice}`,
    );
  };
  go(prefix, def.structure, "");
  return out;
}

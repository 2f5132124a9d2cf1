/** The leaves of a tree that is like one seen before: most calls of a program are like the last. */
import { nodeOf, type TreeDef } from "./tree.js";

type Structure = TreeDef["structure"];

/** The leaves of `tree` if its structure is that of `def`, found without making another; else undefined. */
export function leavesLike(tree: unknown, def: TreeDef): unknown[] | undefined {
  const leaves: unknown[] = [];
  return matches(tree, def.structure, leaves) ? leaves : undefined;
}

function matches(x: unknown, s: Structure, leaves: unknown[]): boolean {
  const kind = nodeOf(x);
  switch (s.kind) {
    case "leaf":
      if (kind !== "leaf") return false;
      leaves.push(x);
      return true;
    case "empty":
      return kind === "empty" && x === s.value;
    case "array":
      return kind === "array" && allMatch(x as readonly unknown[], s.children, leaves);
    case "object": {
      if (kind !== "object" || Object.keys(x as object).length !== s.keys.length) return false;
      for (let i = 0; i < s.keys.length; i++) {
        const key = s.keys[i]!;
        if (!Object.hasOwn(x as object, key)) return false;
        const child = (x as Record<string, unknown>)[key];
        if (!matches(child, s.children[i]!, leaves)) return false;
      }
      return true;
    }
    case "custom": {
      if (kind !== s.node) return false;
      const { children, aux } = s.node.flatten(x as never);
      const same = Object.is(aux, s.aux) || JSON.stringify(aux) === JSON.stringify(s.aux);
      return same && allMatch(children, s.children, leaves);
    }
  }
}

function allMatch(xs: readonly unknown[], s: readonly Structure[], leaves: unknown[]): boolean {
  if (xs.length !== s.length) return false;
  for (let i = 0; i < s.length; i++) if (!matches(xs[i], s[i]!, leaves)) return false;
  return true;
}

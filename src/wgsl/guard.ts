/** Kernels of a branch or of a loop that may be over: they leave at once where a word says so. */
import { type Idx, idxConst } from "../ir/index-expr.js";
import { type Guard, stepLevel } from "../schedule/place.js";
import type { ModuleBuilder } from "./module.js";
import { indexText } from "./text.js";

/** Indices of guards depend on the loops around only. */
const indexOf = (e: Idx, module: ModuleBuilder): string =>
  indexText(e, (atom) => {
    if (atom.op === "var") return module.step(stepLevel(atom.name)!);
    if (atom.op === "load") return "0u";
    return `(${indexOf(atom.arg, module)} ${atom.op === "div" ? "/" : "%"} ${atom.by}u)`;
  });

/**
 * The statement that ends a kernel whose guards do not hold. The words lie in buffers that the kernel
 * only reads, so all threads are known to agree, and barriers may follow.
 */
export function guardText(guards: readonly Guard[], module: ModuleBuilder): string {
  const conditions = guards.map(({ place, equals }) => {
    const at = indexOf(place.base ?? idxConst(0), module);
    return `${module.load(place, "uint32", 1, at)} != ${equals}u`;
  });
  return conditions.length === 0 ? "" : `if (${conditions.join(" || ")}) { return; }`;
}

/** What loop kernels have in common that differ in where their variables lie only. */
import { type Atom, type Eqn, Lit, type Var } from "../ir/graph.js";
import { paramsKey } from "../ir/print.js";
import type { LoopKernel } from "../schedule/kernel.js";
import type { LoopContext } from "./loop.js";

/**
 * A text that is equal for kernels of equal expressions, sizes and strides: their shaders are the same up
 * to names of buffers and offsets in them. Networks repeat their layers, so there are few of these.
 */
export function loopClass(k: LoopKernel, c: LoopContext): string {
  const ids = new Map<Atom, number>();
  const eqns = new Map<Eqn, number>();
  const own = new Set<Var>([...k.vars, ...(k.inner?.vars ?? [])]);
  const lines: string[] = [];

  const leaf = (x: Atom): number => {
    const have = ids.get(x);
    if (have !== undefined) return have;
    ids.set(x, ids.size);
    const { dtype, shape } = x.aval;
    const at = `${dtype}[${shape}]`;
    if (x instanceof Lit) lines.push(`${x.value}:${at}`);
    else if (c.storage.isScalar(x)) lines.push(`scalar ${at}`);
    // What an expression mentions and never reads (an order, a part that a view leaves out) may lie nowhere.
    else lines.push(`load ${at} ${own.has(x) ? "" : (c.placeIfAny(x)?.base?.key ?? "")}`);
    return ids.size - 1;
  };
  const visit = (eqn: Eqn): number => {
    const have = eqns.get(eqn);
    if (have !== undefined) return have;
    const inputs = eqn.inputs.map((x) => {
      if (x instanceof Lit || c.storage.isScalar(x) || c.storage.isStored(x)) return leaf(x);
      const { eqn: from, output } = c.defs.of(x)!;
      return `${visit(from)}.${output}`;
    });
    eqns.set(eqn, eqns.size);
    const shapes = eqn.outputs.map((v) => v.aval.shape.join(","));
    lines.push(
      `${eqn.prim.name}${paramsKey(eqn.params)} ${inputs.join(" ")} [${shapes.join("][")}]`,
    );
    return eqns.size - 1;
  };
  const root = (v: Var): void => {
    const { eqn, output } = c.defs.of(v)!;
    const kept = k.stores.has(v) ? `store ${c.place(v).base?.key ?? ""}` : "";
    lines.push(`${leaf(v)} = ${visit(eqn)}.${output} ${kept}`);
  };
  for (const v of k.vars) root(v);
  if (k.inner) {
    lines.push(`over ${visit(k.inner.over)}`);
    for (const v of k.inner.vars) root(v);
  }
  return `${k.first ?? ""} ${k.size}\n${lines.join("\n")}`;
}

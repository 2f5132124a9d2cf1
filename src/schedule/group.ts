/** What fusion makes of cut variables, before it is lowered. */
import type { Eqn, Var } from "../ir/graph.js";
import type { Across } from "./across.js";

/** A kernel in the making. */
export interface Group {
  readonly kind: "loop" | "contract";
  readonly size: number;
  /** Variables computed at each point, in the order of their definitions. */
  readonly vars: readonly Var[];
  readonly inner: { readonly vars: readonly Var[]; readonly over: Eqn } | undefined;
  /** Of a contraction: what is computed at a point of several of its lanes. */
  readonly across: Across | undefined;
  /** Every stored variable read, by other kernels or this one, with the flat positions. */
  readonly reads: ReadonlyMap<Var, ReadonlySet<string>>;
  /** Operations and loads of all points. */
  readonly flops: number;
  readonly loads: number;
}

/**
 * The one record that defines a primitive. Every pass works from the record: its `kind`, its rules
 * and its declared properties, never its name. See CONTRIBUTING.md for the recipe.
 */
import type { Aval } from "../core/aval.js";
import type { NdArray } from "../core/ndarray.js";
import type { EqnHarvest } from "./effects.js";
import type { Atom, Eqn, Graph } from "./graph.js";
import type { Idx, ViewExpr } from "./index-expr.js";

/**
 * - `elementwise`: every input and output has the same shape; element i depends on elements i.
 * - `view`: an output element is one element of one operand, or a function of its own position;
 *   `view` says which.
 * - `reduce`: combines the elements along `params.axes` of every input; the axes disappear.
 * - `contract`: sums products over contracted axes (dotGeneral, convolutions); has templates.
 * - `opaque`: defined on the device by its `lower` rule in terms of other primitives.
 * - `structured`: control flow over sub-graphs; `control` says how they run on the device.
 *
 * Any primitive may carry graphs in its parameters (see subgraphs.ts). The convention: trailing
 * inputs of the equation reach each of them unchanged, as its trailing inputs. So closed-over values
 * and hoisted constants are appended to both, whatever the primitive is.
 */
export type Kind = "elementwise" | "view" | "reduce" | "contract" | "opaque" | "structured";

export interface JvpArgs<P> {
  readonly primals: readonly Atom[];
  /** null is a tangent known to be zero. At least one is not null. */
  readonly tangents: readonly (Atom | null)[];
  /** The primal outputs, already bound. */
  readonly outputs: readonly Atom[];
  readonly params: P;
}

export interface JointJvp {
  readonly outputs: readonly Atom[];
  /** null is zero. */
  readonly tangents: readonly (Atom | null)[];
}

export interface TransposeArgs<P> {
  /** Cotangents of the outputs; null is zero. At least one is not null. */
  readonly cotangents: readonly (Atom | null)[];
  /** The operands: null where the equation is linear in it, else its value. */
  readonly inputs: readonly (Atom | null)[];
  readonly avals: readonly Aval[];
  readonly params: P;
}

export interface BatchArgs<P> {
  readonly inputs: readonly Atom[];
  /** Whether each input carries the lane axis, always axis 0. At least one does. */
  readonly mapped: readonly boolean[];
  readonly size: number;
  readonly params: P;
  /** Name of the lane axis, for collectives within sub-graphs. */
  readonly axisName?: string | undefined;
}

/** What a collective becomes once its axis is mapped. */
export interface CollectiveResult {
  readonly outputs: readonly Atom[];
  /** Whether the outputs carry the lane axis; else all lanes have the same value. */
  readonly mapped: boolean;
}

export interface BatchedOutputs {
  readonly outputs: readonly Atom[];
  /** Which outputs carry the lane axis (at 0); the others do not depend on the lane. */
  readonly mapped: readonly boolean[];
}

/** An equation split by what is known early. */
export interface PartialEval {
  /** Read known inputs only. They define the equation's known outputs, and residuals. */
  readonly known: readonly Eqn[];
  /** Define the other outputs from the unknown inputs, known ones and residuals. */
  readonly unknown: readonly Eqn[];
}

/** How to run a sub-graph on the host. */
export type RunGraph = (graph: Graph, inputs: readonly NdArray[]) => NdArray[];

/**
 * What a structured equation does on the device. Its operands follow the equation's inputs:
 * - `loop`: init…, xs…, consts… (scan)
 * - `while`: init…, consts…
 * - `branch`: index, operands…
 */
export type Control =
  | {
      readonly kind: "loop";
      readonly body: Graph;
      readonly carry: number;
      readonly xs: number;
      readonly length: number;
      readonly reverse: boolean;
    }
  | { readonly kind: "while"; readonly cond: Graph; readonly body: Graph; readonly carry: number }
  | { readonly kind: "branch"; readonly branches: readonly Graph[] };

/** What an elementwise rule may ask of the kernel that it is written into. */
export interface EmitContext {
  /** Lanes of the WGSL value: 1 for `f32`, 4 for `vec4f`. Expressions must work for both. */
  readonly width: 1 | 4;
  /** The WGSL type of a dtype at this width: f32/vec4f, i32/vec4i, u32/vec4u, bool/vec4<bool>. */
  type(dtype: Aval["dtype"]): string;
  /** A constant of this dtype at this width; infinities and NaN arrive through a uniform. */
  constant(value: number, dtype: Aval["dtype"]): string;
  /** Bind an expression to a name, so that it is evaluated once. */
  let(type: string, expression: string): string;
  /**
   * Declare a WGSL function once per module. `code` receives a function that maps a scalar type to
   * the type at this width and the function's unique name; call the name that is returned.
   */
  helper(name: string, code: (type: (scalar: string) => string, name: string) => string): string;
}

export interface EmitArgs<P> {
  /** WGSL expressions of the inputs (already parenthesised or names; bool is WGSL bool). */
  readonly args: readonly string[];
  readonly inputs: readonly Aval[];
  readonly outputs: readonly Aval[];
  readonly params: P;
  readonly ctx: EmitContext;
}

export interface ViewArgs<P> {
  /** Position in the output, one expression an axis. */
  readonly index: readonly Idx[];
  readonly inputs: readonly Aval[];
  readonly output: Aval;
  readonly params: P;
}

/** A reduction over `params.axes`: an identity element and an associative, commutative combine. */
export interface ReduceSpec {
  /** The identity for a dtype, as a JavaScript number (may be infinite). */
  identity(dtype: Aval["dtype"]): number;
  /** WGSL that combines two values. */
  combine(a: string, b: string, dtype: Aval["dtype"], ctx: EmitContext): string;
  /** WGSL subgroup builtin that does the same, where one exists (subgroupAdd, ...). */
  readonly subgroup?: string;
}

/**
 * How far one evaluation on the device may be from the f64 reference, given the same f32 inputs:
 * `ulp` relative units in the last place of the result (2^-23 each), `abs` an absolute term; both
 * add up. From WGSL's accuracy table, or from the algorithm that we emit. Reductions and
 * contractions multiply `ulp` by the square root of the number of terms, relative to the sum of
 * the terms' absolute values.
 */
export interface ErrorBound {
  readonly ulp: number;
  readonly abs?: number;
}

export interface Primitive<P extends object = object> {
  readonly name: string;
  readonly kind: Kind;

  /** Output avals, or a ShapeError / DtypeError that names the operation. */
  aval(inputs: readonly Aval[], params: P): readonly Aval[];

  /**
   * The f64 oracle, written for clarity, independent of the device rules. Sub-graphs are run by `run`,
   * through which an interpreter follows (or disturbs) what they compute.
   */
  ref(inputs: readonly NdArray[], params: P, outputs: readonly Aval[], run?: RunGraph): NdArray[];

  /**
   * Tangents of the outputs (null = zero), built with primitives on atoms.
   * Absent: the derivative is zero everywhere (integers, comparisons, floor, ...).
   */
  jvp?(args: JvpArgs<P>): readonly (Atom | null)[];

  /**
   * In place of `jvp`, where outputs and tangents come from one equation (a loop over both). Is called
   * when at least one tangent is not null.
   */
  jvpJoint?(args: Omit<JvpArgs<P>, "outputs">): JointJvp;

  /** Cotangents of the inputs where `inputs[i]` is null. Present iff linear in some operand. */
  transpose?(args: TransposeArgs<P>): readonly (Atom | null)[];

  /** The same equation over a lane axis; every output carries the lane axis at 0. */
  batch(args: BatchArgs<P>): readonly Atom[];

  /**
   * Communicates over the named axis `params.axisName` (psum): what it is once that axis is mapped.
   * Inputs may all be unmapped.
   */
  collective?(args: BatchArgs<P>): CollectiveResult;

  /**
   * In place of `batch`, where some outputs may not depend on the lane. Inputs may all be unmapped, if a
   * sub-graph communicates over the axis.
   */
  batchPartly?(args: BatchArgs<P>): BatchedOutputs;

  /**
   * Split an equation of which some inputs are unknown (`unknown`) into equations for early and late.
   * The outputs' variables stay: each is defined on one side. null, or no rule: everything is late.
   */
  partialEval?(eqn: Eqn, unknown: readonly boolean[]): PartialEval | null;

  /**
   * An equation for the outputs in `used` only (at least one): the same variables, perhaps fewer
   * inputs; with smaller sub-graphs. null, or no rule, keeps it.
   */
  dce?(eqn: Eqn, used: readonly boolean[]): Eqn | null;

  /** A simpler form, or null. Must keep values (NaN and signed zero included) and avals. */
  simplify?(inputs: readonly Atom[], params: P): readonly Atom[] | null;

  /** kind elementwise: WGSL for each output. */
  emit?(args: EmitArgs<P>): readonly string[];
  /** kind elementwise: rough cost in flops, 1 when absent; decides recompute or store. */
  readonly cost?: number;
  /** kind view: where an output element comes from. */
  view?(args: ViewArgs<P>): ViewExpr;
  /** kind reduce. */
  readonly reduce?: ReduceSpec;
  /** kind opaque: the same outputs from other primitives; runs at schedule time. */
  lower?(inputs: readonly Atom[], params: P): readonly Atom[];

  /** kind structured: how it runs on the device. */
  control?(params: P): Control;

  /** The output is the operand under a name (checkpointName). */
  readonly renames?: boolean;

  /** A sum of products, as contractions are, though by a `lower` rule (convolutions). */
  readonly product?: boolean;

  /**
   * kind view: the output is the first operand; what is computed from it runs after the other operands,
   * and no pass looks through it (optimizationBarrier).
   */
  readonly ordersBy?: boolean;

  /**
   * Stands for its `lower` rule and differs from it only in how it is differentiated (custom rules):
   * final graphs have what it stands for in its place.
   */
  readonly wrapper?: boolean;

  readonly error: ErrorBound;

  /**
   * Smallest distance of these inputs from a point where the primitive is not differentiable (or
   * jumps); Infinity where it is smooth. Random tests discard cases near a kink.
   */
  kink?(inputs: readonly NdArray[], params: P): number;

  /** Ordered, never merged, eliminated or rematerialised (debug.print). */
  readonly effects?: boolean;

  /** With effects, its own or of sub-graphs: what it leaves to the host (see effects.ts). */
  harvest?(eqn: Eqn): EqnHarvest;
}

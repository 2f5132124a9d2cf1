/**
 * What the elementwise primitives share: shape and dtype checks with good errors, the host loop over
 * elements, batching by broadcasting, and folding of constants. A primitive's own file says the rest.
 */
import { type Aval, aval, type Shape, shapesEqual, showAval } from "../core/aval.js";
import { type DType, isFloat } from "../core/dtype.js";
import { DtypeError, ShapeError } from "../core/errors.js";
import { hostData, type NdArray, ndarray } from "../core/ndarray.js";
import { bind, bind1, currentBuilder, definitionOf } from "../ir/builder.js";
import { type Atom, type Eqn, Lit } from "../ir/graph.js";
import type { EmitArgs, EmitContext, ErrorBound, JvpArgs, Primitive } from "../ir/primitive.js";
import { addLane, constant } from "./broadcast.js";

/** The rules of an elementwise primitive that helpers below complete to a record. */
export interface ElementwiseRules<P extends object> {
  readonly name: string;
  readonly arity: number;
  /** Dtypes of the outputs, or a DtypeError. Shapes are checked already. */
  result(inputs: readonly Aval[], params: P): readonly DType[];
  /** The f64 oracle for one element; several outputs come as a list. */
  scalar(inputs: readonly Aval[], params: P): (...x: number[]) => number | readonly number[];
  emit(args: EmitArgs<P>): readonly string[];
  readonly jvp?: Primitive<P>["jvp"];
  readonly transpose?: Primitive<P>["transpose"];
  simplify?(inputs: readonly Atom[], params: P): Atom | null;
  /**
   * Distance of one element's inputs from a kink or a jump; negative outside the domain, where there
   * is no derivative to test.
   */
  kink?(params: P, inputs: readonly Aval[]): (...x: number[]) => number;
  readonly error: ErrorBound;
  readonly cost?: number;
}

/** The record of an elementwise primitive. */
export function elementwise<P extends object>(rules: ElementwiseRules<P>): Primitive<P> {
  const { name, arity } = rules;
  const prim: Primitive<P> = {
    name,
    kind: "elementwise",
    aval(inputs, params) {
      const shape = commonShape(name, arity, inputs);
      return rules.result(inputs, params).map((dtype) => aval(shape, dtype));
    },
    ref(inputs, params, outputs) {
      const f = rules.scalar(inputs, params);
      const out = outputs.map((o) => hostData(o.dtype, inputs[0]!.data.length));
      for (let i = 0; i < inputs[0]!.data.length; i++) {
        const y = f(...inputs.map((x) => x.data[i]!));
        // Storing into an integer array wraps, as the device does.
        if (typeof y === "number") out[0]![i] = y;
        else for (let k = 0; k < out.length; k++) out[k]![i] = y[k]!;
      }
      return outputs.map((o, k) => ({ shape: inputs[0]!.shape, dtype: o.dtype, data: out[k]! }));
    },
    batch({ inputs, mapped, size, params }) {
      const lanes = inputs.map((x, i) => (mapped[i] ? x : addLane(x, size)));
      return bind(prim, lanes, params);
    },
    simplify(inputs, params) {
      const folded = fold(prim, inputs, params);
      if (folded) return folded;
      const simpler = rules.simplify?.(inputs, params);
      return simpler ? [simpler] : null;
    },
    emit: (args) => rules.emit(args),
    error: rules.error,
    ...(rules.cost === undefined ? {} : { cost: rules.cost }),
    ...(rules.jvp ? { jvp: rules.jvp } : {}),
    ...(rules.transpose ? { transpose: rules.transpose } : {}),
    ...(rules.kink
      ? {
          kink(inputs: readonly NdArray[], params: P) {
            const distance = rules.kink!(params, inputs);
            let least = Number.POSITIVE_INFINITY;
            for (let i = 0; i < inputs[0]!.data.length; i++) {
              const d = distance(...inputs.map((x) => x.data[i]!));
              if (d < least) least = d;
            }
            return least;
          },
        }
      : {}),
  };
  return prim;
}

function commonShape(name: string, arity: number, inputs: readonly Aval[]): Shape {
  const shape = inputs[0]?.shape ?? [];
  if (inputs.length !== arity || !inputs.every((x) => shapesEqual(x.shape, shape))) {
    throw new ShapeError(
      `${name}: needs ${arity} operand${arity === 1 ? "" : "s"} of equal shape, got ` +
        `${inputs.map(showAval).join(" and ")}; broadcast them first`,
    );
  }
  return shape;
}

/** The scalar that every element of `x` equals, where that is known at trace time. */
export function constantOf(x: Atom): number | undefined {
  let at = x;
  while (!(at instanceof Lit)) {
    const eqn: Eqn | undefined = currentBuilder()?.definition(at);
    // Every element of a view of a single operand is an element of that operand.
    if (eqn?.prim.kind !== "view" || eqn.inputs.length !== 1) return undefined;
    at = eqn.inputs[0]!;
  }
  return at.value;
}

/** Is every element of `x` this number (signed zeros told apart)? */
export const isConstant = (x: Atom, value: number): boolean => {
  const have = constantOf(x);
  return have !== undefined && Object.is(have, value);
};

/** `value` in every element, in the shape and dtype of `x` (or another dtype). */
export const like = (x: Atom, value: number, dtype: DType = x.aval.dtype): Atom =>
  constant(value, x.aval.shape, dtype);

/**
 * The result on constants, in f64: the device rounds it once when it is uploaded, and the reference
 * not at all.
 */
function fold<P extends object>(
  prim: Primitive<P>,
  inputs: readonly Atom[],
  params: P,
): readonly Atom[] | null {
  const values = inputs.map(constantOf);
  if (!values.every((v) => v !== undefined)) return null;
  const scalars = values.map((v, i) => ndarray([], inputs[i]!.aval.dtype, v));
  const outs = prim.aval(scalars, params);
  return prim.ref(scalars, params, outs).map((out) => {
    return like(inputs[0]!, out.data[0]!, out.dtype);
  });
}

/** A DtypeError unless `x` has one of the dtypes. */
export function requireTakes(name: string, takes: readonly DType[], x: Aval): void {
  if (takes.includes(x.dtype)) return;
  throw new DtypeError(
    `${name} takes ${takes.join(", ")}, got ${showAval(x)}; convert with astype("${takes[0]}")`,
  );
}

/** A DtypeError unless all operands have the same dtype, one of `takes`. */
export function requireSame(name: string, takes: readonly DType[], inputs: readonly Aval[]): void {
  for (const x of inputs) requireTakes(name, takes, x);
  if (inputs.some((x) => x.dtype !== inputs[0]!.dtype)) {
    throw new DtypeError(
      `${name} needs operands of one dtype, got ${inputs.map(showAval).join(" and ")}; ` +
        "convert one with astype",
    );
  }
}

/** A function on atoms that carries its primitive. */
export interface UnaryOp {
  (x: Atom): Atom;
  readonly prim: Primitive;
}
export interface BinaryOp {
  (x: Atom, y: Atom): Atom;
  readonly prim: Primitive;
}

type Jvp = (args: JvpArgs<object>) => readonly (Atom | null)[];

interface Shared {
  readonly name: string;
  /** The dtypes it is defined on. */
  readonly takes: readonly DType[];
  /** The dtype of the result; that of the operands when absent. */
  readonly gives?: DType;
  readonly jvp?: Jvp;
  readonly transpose?: Primitive["transpose"];
  readonly error: ErrorBound;
  readonly cost?: number;
}

export interface UnaryRules extends Shared {
  ref(x: number, dtype: DType): number;
  emit(x: string, ctx: EmitContext, dtype: DType): string;
  simplify?(x: Atom): Atom | null;
  kink?(x: number): number;
}

export function unary(rules: UnaryRules): UnaryOp {
  const { ref, emit, simplify, kink, takes, gives, ...rest } = rules;
  const prim = elementwise<object>({
    ...rest,
    arity: 1,
    result([x]) {
      requireTakes(rules.name, takes, x!);
      return [gives ?? x!.dtype];
    },
    scalar:
      ([x]) =>
      (a) =>
        ref(a!, x!.dtype),
    emit: ({ args: [x], inputs: [a], ctx }) => [emit(x!, ctx, a!.dtype)],
    ...(simplify ? { simplify: ([x]: readonly Atom[]) => simplify(x!) } : {}),
    ...(kink
      ? {
          kink:
            (_: object, [a]: readonly Aval[]) =>
            (x) =>
              onFloats(a!, kink(x!)),
        }
      : {}),
  });
  return Object.assign((x: Atom) => bind1(prim, [x], {}), { prim });
}

export interface BinaryRules extends Shared {
  ref(x: number, y: number, dtype: DType): number;
  emit(x: string, y: string, ctx: EmitContext, dtype: DType): string;
  simplify?(x: Atom, y: Atom): Atom | null;
  kink?(x: number, y: number): number;
}

/** Two operands of one dtype. */
export function binary(rules: BinaryRules): BinaryOp {
  const { ref, emit, simplify, kink, takes, gives, ...rest } = rules;
  const prim = elementwise<object>({
    ...rest,
    arity: 2,
    result(inputs) {
      requireSame(rules.name, takes, inputs);
      return [gives ?? inputs[0]!.dtype];
    },
    scalar:
      ([x]) =>
      (a, b) =>
        ref(a!, b!, x!.dtype),
    emit: ({ args: [x, y], inputs: [a], ctx }) => [emit(x!, y!, ctx, a!.dtype)],
    ...(simplify ? { simplify: ([x, y]: readonly Atom[]) => simplify(x!, y!) } : {}),
    ...(kink
      ? {
          kink:
            (_: object, [a]: readonly Aval[]) =>
            (x, y) =>
              onFloats(a!, kink(x!, y!)),
        }
      : {}),
  });
  return Object.assign((x: Atom, y: Atom) => bind1(prim, [x, y], {}), { prim });
}

// Integers carry no tangent: they have no kinks.
const onFloats = (x: Aval, distance: number): number =>
  isFloat(x.dtype) ? distance : Number.POSITIVE_INFINITY;

/** The operand of the equation that defines `x`, where that is `op`: to look through a chain. */
export const operandOf = (x: Atom, op: { readonly prim: Primitive }): Atom | undefined =>
  definitionOf(x, op.prim)?.inputs[0];

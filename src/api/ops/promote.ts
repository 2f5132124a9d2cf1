/** How user-level operands become strict atoms: weak numbers, dtype promotion, broadcasting. */
import { broadcastShapes, type Shape, shapesEqual, showAval } from "../../core/aval.js";
import { type DType, integerRange, isFloat, promoteDtypes } from "../../core/dtype.js";
import { DtypeError, ShapeError } from "../../core/errors.js";
import { lit } from "../../ir/builder.js";
import type { Atom } from "../../ir/graph.js";
import { broadcastInDim, convert } from "../../prims/index.js";
import { isTensor, type Tensor, type TensorLike } from "../../trace/tensor.js";
import { operation } from "../../trace/trace.js";
import { currentOp, lift, notTensor, type Trace, tracerOf } from "../../trace/tracer.js";

/** Atoms of one dtype, and whether their result is weakly typed. */
export interface Operands {
  readonly atoms: Atom[];
  readonly dtype: DType;
  readonly weak: boolean;
}

/** Untyped callers pass lists, strings and forgotten arguments: those are errors, never NaN. */
function checkOperand(x: unknown): void {
  if (!isTensor(x) && typeof x !== "number" && typeof x !== "boolean") {
    throw new DtypeError(notTensor(currentOp(), x));
  }
}

/** The dtype of a result: tensors decide; numbers adapt, except that 2.5 turns integers to float. */
export function resultType(xs: readonly TensorLike[]): { dtype: DType; weak: boolean } {
  let strong: DType | undefined;
  let number = false;
  let fraction = false;
  let weakFloat = false;
  for (const x of xs) {
    checkOperand(x);
    if (isTensor(x)) {
      if (x.weak) {
        if (isFloat(x.dtype)) weakFloat = true;
      } else strong = strong === undefined ? x.dtype : promoteDtypes(strong, x.dtype);
    } else if (typeof x === "number") {
      number = true;
      if (!Number.isInteger(x)) fraction = true;
    }
  }
  if (strong === undefined) {
    return { dtype: number || weakFloat ? "float32" : "bool", weak: true };
  }
  if (weakFloat || fraction) return { dtype: promoteDtypes(strong, "float32"), weak: false };
  // true + 2 and mask * 3 count, as in numpy.
  if (number && strong === "bool") return { dtype: "int32", weak: false };
  return { dtype: strong, weak: false };
}

/** One operand as an atom of a dtype; numbers become constants of that dtype. */
export function toAtom(x: TensorLike, trace: Trace, dtype?: DType): Atom {
  checkOperand(x);
  if (!isTensor(x)) {
    const want = dtype ?? (typeof x === "boolean" ? "bool" : "float32");
    return lit(constantOf(Number(x), want), want);
  }
  const atom = lift(x, trace);
  return dtype === undefined || atom.aval.dtype === dtype ? atom : convert(atom, dtype);
}

function constantOf(value: number, dtype: DType): number {
  switch (dtype) {
    case "float32":
      // Kept in f64: the device rounds it once, the reference does not.
      return value;
    case "bool":
      return value !== 0 ? 1 : 0;
    default: {
      const [lo, hi] = integerRange(dtype);
      if (!(value >= lo && value <= hi)) {
        throw new DtypeError(
          `${currentOp()}: the number ${value} does not fit ${dtype}; convert the tensor with astype first`,
        );
      }
      return Math.trunc(value);
    }
  }
}

/** Operands converted to a common dtype (given, or promoted). Shapes stay as they are. */
export function promote(xs: readonly TensorLike[], trace: Trace, dtype?: DType): Operands {
  const type = dtype === undefined ? resultType(xs) : { dtype, weak: false };
  return { atoms: xs.map((x) => toAtom(x, trace, type.dtype)), ...type };
}

/** Broadcast an atom to a shape by numpy's rule. */
export function broadcastAtom(x: Atom, shape: Shape): Atom {
  if (shapesEqual(x.aval.shape, shape)) return x;
  const offset = shape.length - x.aval.shape.length;
  return broadcastInDim(
    x,
    shape,
    x.aval.shape.map((_, i) => i + offset),
  );
}

/** Broadcast atoms to their common shape. */
export function broadcastAtoms(op: string, atoms: readonly Atom[]): Atom[] {
  const shape = broadcastShapes(op, ...atoms.map((x) => x.aval.shape));
  return atoms.map((x) => broadcastAtom(x, shape));
}

/** An n-ary elementwise operation with promotion and broadcasting. */
export function elementwise(
  name: string,
  xs: readonly TensorLike[],
  f: (...atoms: Atom[]) => Atom,
  options: { readonly float?: boolean } = {},
): Tensor {
  return operation(name, (trace) => {
    let type = resultType(xs);
    // sqrt, exp, true division: integers and booleans become float32, as in numpy.
    if (options.float && !isFloat(type.dtype)) type = { dtype: "float32", weak: type.weak };
    const { atoms } = promote(xs, trace, type.dtype);
    const out = f(...broadcastAtoms(name, atoms));
    return tracerOf(trace, out, type.weak && out.aval.dtype === type.dtype);
  });
}

/** Refuses tensors where numbers must be known while tracing: sizes, counts, widths, positions. */
export function requireKnown(op: string, what: string, ...numbers: readonly unknown[]): void {
  if (!numbers.flat(2).some(isTensor)) return;
  throw new ShapeError(
    `${op}: ${what} must be known when the function is traced: give JavaScript numbers, not tensors; make ` +
      "an argument that is traced static (jit's staticArgnums)",
  );
}

/** Complain about an operand of a dtype that the operation does not take. */
export function requireDtype(x: TensorLike, allowed: readonly DType[], hint: string): void {
  const dtype = isTensor(x) ? x.dtype : typeof x === "boolean" ? "bool" : "float32";
  if (!allowed.includes(dtype)) {
    const shown = isTensor(x) ? showAval(x.aval) : String(x);
    throw new DtypeError(`${currentOp()}: takes ${allowed.join(" or ")}, got ${shown}; ${hint}`);
  }
}

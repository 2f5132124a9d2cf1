/** Tracers: the values that a function sees while it is traced, and how they enter a builder. */
import { type Aval, showAval } from "../core/aval.js";
import {
  ConcretizationError,
  DawngradError,
  DtypeError,
  LeakedTracerError,
} from "../core/errors.js";
import { Builder, currentBuilder, lit } from "../ir/builder.js";
import { type Atom, Lit, type Var } from "../ir/graph.js";
import { HostScalar, isTensor, Tensor, type TensorLike } from "./tensor.js";

/** The builder of one trace, and the values from outside that the traced function used. */
export class Trace extends Builder {
  /** Name of the traced function, for errors. */
  readonly label: string;
  readonly captures: Tensor[] = [];
  readonly #captured = new Map<Tensor | Var, Var>();

  constructor(label: string, parent?: Builder) {
    super(parent);
    this.label = label;
  }

  /** Is this value of a trace that may be over already known here? See late.ts. */
  adopts(_x: Tracer): boolean {
    return false;
  }

  /** The input of this graph that stands for an outer tensor or tracer. */
  capture(x: Tensor): Atom {
    const identity = x instanceof Tracer ? x.atom : x;
    if (identity instanceof Lit) return identity;
    let v = this.#captured.get(identity);
    if (!v) {
      v = this.input(x.aval);
      this.#captured.set(identity, v);
      this.captures.push(x);
    }
    return v;
  }
}

let op = "an operation";

/** Name of the user-level operation that is being traced, for errors and tracers' origins. */
export const currentOp = (): string => op;

/** Run `f` as the operation `name`, unless it is part of another operation already. */
export function named<T>(name: string, f: () => T): T {
  if (op !== "an operation") return f();
  op = name;
  try {
    return f();
  } catch (error) {
    // Errors of primitives name those; users know the operation that they called.
    if (error instanceof DawngradError && !error.message.startsWith(name)) {
      error.message = `${name}: ${error.message}`;
    }
    throw error;
  } finally {
    op = "an operation";
  }
}

/** Run `f` with no operation on record: user code inside a transform. */
export function unnamed<T>(f: () => T): T {
  const before = op;
  op = "an operation";
  try {
    return f();
  } finally {
    op = before;
  }
}

/** Origin of the values that a traced function is called with. */
export const argument = "argument";

export class Tracer extends Tensor {
  declare readonly __tensor: true;
  readonly trace: Trace;
  readonly atom: Atom;
  readonly weak: boolean;
  readonly origin: string;

  constructor(trace: Trace, atom: Atom, weak: boolean, origin = op) {
    super();
    this.trace = trace;
    this.atom = atom;
    this.weak = weak;
    this.origin = origin;
  }

  override get aval(): Aval {
    return this.atom.aval;
  }

  /** Where the value comes from, for errors. */
  get provenance(): string {
    const from = this.origin === argument ? "an argument of" : `made by ${this.origin} in`;
    return `${from} '${this.trace.label}'`;
  }

  // Data is asynchronous on concrete tensors; under a trace there is none.
  #refuse(what: string, instead: string): never {
    if (!this.trace.open) throw leaked(what, this);
    throw new ConcretizationError(
      `${what}: a traced ${showAval(this.aval)} (${this.provenance}) ` +
        `has no value while the function is traced; ${instead}`,
    );
  }

  [Symbol.toPrimitive](hint: string): never {
    if (hint === "string") {
      this.#refuse(
        "converting to a string",
        "return it and print the result outside; if it is an argument that must be known while tracing, " +
          "make it static (jit's staticArgnums)",
      );
    }
    this.#refuse(
      "converting to a number (a comparison such as `x > 0`, or arithmetic such as `x + 1`)",
      "use the operations instead: x.greater(0), x.add(1), where(cond, a, b)",
    );
  }
  toJSON(): never {
    this.#refuse("JSON.stringify", "return the value and serialise it outside");
  }
  override data(): never {
    this.#refuse("data()", "return it from the transformed function and read the result");
  }
  override item(): never {
    this.#refuse("item()", "return it from the transformed function and read the result");
  }
  override toArray(): never {
    this.#refuse("toArray()", "return it from the transformed function and read the result");
  }
  override dispose(): void {
    // Memory inside a program is planned by liveness: disposing a tracer means nothing.
  }
  override [Symbol.dispose](): void {}
}

const isTrace = (b: Builder | undefined): b is Trace => b instanceof Trace;

/** The innermost trace, or undefined. */
export function currentTrace(): Trace | undefined {
  const b = currentBuilder();
  return isTrace(b) ? b : undefined;
}

/** Says what to pass where a tensor or number is wanted. */
export function notTensor(operation: string, x: unknown): string {
  const kind =
    x === undefined || x === null
      ? String(x)
      : Array.isArray(x)
        ? "a list"
        : typeof x === "object"
          ? `a ${x.constructor?.name ?? "object"}`
          : `a ${typeof x}`;
  const hint =
    Array.isArray(x) || ArrayBuffer.isView(x)
      ? "make it a tensor with array(...)"
      : x instanceof Promise
        ? "await it first"
        : "pass a tensor, a number or a boolean";
  return `${operation}: an operand is ${kind}; ${hint}`;
}

/** The atom of a value in the given trace; outer values become captures of the traces between. */
export function lift(x: TensorLike, trace: Trace): Atom {
  if (typeof x === "number") return lit(x, "float32");
  if (typeof x === "boolean") return lit(Number(x), "bool");
  if (x instanceof HostScalar) return lit(x.value, x.aval.dtype);
  if (!isTensor(x)) throw new DtypeError(notTensor(op, x));
  if (!(x instanceof Tracer)) return trace.capture(x);
  if (x.trace === trace) return x.atom;
  for (let b: Builder | undefined = trace; b; b = b.parent) {
    if (b instanceof Trace && b.adopts(x)) return trace.capture(x);
  }
  const user = op === "an operation" ? `'${trace.label}'` : op;
  if (!x.trace.open) throw leaked(user, x);
  for (let b: Builder | undefined = trace.parent; b; b = b.parent) {
    if (b === x.trace) return trace.capture(x);
  }
  throw new LeakedTracerError(
    `${user}: a traced ${showAval(x.aval)} of '${x.trace.label}' is used in '${trace.label}', which is ` +
      "not inside it; pass the value as an argument",
  );
}

/** The error of a tracer that is used where its trace is not in progress. */
export const leaked = (user: string, x: Tracer): LeakedTracerError =>
  new LeakedTracerError(
    `${user}: a traced ${showAval(x.aval)} (${x.provenance}) is used after that function has ` +
      "returned; return values from the function instead of storing them in outer variables",
  );

export const tracerOf = (trace: Trace, atom: Atom, weak = false, origin = op): Tracer =>
  new Tracer(trace, atom, weak, origin);

export { isTensor };

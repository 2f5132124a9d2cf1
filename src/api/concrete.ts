/** Concrete tensors: immutable values on the host until first needed on the device. */
import { type Aval, showAval, sizeOf } from "../core/aval.js";
import type { DType, TypedArray } from "../core/dtype.js";
import { ConcretizationError, DawngradError, DisposedError } from "../core/errors.js";
import { flatten } from "../core/tree.js";
import { harvestEffects } from "../ir/effects.js";
import { graphLits } from "../ir/print.js";
import { optimise } from "../optimise/index.js";
import { type ConcreteArray, compile, deliver, fromHost, run } from "../runtime/index.js";
import { hoistHeld } from "../trace/late.js";
import { ShapeDtypeStruct } from "../trace/shape-dtype.js";
import { HostScalar, Tensor } from "../trace/tensor.js";
import { setEvaluator } from "../trace/trace.js";
import { leaked, Tracer } from "../trace/tracer.js";

type State =
  /** Values that no program has asked for yet. */
  | { readonly kind: "host"; readonly data: TypedArray }
  | { readonly kind: "device"; readonly array: ConcreteArray }
  | { readonly kind: "disposed" };

/** A tensor with a value. Made by `array(...)` and by every operation outside a trace. */
export class ConcreteTensor extends Tensor {
  declare readonly __tensor: true;
  readonly aval: Aval;
  readonly weak = false;
  #state: State;

  constructor(aval: Aval, source: ConcreteArray | TypedArray) {
    super();
    this.aval = aval;
    this.#state = ArrayBuffer.isView(source)
      ? { kind: "host", data: source }
      : { kind: "device", array: source };
    scopes.at(-1)?.add(this);
  }

  /** The array on the device; uploads host values on first use. `user` is named in errors. */
  deviceArray(user: () => string): ConcreteArray {
    const state = this.#live(user);
    if (state.kind === "device") return state.array;
    const array = fromHost(state.data, this.aval);
    this.#state = { kind: "device", array };
    return array;
  }

  #live(what: () => string): Exclude<State, { kind: "disposed" }> {
    if (this.#state.kind === "disposed") {
      throw new DisposedError(
        `${what()}: this ${showAval(this.aval)} was disposed; keep it, or compute it again`,
      );
    }
    return this.#state;
  }

  /** Where the values are now, for `block`; undefined on the host. */
  pending(): ConcreteArray | undefined {
    const state = this.#live(() => "block");
    return state.kind === "device" ? state.array : undefined;
  }

  /** The values as a flat row-major typed array: Float32Array, Int32Array, Uint32Array or (bool) Uint8Array. */
  override async data(): Promise<Float32Array | Int32Array | Uint32Array | Uint8Array> {
    const state = this.#live(() => "data()");
    if (state.kind === "host") return state.data.slice() as Float32Array;
    return state.array.read() as Promise<Float32Array>;
  }

  /** The value of a tensor with one element, as a number (bool: 1 or 0). */
  override async item(): Promise<number> {
    if (this.size !== 1) {
      throw new DawngradError(
        `item(): ${showAval(this.aval)} has ${this.size} elements; item() is for one, use data() or toArray()`,
      );
    }
    return (await this.data())[0]!;
  }

  /** The values as nested JavaScript arrays (a number for a scalar; booleans for bool). */
  override async toArray(): Promise<NestedArray> {
    const data = await this.data();
    let next = 0;
    const build = (axis: number): NestedArray => {
      if (axis === this.shape.length) {
        const v = data[next++]!;
        return this.dtype === "bool" ? v !== 0 : v;
      }
      return Array.from({ length: this.shape[axis]! }, () => build(axis + 1));
    };
    return build(0);
  }

  /** Give the memory back now; later use throws DisposedError. Disposing twice is harmless. */
  override dispose(): void {
    if (this.#state.kind === "device") this.#state.array.dispose();
    this.#state = { kind: "disposed" };
  }

  override [Symbol.dispose](): void {
    this.dispose();
  }

  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return `Tensor(${showAval(this.aval)})`;
    throw new ConcretizationError(
      `a tensor ${showAval(this.aval)} was used as a JavaScript number (a comparison such as \`x > 0\`, ` +
        "or arithmetic such as `x + 1`); its value is on the device: use x.greater(0) or x.add(1), or " +
        "read it first with `await x.item()`",
    );
  }
}

export type NestedArray = number | boolean | NestedArray[];

const scopes: Set<ConcreteTensor>[] = [];

/**
 * Run `f` and dispose every tensor it made except those in its result (a tree). Optional: memory
 * is also given back when tensors are garbage collected.
 *
 * ```ts
 * const y = tidy(() => array([1, 2]).add(1).sum());
 * await y.item(); // 5
 * ```
 */
export function tidy<T>(f: () => T): T {
  const scope = new Set<ConcreteTensor>();
  scopes.push(scope);
  let result: T;
  try {
    result = f();
  } catch (error) {
    scopes.pop();
    for (const x of scope) x.dispose();
    throw error;
  }
  scopes.pop();
  if (result instanceof Promise) {
    throw new DawngradError(
      "tidy: the function is async; tidy disposes synchronously, so use `using` or dispose() instead",
    );
  }
  const kept = new Set(flatten(result)[0]);
  const outer = scopes.at(-1);
  for (const x of scope) {
    if (!kept.has(x)) x.dispose();
    else outer?.add(x);
  }
  return result;
}

/** What the runtime takes for a value: an array on the device, or a scalar of the host. */
export function runtimeInput(x: Tensor, user: () => string): ConcreteArray | number {
  if (x instanceof HostScalar) return x.value;
  if (x instanceof ConcreteTensor) return x.deviceArray(user);
  if (x instanceof Tracer) throw leaked(user(), x);
  if (x instanceof ShapeDtypeStruct) x.refuse(user());
  throw new DawngradError("internal: an unknown tensor reached the runtime");
}

export const wrap = (array: ConcreteArray): ConcreteTensor => new ConcreteTensor(array.aval, array);

/** A tensor from values that the caller gives up. */
export const hostTensor = (aval: Aval, data: TypedArray): ConcreteTensor =>
  new ConcreteTensor(aval, data);

/** A typed array of the kind that a dtype is held in on the host. */
export function hostBuffer(dtype: DType, shape: readonly number[]): TypedArray {
  const n = sizeOf(shape);
  switch (dtype) {
    case "float32":
      return new Float32Array(n);
    case "int32":
      return new Int32Array(n);
    case "uint32":
      return new Uint32Array(n);
    case "bool":
      return new Uint8Array(n);
  }
}

setEvaluator((graph, given, label) => {
  // A single operation has nothing to optimise that the builder has not done.
  const simple = graph.eqns.length <= 1 && !graph.eqns[0]?.prim.wrapper;
  const { graph: hoisted, held } = hoistHeld(simple ? graph : optimise(graph));
  const { graph: g, effects } = harvestEffects(hoisted);
  const inputs = [...given, ...held];
  const program = compile(g, {
    name: label,
    donated: g.inputs.map(() => false),
    hostScalars: inputs.map((x) => x instanceof HostScalar),
  });
  const lits = graphLits(g).map((x) => x.value);
  const arrays = inputs.map((x) => runtimeInput(x, () => label));
  const outs = run(program, arrays, lits);
  const n = graph.outputs.length;
  if (effects.length > 0) deliver(effects, outs.slice(n), label);
  return outs.slice(0, n).map(wrap);
});

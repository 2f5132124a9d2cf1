/** Loop kernels as WGSL functions: reductions, expressions and an inner loop at each point. */
import type { DType } from "../core/dtype.js";
import { DawngradError } from "../core/errors.js";
import type { Eqn, Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxFlatten, idxScale, idxUnflatten, idxVar } from "../ir/index-expr.js";
import { analyse, type Storage } from "../schedule/analyse.js";
import type { Defs } from "../schedule/defs.js";
import { type LoopKernel, loopVar, operandAt, pointOf, reduction } from "../schedule/kernel.js";
import { type Target, workgroupSize } from "../schedule/target.js";
import { type AccessCounts, Composer, quarterName, type Value, vectorPosition } from "./compose.js";
import { ModuleBuilder, type Place } from "./module.js";
import { Scopes } from "./scope.js";
import { togetherText } from "./team.js";
import { typeOf } from "./text.js";

/**
 * Which loop variable's steps of four become vector lanes. In a "team" they are the terms', and all threads
 * of a workgroup share the terms of one point: what hardware wants where a row is long.
 */
export type Lanes = "none" | "points" | "terms" | "team";

export interface LoopContext {
  readonly defs: Defs;
  readonly storage: Storage;
  readonly target: Target;
  place(v: Var): Place;
  /** The same, or undefined for what no kernel reads or writes. */
  placeIfAny(v: Var): Place | undefined;
}

export interface EmittedLoop {
  /** Statements for the workgroup `group` and its thread `local`. */
  readonly body: string;
  readonly workgroups: number;
  readonly counts: AccessCounts;
  /** Points of a thread. */
  readonly turns: number;
}

/** Thrown where a kernel's indices cannot be followed lane by lane: it is written in scalars then. */
export class NotVectorised extends DawngradError {
  override name = "NotVectorised";
}

/** Terms added one after the other before a partial sum is put aside. */
const block = (iterations: number): number => Math.max(16, Math.ceil(Math.sqrt(iterations)));

/**
 * Length of a loop, all its steps together, up to which CPU drivers may write it out. Where indices are divided
 * that pays (a maximum over windows of 2x2 takes 1.5 times as long as a loop), else the loads take all the time.
 */
const mostWrittenOut = 160;
const mostWithDivisions = 1000;

/** Does the order of combining change the result? Then partial results keep the error small. */
const isInexact = (eqn: Eqn): boolean =>
  eqn.outputs[0]!.aval.dtype === "float32" && eqn.prim.error.ulp > 0;

class LoopEmitter {
  readonly #k: LoopKernel;
  readonly #c: LoopContext;
  readonly #lanes: Lanes;
  readonly #module: ModuleBuilder;
  readonly #scopes: Scopes;
  readonly composer: Composer;
  readonly #point: Idx;
  /** Points of one thread, as far apart as the slices of the leading axis. */
  readonly #turns: number;
  readonly #values = new Map<Var, Value>();
  /** Flat element of the inner loop, while it is being written. */
  #inner: { flat: Idx; values: Map<Var, Value> } | undefined;

  constructor(k: LoopKernel, c: LoopContext, module: ModuleBuilder, lanes: Lanes, turns: number) {
    this.#k = k;
    this.#turns = turns;
    this.#c = c;
    this.#lanes = lanes;
    this.#module = module;
    const slice = k.size / turns;
    const turn = idxAdd(idxScale(idxVar("turn", turns), slice), pointOf(slice));
    this.#point = idxAdd(turn, k.first ?? 0);
    this.#scopes = new Scopes(["p", quarterName("p")]);
    this.composer = new Composer({
      defs: c.defs,
      storage: c.storage,
      module,
      scopes: this.#scopes,
      place: (v) => c.place(v),
      own: (v, flat) => this.#own(v, flat),
    });
    this.composer.vectorName = lanes === "points" ? "p" : undefined;
  }

  #own(v: Var, flat: Idx): Value | undefined {
    const inner = this.#inner?.values.get(v);
    const value = inner ?? this.#values.get(v);
    if (!value) return undefined;
    const at = inner ? this.#inner!.flat : this.#point;
    if (flat.key === at.key) return value;
    if (value.width === 4) {
      // An index array computed here, read lane by lane (the composer is at one lane then).
      const lane = this.composer.lanes(at, "p").findIndex((e) => e.key === flat.key);
      if (lane >= 0) return { text: `${value.text}.${"xyzw"[lane]}`, width: 1, dtype: value.dtype };
    }
    const what = "internal: a kernel reads its own result at another point";
    throw this.#lanes === "none" ? new DawngradError(what) : new NotVectorised(what);
  }

  #indexAt(v: Var): Idx[] {
    return idxUnflatten(this.#point, v.aval.shape);
  }

  #isReduction(v: Var): boolean {
    return this.#c.defs.kind(v) === "reduce";
  }

  /** Variables of this kernel that a reduction needs before it can start. */
  #needs(v: Var): Var[] {
    const own = new Set(this.#k.vars);
    return [...analyse(this.#c.defs, this.#c.storage, v).reads.keys()].filter((x) => own.has(x));
  }

  emit(): string[] {
    const { lines } = this.#scopes.root;
    if (this.#turns === 1) {
      this.#pointwise();
      return lines;
    }
    this.composer.times = this.#turns;
    const [, body] = this.#scopes.nested(["turn"], false, () => this.#pointwise());
    lines.push(`for (var turn = 0u; turn < ${this.#turns}u; turn++) {`, ...body, "}");
    return lines;
  }

  #pointwise(): void {
    const { vars } = this.#k;
    for (const v of vars) {
      if (this.#values.has(v)) continue;
      if (this.#isReduction(v)) this.#reductionsWith(v);
      else this.#values.set(v, this.composer.computed(v, this.#indexAt(v)));
    }
    this.#innerLoop();
    // A result may lie where threads of the team that are still in the last loop read from.
    if (this.#lanes === "team" && this.#k.inner) this.#scopes.lines.push("storageBarrier();");
    for (const v of vars) if (this.#k.stores.has(v)) this.#store(v);
  }

  /**
   * Where a loop starts. CPU drivers write out every loop of up to a few dozen steps whose count they can
   * tell, which takes them seconds where that is long; a zero that they cannot tell keeps them from it.
   */
  #start(iterations: number, body: readonly string[]): string {
    if (!this.#c.target.software || iterations > 64) return "0u";
    const divides = body.some((line) => / [/%] \d+u/.test(line));
    const most = divides ? mostWithDivisions : mostWrittenOut;
    return iterations * this.#module.lengthOf(body) <= most ? "0u" : "group / 4294967295u";
  }

  get #vectorTerms(): boolean {
    return this.#lanes === "terms" || this.#lanes === "team";
  }

  /** `for` over [from, to), of which a team's threads take turns. */
  #for(counter: string, from: string, to: string): string {
    if (this.#lanes !== "team")
      return `for (var ${counter} = ${from}; ${counter} < ${to}; ${counter}++) {`;
    const first = from === "0u" ? "local" : `${from} + local`;
    return `for (var ${counter} = ${first}; ${counter} < ${to}; ${counter} += ${workgroupSize}u) {`;
  }

  #store(v: Var): void {
    const value = this.#values.get(v)!;
    const { dtype } = v.aval;
    const { lines } = this.#scopes;
    const place = this.#c.place(v);
    if (this.#lanes !== "points") {
      const at = this.composer.index(based(this.#point, place));
      const store = this.#module.store(place, dtype, 1, at, value.text);
      lines.push(this.#lanes === "team" ? `if (local == 0u) { ${store} }` : store);
      return;
    }
    const text = this.composer.splat(value, 4);
    // What lies beyond the end of a slice of a stack is another slice; of an array it is nobody's.
    const whole = (!place.base && !this.#k.first) || this.#k.size % 4 === 0;
    const at = whole ? vectorPosition(this.composer, based(this.#point, place)) : null;
    if (at === null) this.#storeLanes(place, dtype, this.#point, text);
    else lines.push(this.#module.store(place, dtype, 4, at, text));
  }

  /** Four elements one by one, except those beyond the end. */
  #storeLanes(place: Place, dtype: DType, flat: Idx, text: string): void {
    const guard = this.#lanes === "points" && this.#k.size % 4 !== 0;
    this.composer.lanes(based(flat, place)).forEach((e, j) => {
      const at = this.composer.index(e);
      const store = this.#module.store(place, dtype, 1, at, `${text}.${"xyzw"[j]}`);
      this.#scopes.lines.push(
        guard ? `if (${quarterName("p")} * 4u + ${j}u < ${this.#k.size}u) { ${store} }` : store,
      );
    });
  }

  /** One loop for `first` and every other reduction of equal extent that can be done along. */
  #reductionsWith(first: Var): void {
    const { defs } = this.#c;
    const extent = reduction(defs.of(first)!.eqn).extent;
    const heroes = this.#k.vars.filter((v) => {
      if (this.#values.has(v) || !this.#isReduction(v)) return false;
      if (reduction(defs.of(v)!.eqn).extent !== extent) return false;
      return this.#needs(v).every((x) => this.#values.has(x));
    });
    const vector = this.#vectorTerms && extent % 4 === 0 && extent >= 8;
    const loop = loopVar(extent);
    const name = extent === 1 ? "r1" : `r${extent}`;
    const iterations = vector ? extent / 4 : extent;
    const counter = vector ? quarterName(name) : name;
    const before = this.composer.vectorName;
    if (vector) this.composer.vectorName = name;

    const eqns = heroes.map((v) => defs.of(v)!.eqn);
    // Iterations of one thread.
    const share = this.#lanes === "team" ? Math.ceil(iterations / workgroupSize) : iterations;
    const blocked = eqns.some(isInexact) && share > 32;
    const accumulators = heroes.map(() => this.#module.fresh("acc"));
    const partials = blocked ? heroes.map(() => this.#module.fresh("part")) : accumulators;
    this.composer.times = share;
    const [results, body] = this.#scopes.nested([name, quarterName(name)], false, () => {
      const values = heroes.map((v, i) => {
        const { dtype } = v.aval;
        const x = this.composer.walker.value(
          eqns[i]!.inputs[defs.of(v)!.output]!,
          operandAt(eqns[i]!, this.#indexAt(v), loop),
        );
        const width = vector || x.width === 4 || before === "p" ? 4 : 1;
        return { width, dtype, text: this.composer.splat(x, width) } as Value;
      });
      values.forEach((x, i) => {
        const ctx = this.composer.context(x.width);
        const sum = eqns[i]!.prim.reduce!.combine(partials[i]!, x.text, x.dtype, ctx);
        this.#scopes.lines.push(`${partials[i]} = ${sum};`);
      });
      return values;
    });
    this.composer.times = 1;
    const { lines } = this.#scopes;
    const declare = (names: readonly string[], into: string[]) =>
      results.forEach((x, i) => {
        const identity = eqns[i]!.prim.reduce!.identity(x.dtype);
        const text = this.composer.constant(identity, x.dtype, x.width);
        into.push(`var ${names[i]}: ${typeOf(x.dtype, x.width)} = ${text};`);
      });
    declare(accumulators, lines);
    if (blocked) {
      const step = block(share) * (this.#lanes === "team" ? workgroupSize : 1);
      const start = this.#module.fresh("start");
      const declarations: string[] = [];
      declare(partials, declarations);
      const combine: string[] = [];
      results.forEach((x, i) => {
        const ctx = this.composer.context(x.width);
        const { combine: f } = eqns[i]!.prim.reduce!;
        combine.push(`${accumulators[i]} = ${f(accumulators[i]!, partials[i]!, x.dtype, ctx)};`);
      });
      const end =
        iterations % step === 0
          ? `${start} + ${step}u`
          : `min(${start} + ${step}u, ${iterations}u)`;
      lines.push(
        `for (var ${start} = 0u; ${start} < ${iterations}u; ${start} += ${step}u) {`,
        ...declarations,
        this.#for(counter, start, end),
        ...body,
        "}",
        ...combine,
        "}",
      );
    } else {
      lines.push(this.#for(counter, this.#start(share, body), `${iterations}u`), ...body, "}");
    }
    this.composer.vectorName = before;
    heroes.forEach((v, i) => {
      const x = results[i]!;
      let text = accumulators[i]!;
      let width = x.width;
      if (vector) {
        const ctx = this.composer.context(1);
        const f = (a: string, b: string) => eqns[i]!.prim.reduce!.combine(a, b, x.dtype, ctx);
        const all = f(f(`${text}.x`, `${text}.y`), f(`${text}.z`, `${text}.w`));
        text = this.#module.fresh("sum");
        width = 1;
        lines.push(`let ${text} = ${all};`);
      }
      if (this.#lanes === "team") {
        const all = togetherText(eqns[i]!.prim, text, x.dtype, this.composer, this.#module);
        text = this.#module.fresh("all");
        lines.push(`let ${text} = ${all};`);
      }
      this.#values.set(v, { text, width, dtype: x.dtype });
    });
  }

  #innerLoop(): void {
    const { inner, stores } = this.#k;
    if (!inner) return;
    const { over } = inner;
    const { extent } = reduction(over);
    const vector = this.#vectorTerms && extent % 4 === 0;
    const name = `r${extent}`;
    const out = idxUnflatten(this.#point, over.outputs[0]!.aval.shape);
    const element = operandAt(over, out, loopVar(extent));
    const flat = idxFlatten(element, over.inputs[0]!.aval.shape);
    const before = this.composer.vectorName;
    if (vector) this.composer.vectorName = name;
    this.composer.times = vector ? extent / 4 : extent;
    const [, body] = this.#scopes.nested([name, quarterName(name)], false, () => {
      this.#inner = { flat, values: new Map() };
      for (const v of inner.vars) {
        const value = this.composer.computed(v, idxUnflatten(flat, v.aval.shape));
        this.#inner.values.set(v, value);
      }
      for (const v of inner.vars) if (stores.has(v)) this.#storeInner(v, flat);
      this.#inner = undefined;
    });
    this.composer.times = 1;
    const counter = vector ? quarterName(name) : name;
    const iterations = vector ? extent / 4 : extent;
    const start = this.#start(iterations, body);
    this.#scopes.lines.push(this.#for(counter, start, `${iterations}u`), ...body, "}");
    this.composer.vectorName = before;
  }

  #storeInner(v: Var, flat: Idx): void {
    const value = this.#inner!.values.get(v)!;
    const { lines } = this.#scopes;
    const place = this.#c.place(v);
    const { dtype } = v.aval;
    if (!this.composer.isVector([flat])) {
      const at = this.composer.index(based(flat, place));
      lines.push(this.#module.store(place, dtype, 1, at, value.text));
      return;
    }
    const text = this.composer.splat(value, 4);
    const vector = vectorPosition(this.composer, based(flat, place));
    if (vector !== null) {
      lines.push(this.#module.store(place, dtype, 4, vector, text));
      this.composer.count("vector", 1);
      return;
    }
    this.composer.count("scalar", 4);
    // The last vector of points may reach beyond the end.
    this.#storeLanes(place, dtype, flat, text);
  }
}

/** A flat position within a variable as one of its buffer. */
const based = (flat: Idx, place: Place): Idx => (place.base ? idxAdd(flat, place.base) : flat);

const isMapOf = (k: LoopKernel, defs: Defs): boolean =>
  !k.inner && k.vars.every((v) => defs.kind(v) !== "reduce");

/**
 * Points (or vectors) of one thread of a map on a CPU driver, which pays for every workgroup about what 64
 * threads pay for a load: few workgroups, but enough for all cores.
 */
const vectorsEach = (steps: number): number =>
  Math.max(1, Math.min(64, Math.floor(steps / (workgroupSize * 64))));

/** Lanes that go through memory side by side: CPU drivers run a subgroup to its end before the next one. */
const strideOf = (subgroup: number): number =>
  subgroup > 0 && workgroupSize % subgroup === 0 ? subgroup : workgroupSize;

/** `start`: where a thread begins that has `each` points, the subgroups' shares one after the other. */
function startOf(each: number, subgroup: number): string[] {
  const stride = strideOf(subgroup);
  const from = `group * ${each * workgroupSize}u`;
  if (stride === workgroupSize) return [`let start = ${from} + local;`];
  return [
    `let lane = local % ${stride}u;`,
    `let start = ${from} + (local - lane) * ${each}u + lane;`,
  ];
}

/** Slices of a leading axis up to which one thread computes a point of each. */
const mostTurns = 4;

/**
 * How many points a thread computes, one of each slice of the leading axis: all of them where the slices
 * share what they load (w + ρv and w - ρv read w and v), else one.
 */
function turnsOf(k: LoopKernel, c: LoopContext, lanes: Lanes): number {
  const turns = k.first === undefined ? (k.vars[0]!.aval.shape[0] ?? 1) : 1;
  const slice = k.size / turns;
  const few = slice < (c.target.software ? 1 : 16) * workgroupSize * 64;
  if (turns < 2 || turns > mostTurns || few || slice % 4 !== 0 || !isMapOf(k, c.defs)) return 1;
  const accesses = (n: number): number => {
    const emitter = new LoopEmitter(k, c, new ModuleBuilder(), lanes, n);
    emitter.emit();
    const { vector, scalar } = emitter.composer.counts;
    return vector + scalar;
  };
  return accesses(turns) < 0.8 * turns * accesses(1) ? turns : 1;
}

/** Write a loop kernel as the body of a function. */
export function emitLoop(
  k: LoopKernel,
  c: LoopContext,
  module: ModuleBuilder,
  lanes: Lanes,
): EmittedLoop {
  const turns = turnsOf(k, c, lanes);
  module.startFunction();
  const emitter = new LoopEmitter(k, c, module, lanes, turns);
  const body = emitter.emit();
  if (lanes === "team") {
    // A workgroup a point: all of its threads leave, or none does, and barriers may follow.
    const lines = ["let p = group;", `if (p >= ${k.size}u) { return; }`, ...body];
    return { body: lines.join("\n"), workgroups: k.size, counts: emitter.composer.counts, turns };
  }
  const slice = k.size / turns;
  const steps = lanes === "points" ? Math.ceil(slice / 4) : slice;
  const counter = lanes === "points" ? quarterName("p") : "p";
  const isMap = isMapOf(k, c.defs);
  const each = c.target.software && isMap ? vectorsEach(steps) : 1;
  const workgroups = Math.ceil(steps / (workgroupSize * each));
  const lines =
    each === 1
      ? [
          `let ${counter} = group * ${workgroupSize}u + local;`,
          `if (${counter} >= ${steps}u) { return; }`,
          ...body,
        ]
      : [
          ...startOf(each, c.target.subgroupSize),
          `for (var j = 0u; j < ${each}u; j++) {`,
          `let ${counter} = start + j * ${strideOf(c.target.subgroupSize)}u;`,
          `if (${counter} >= ${steps}u) { return; }`,
          ...body,
          "}",
        ];
  return { body: lines.join("\n"), workgroups, counts: emitter.composer.counts, turns };
}

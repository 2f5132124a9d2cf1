/**
 * How a contraction reads an operand. A template asks once for what its loads have in common at an outer
 * step of the depth (the address, whether there is anything), then loads by inner steps.
 */
import { DawngradError } from "../core/errors.js";
import type { Var } from "../ir/graph.js";
import { type Idx, idxAdd, idxScale, idxSub, idxSubstitute, idxVar } from "../ir/index-expr.js";
import type { Storage } from "../schedule/analyse.js";
import { addressOf, type Depth, depthAt, type Guard, stepOf } from "../schedule/contraction.js";
import type { Defs } from "../schedule/defs.js";
import { type ContractKernel, operandOf } from "../schedule/kernel.js";
import { Composer, isContiguous, quarterName, quarterOf, quarterVar } from "./compose.js";
import type { ModuleBuilder, Place } from "./module.js";
import { Scopes } from "./scope.js";

export interface LoadContext {
  readonly defs: Defs;
  readonly storage: Storage;
  place(v: Var): Place;
}

const four = [0, 1, 2, 3] as const;
const u32 = (n: number): string => `${n >>> 0}u`;
/** `x` and a multiple of `name`, in wrapping arithmetic. */
const plus = (x: string, name: string, by: number): string =>
  by === 0 ? x : by === 1 ? `${x} + ${name}` : `${x} + ${name} * ${u32(by)}`;
const plusConstant = (x: string, by: number): string => (by === 0 ? x : `${x} + ${u32(by)}`);

/** All of them, without a branch. */
const both = (conditions: readonly string[]): string => conditions.join(" & ");

/** `e` some steps along: a variable that has steps is known to be a multiple of four. */
const moved = (e: Idx, by: Readonly<Record<string, number>>): Idx =>
  idxSubstitute(e, (name, hi) => {
    const n = by[name];
    return n === undefined ? undefined : idxAdd(idxScale(quarterVar(name, hi), 4), n);
  });

/** Vectors that an operand can be read by: along the depth, or across it; null for single elements. */
export type Vectors = "depth" | "across" | null;

export class OperandLoads {
  readonly #module: ModuleBuilder;
  readonly #context: LoadContext;
  readonly #place: Place;
  readonly #flat: Idx;
  readonly #guards: readonly Guard[];
  readonly #inner: number;
  /** Depths that the template takes at a time. */
  readonly #unit: number;
  /** The operand's free variable. */
  readonly #free: "m" | "n";

  constructor(
    k: ContractKernel,
    c: LoadContext,
    module: ModuleBuilder,
    side: 0 | 1,
    depth: Depth,
    unit: number,
  ) {
    this.#free = side === 0 ? "m" : "n";
    const address = addressOf(
      c.defs,
      k.eqn.inputs[side]!,
      operandOf(k, side, depthAt(depth)),
      (v) => c.storage.isStored(v),
    );
    if (!address) throw new DawngradError("internal: an operand of a contraction is not stored");
    this.#guards = address.guards;
    this.#place = c.place(address.source);
    this.#flat = this.#place.base ? idxAdd(address.flat, this.#place.base) : address.flat;
    this.#module = module;
    this.#context = c;
    this.#inner = depth.inner;
    this.#unit = unit;
  }

  /** Where four neighbours are one aligned vector, there or not as one. */
  vectors(preferred: readonly Exclude<Vectors, null>[] = ["across", "depth"]): Vectors {
    return preferred.find((v) => this.#isVector(v === "depth" ? "k" : this.#free)) ?? null;
  }

  /** Are there zeros around the operand's elements? */
  get isGuarded(): boolean {
    return this.#guards.length > 0;
  }

  /** How the operand lies, in a few words. */
  get form(): string {
    const vectors = this.vectors() ?? "scalars";
    return this.#guards.length === 0 ? vectors : `${vectors} guarded ${this.#guards.length}`;
  }

  #isVector(name: string): boolean {
    const lane = (e: Idx, j: number) => moved(e, { [name]: j });
    const lanes = four.map((j) => lane(this.#flat, j)) as [Idx, Idx, Idx, Idx];
    return (
      isContiguous(lanes) &&
      this.#guards.every(({ value }) =>
        four.every((j) => lane(value, j).key === lane(value, 0).key),
      )
    );
  }

  #composer(names: readonly string[]): { composer: Composer; lines: string[] } {
    const scopes = new Scopes([...names, ...names.map(quarterName)]);
    const composer = new Composer({
      ...this.#context,
      module: this.#module,
      scopes,
      place: (v) => this.#context.place(v),
      own: () => undefined,
    });
    return { composer, lines: scopes.root.lines };
  }

  /** Guards that change along the inner depth, by constant steps; undefined where others do. */
  #running(): { guard: Guard; step: number }[] | undefined {
    const all = this.#guards.map((guard) => ({ guard, step: stepOf(guard.value, "k") }));
    if (all.some(({ step }) => step === undefined)) return undefined;
    const running = all.filter(({ step }) => step !== 0);
    return running.length <= 2 ? (running as { guard: Guard; step: number }[]) : undefined;
  }

  /** Can the loads share one address? `spread`: they go along the free variable too. */
  #isShared(spread: boolean): boolean {
    if (stepOf(this.#flat, "k") === undefined || this.#running() === undefined) return false;
    if (!spread) return true;
    const values = this.#guards.map((g) => g.value);
    return (
      stepOf(this.#flat, this.#free) !== undefined &&
      values.every((e) => stepOf(e, this.#free) === 0)
    );
  }

  /** Without the inner depth: what is left is the same for all of its steps. */
  #start = (e: Idx): Idx => idxSub(e, idxScale(idxVar("k", this.#inner), stepOf(e, "k") ?? 0));

  #test(value: string, { lo, hi }: Guard): string {
    return `(${plusConstant(value, -lo)} < ${u32(hi - lo)})`;
  }

  #load(width: 1 | 4, at: string): string {
    return this.#module.load(this.#place, "float32", width, at);
  }

  /** A row of A: `locate` and a load of four depths. */
  row(): string[] {
    const vectors = this.vectors(["depth"]);
    if (!this.#isShared(false)) return [this.#locateOpenly("row_a"), this.#openRow(vectors)];
    const text = vectors
      ? this.#guarded(4, this.#load(4, "at.x + k / 4u"), 0, "depth")
      : `vec4f(${four.map((i) => this.#sharedElement(i, 0)).join(", ")})`;
    return [
      this.#locate("row_a", vectors, false),
      `fn load_a(at: vec4u, k: u32) -> vec4f {\nreturn ${text};\n}`,
    ];
  }

  /** Four depths by four neighbours of the free variable, as `mat4x4f[depth][neighbour]`. */
  block(names: readonly [locate: string, load: string]): string[] {
    const vectors = this.vectors();
    if (!this.#isShared(vectors !== "across")) {
      return [this.#locateOpenly(names[0]), this.#openBlock(names[1], vectors)];
    }
    return [
      this.#locate(names[0], vectors, true),
      `fn ${names[1]}(at: vec4u, k: u32) -> mat4x4f {\nreturn ${this.#sharedBlock(vectors)};\n}`,
    ];
  }

  #sharedBlock(vectors: Vectors): string {
    const step = stepOf(this.#flat, "k")!;
    if (vectors === "across") {
      const rows = four.map((i) => {
        const at = plus("at.x", i === 0 ? "k" : `(k + ${i}u)`, step / 4);
        return this.#guarded(4, this.#load(4, at), i, "across");
      });
      return `mat4x4f(${rows.join(", ")})`;
    }
    if (vectors === "depth") {
      const aside = stepOf(this.#flat, this.#free)! / 4;
      const columns = four.map((j) =>
        this.#guarded(4, this.#load(4, plusConstant("at.x + k / 4u", aside * j)), 0, "depth"),
      );
      return `transpose(mat4x4f(${columns.join(", ")}))`;
    }
    const rows = four.map((i) => four.map((j) => this.#sharedElement(i, j)).join(", "));
    return `mat4x4f(${rows.map((r) => `vec4f(${r})`).join(", ")})`;
  }

  #sharedElement(i: number, j: number): string {
    const step = stepOf(this.#flat, "k")!;
    const aside = j === 0 ? 0 : stepOf(this.#flat, this.#free)! * j;
    const at = plusConstant(plus("at.x", i === 0 ? "k" : `(k + ${i}u)`, step), aside);
    return this.#guarded(1, this.#load(1, at), i, null);
  }

  /** `text`, or zero where the shared guards or the end of the depth say so. */
  #guarded(width: 1 | 4, text: string, depth: number, vectors: Vectors): string {
    const k = depth === 0 ? "k" : `(k + ${depth}u)`;
    const conditions = this.#guards.length > this.#running()!.length ? ["(at.y != 0u)"] : [];
    this.#running()!.forEach(({ guard, step }, i) => {
      conditions.push(
        this.#test(plus(`at.${"zw"[i]}`, k, step), { ...guard, lo: 0, hi: guard.hi - guard.lo }),
      );
    });
    return this.#withinDepth(width, text, depth, vectors, conditions);
  }

  #withinDepth(
    width: 1 | 4,
    text: string,
    depth: number,
    vectors: Vectors,
    conditions: readonly string[],
  ): string {
    const zero = width === 4 ? "vec4f(0f)" : "0f";
    const all = [...conditions];
    if (vectors === "depth") {
      // The end lies within a vector: lane by lane.
      const end = this.#mayEnd(3)
        ? `vec4u(k) + vec4u(0u, 1u, 2u, 3u) < vec4u(${u32(this.#inner)})`
        : undefined;
      const one = all.length > 0 ? both(all) : undefined;
      if (end === undefined && one === undefined) return text;
      if (end === undefined) return `select(${zero}, ${text}, ${one})`;
      return `select(${zero}, ${text}, ${one === undefined ? end : `(${end}) & vec4<bool>(${one})`})`;
    }
    if (depth >= this.#inner) return zero;
    if (this.#mayEnd(depth)) all.push(`(k + ${depth}u < ${u32(this.#inner)})`);
    return all.length === 0 ? text : `select(${zero}, ${text}, ${both(all)})`;
  }

  /** Can a depth of `k + depth` be beyond the end, where k goes by the template's steps? */
  #mayEnd(depth: number): boolean {
    return this.#inner % this.#unit !== 0 && (this.#unit > 4 || depth > 0);
  }

  /** Address, guard and running guards at the start of the inner depth. */
  #locate(name: string, vectors: Vectors, byFours: boolean): string {
    const free = this.#free;
    const { composer, lines } = this.#composer(["batch", free, "t"]);
    const start = (e: Idx) => (byFours ? moved(this.#start(e), { [free]: 0 }) : this.#start(e));
    const flat = start(this.#flat);
    const at = composer.index(vectors === null ? flat : quarterOf(flat));
    const running = this.#running()!;
    const fixed = this.#guards.filter((g) => !running.some((r) => r.guard === g));
    const there = fixed.map((g) => this.#test(composer.index(start(g.value)), g)).join(" & ");
    const rest = four
      .slice(0, 2)
      .map((i) => running[i])
      .map((r) => (r ? composer.index(idxAdd(start(r.guard.value), -r.guard.lo)) : "0u"));
    const lets = byFours ? [`let ${quarterName(free)} = ${free} / 4u;`] : [];
    return [
      `fn ${name}(batch: u32, ${free}: u32, t: u32) -> vec4u {`,
      ...lets,
      ...lines,
      `return vec4u(${at}, ${there === "" ? "1u" : `select(0u, 1u, ${there})`}, ${rest.join(", ")});`,
      "}",
    ].join("\n");
  }

  /** Nothing is shared: the loads find their way themselves. */
  #locateOpenly(name: string): string {
    const free = this.#free;
    return `fn ${name}(batch: u32, ${free}: u32, t: u32) -> vec4u {\nreturn vec4u(batch, ${free}, t, 0u);\n}`;
  }

  #openly(
    signature: string,
    byFours: boolean,
    make: (one: (by: Readonly<Record<string, number>>, vectors: Vectors) => string) => string,
  ): string {
    const free = this.#free;
    const { composer, lines } = this.#composer(["batch", free, "t", "k"]);
    const result = make((by, vectors) => {
      const steps: Record<string, number> = { k: by.k! };
      if (byFours) steps[free] = by[free] ?? 0;
      const flat = moved(this.#flat, steps);
      const conditions = this.#guards.map((g) =>
        this.#test(composer.index(moved(g.value, steps)), g),
      );
      const width = vectors === null ? 1 : 4;
      const at = composer.index(vectors === null ? flat : quarterOf(flat));
      return this.#withinDepth(width, this.#load(width, at), by.k!, vectors, conditions);
    });
    const quarters = byFours ? ["k", free] : ["k"];
    return [
      `fn ${signature} {`,
      `let batch = at.x; let ${free} = at.y; let t = at.z;`,
      ...quarters.map((name) => `let ${quarterName(name)} = ${name} / 4u;`),
      ...lines,
      `return ${result};`,
      "}",
    ].join("\n");
  }

  #openRow(vectors: Vectors): string {
    return this.#openly("load_a(at: vec4u, k: u32) -> vec4f", false, (one) =>
      vectors === "depth"
        ? one({ k: 0 }, vectors)
        : `vec4f(${four.map((i) => one({ k: i }, null)).join(", ")})`,
    );
  }

  #openBlock(name: string, vectors: Vectors): string {
    const free = this.#free;
    return this.#openly(`${name}(at: vec4u, k: u32) -> mat4x4f`, true, (one) => {
      if (vectors === "across") {
        return `mat4x4f(${four.map((i) => one({ k: i }, vectors)).join(", ")})`;
      }
      if (vectors === "depth") {
        const columns = four.map((j) => one({ k: 0, [free]: j }, vectors));
        return `transpose(mat4x4f(${columns.join(", ")}))`;
      }
      const rows = four.map((i) => four.map((j) => one({ k: i, [free]: j }, null)).join(", "));
      return `mat4x4f(${rows.map((r) => `vec4f(${r})`).join(", ")})`;
    });
  }
}

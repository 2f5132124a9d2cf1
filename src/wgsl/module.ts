/** A shader module in the making: its bindings, uniform words and helper functions. */
import type { DType } from "../core/dtype.js";
import type { Place, Window } from "../schedule/place.js";
import { fromBase, withBases } from "./base.js";
import { lengthOf } from "./length.js";
import type { Width } from "./text.js";
import { constantText, storageType, widen, wordOf } from "./text.js";

export type { Place };

/** One word of a kernel's uniform data. */
export type Word =
  | { readonly kind: "scalar"; readonly input: number; readonly dtype: DType }
  | { readonly kind: "fixed"; readonly bits: number };

interface Bound {
  readonly key: string;
  readonly name: string;
  readonly types: Set<string>;
  vector: boolean;
  scalar: boolean;
  written: boolean;
}

export interface ModuleBinding {
  /** Buffer key, or undefined for uniforms: the words, or the step of a loop. */
  readonly buffer: string | undefined;
  readonly written: boolean;
  /** Bytes of the buffer that it covers, and where they begin; all of it if not given. */
  readonly part?: { readonly start: number; readonly bytes: number };
  /** The index of the loop at this depth, by a dynamic offset. */
  readonly step?: number;
}

/** A buffer that is seen through several bindings has one variable for each. */
const bindingName = (name: string, part: number): string => (part === 0 ? name : `${name}p${part}`);

const addressIn = (buffer: string, { offset }: Place, width: Width, at: string): string =>
  offset === undefined ? at : fromBase(at, buffer, offset / width);

export class ModuleBuilder {
  readonly #bound = new Map<string, Bound>();
  readonly #words = new Map<string, { index: number; word: Word }>();
  readonly #bases = new Map<string, { name: string; word: number }>();
  readonly #helpers = new Map<string, string>();
  readonly #steps = new Set<number>();
  readonly #windows: ReadonlyMap<string, Window>;
  #counter = 0;

  /** `windows`: the buffers of which only a part is bound, or which take several bindings. */
  constructor(windows: ReadonlyMap<string, Window> = new Map()) {
    this.#windows = windows;
  }

  /** A new identifier within the function that is being written. */
  fresh(prefix: string): string {
    return `${prefix}${this.#counter++}`;
  }

  /** Another function begins: its identifiers are its own, so that equal functions have equal texts. */
  startFunction(): void {
    this.#counter = 0;
  }

  #buffer(key: string, dtype: DType): Bound {
    let b = this.#bound.get(key);
    if (!b) {
      const name = `b${this.#bound.size}`;
      b = { key, name, types: new Set(), vector: false, scalar: false, written: false };
      this.#bound.set(key, b);
    }
    b.types.add(storageType(dtype));
    return b;
  }

  /** Read an element (or the vector of four that starts at 4·at). */
  load(place: Place, dtype: DType, width: Width, at: string): string {
    const b = this.#buffer(place.buffer, dtype);
    if (width === 4) b.vector = true;
    else b.scalar = true;
    const index = addressIn(b.name, place, width, at);
    const raw = `${b.name}_${width === 4 ? "v" : "s"}_${storageType(dtype)}(${index})`;
    return dtype === "bool" ? `(${raw} != ${widen("u32", width)}(0u))` : raw;
  }

  /** A statement that writes an element or a vector. */
  store(place: Place, dtype: DType, width: Width, at: string, value: string): string {
    const b = this.#buffer(place.buffer, dtype);
    b.written = true;
    if (width === 4) b.vector = true;
    else b.scalar = true;
    const index = addressIn(b.name, place, width, at);
    const one = widen("u32", width);
    const raw = dtype === "bool" ? `select(${one}(0u), ${one}(1u), ${value})` : value;
    return `${b.name}_w${width === 4 ? "v" : "s"}_${storageType(dtype)}(${index}, ${raw});`;
  }

  /** The index of the loop at a depth of nesting, as a u32. */
  step(level: number): string {
    this.#steps.add(level);
    return `step${level}.x`;
  }

  /** A uniform word, as a scalar of the dtype. */
  word(word: Word, dtype: DType): string {
    const key = word.kind === "scalar" ? `s${word.input}` : `f${word.bits}`;
    let have = this.#words.get(key);
    if (!have) {
      have = { index: this.#words.size, word };
      this.#words.set(key, have);
    }
    const raw = this.wordAt(`${have.index}u`);
    if (dtype === "uint32") return raw;
    return dtype === "bool" ? `(${raw} != 0u)` : `bitcast<${storageType(dtype)}>(${raw})`;
  }

  /** The uniform word at an index (WGSL), as a u32. */
  wordAt(index: string): string {
    return `word(${index})`;
  }

  /** Numbers as uniform words of their own, one after the other. Returns the index of the first. */
  table(numbers: readonly number[]): number {
    const first = this.#words.size;
    for (const bits of numbers) {
      const index = this.#words.size;
      this.#words.set(`t${index}`, { index, word: { kind: "fixed", bits } });
    }
    return first;
  }

  /** A scalar constant of any value. */
  constant(value: number, dtype: DType): string {
    const text = constantText(value, dtype);
    return text ?? this.word({ kind: "fixed", bits: wordOf(value, dtype) }, dtype);
  }

  helper(
    name: string,
    width: Width,
    code: (type: (scalar: string) => string, name: string) => string,
  ): string {
    const unique = `${name}_${width}`;
    if (!this.#helpers.has(unique)) {
      // Reserve the name first: a helper may call others.
      this.#helpers.set(unique, "");
      this.#helpers.set(
        unique,
        code((scalar) => widen(scalar, width), unique),
      );
    }
    return unique;
  }

  /** How long statements are to a driver's compiler. */
  lengthOf(lines: readonly string[]): number {
    return lengthOf(lines, (name) => this.#helpers.get(name));
  }

  get words(): readonly Word[] {
    return [...this.#words.values()].map((w) => w.word);
  }

  /** The bindings of group 0 in their order: the uniform words (if any), loops' steps, buffers. */
  get bindings(): ModuleBinding[] {
    const words = this.#words.size > 0 ? [{ buffer: undefined, written: false }] : [];
    const buffers = [...this.#bound.values()].flatMap((b): ModuleBinding[] => {
      const whole = { buffer: b.key, written: b.written };
      const window = this.#windows.get(b.key);
      if (!window) return [whole];
      let { start } = window;
      return window.bytes.map((bytes) => {
        const part = { start, bytes };
        start += bytes;
        return { ...whole, part };
      });
    });
    const steps = [...this.#steps].map((step) => ({ buffer: undefined, written: false, step }));
    return [...words, ...steps, ...buffers];
  }

  #accessors(b: Bound, type: string): string[] {
    const { name } = b;
    // Where types share a buffer it holds bare words.
    const element = b.types.size === 1 ? type : "u32";
    const out: string[] = [];
    const as = (t: string, text: string) => (element === type ? text : `bitcast<${t}>(${text})`);
    const raw = (width: Width, text: string) =>
      element === type ? text : `bitcast<${widen("u32", width)}>(${text})`;
    const windows = this.#windows.get(b.key)?.bytes ?? [0];
    /** A function's body: a statement for the binding that position `i` is in. */
    const body = (width: Width, leave: string, statement: (at: string) => string): string => {
      let from = 0;
      const cases = windows.map((bytes, j) => {
        const binding = bindingName(name, j);
        const i = from === 0 ? "i" : `(i - ${from}u)`;
        const lane = width === 1 && b.vector;
        const one = statement(lane ? `${binding}[${i} >> 2u][${i} & 3u]` : `${binding}[${i}]`);
        from += bytes / (4 * width);
        return j === windows.length - 1 ? one : `if (i < ${from}u) { ${one}${leave} }`;
      });
      return `{ ${cases.join(" ")} }`;
    };
    const accessors = (width: Width, letter: string): void => {
      const t = widen(type, width);
      const load = body(width, "", (at) => `return ${as(t, at)};`);
      out.push(`fn ${name}_${letter}_${type}(i: u32) -> ${t} ${load}`);
      if (!b.written) return;
      const store = body(width, " return;", (at) => `${at} = ${raw(width, "x")};`);
      out.push(`fn ${name}_w${letter}_${type}(i: u32, x: ${t}) ${store}`);
    };
    if (b.scalar) accessors(1, "s");
    if (b.vector) accessors(4, "v");
    return out;
  }

  #base(key: string, base: number): { readonly name: string; readonly word: number } {
    let have = this.#bases.get(key);
    if (!have) {
      have = { name: `base${this.#bases.size}`, word: this.table([base]) };
      this.#bases.set(key, have);
    }
    return have;
  }

  /**
   * The whole shader: `body` are functions and the entry point (directives before them), which begins with
   * the statement `guard`.
   */
  text(body: string, guard = ""): string {
    const main = withBases(body, (key, base) => this.#base(key, base).name);
    // Branches must be known to be uniform, which words are and variables are not.
    const first = withBases(guard, (key, base) => this.wordAt(`${this.#base(key, base).word}u`));
    const bases = [...this.#bases.values()];
    const lets = bases.map(({ name, word }) => `${name} = ${this.wordAt(`${word}u`)};`);
    const start = [first, ...lets].filter((s) => s !== "").join("\n");
    const whole =
      start === "" ? main : main.replace(/@compute[^{]*\{/, (head) => `${head}\n${start}`);
    const declared = bases.map(({ name }) => `var<private> ${name}: u32;`);
    return `${[whole, ...this.#declarations(), ...declared].filter((s) => s !== "").join("\n")}\n`;
  }

  #declarations(): string[] {
    const out: string[] = [];
    let binding = 0;
    if (this.#words.size > 0) {
      const n = Math.ceil(this.#words.size / 4);
      out.push(
        `@group(0) @binding(${binding++}) var<uniform> words: array<vec4<u32>, ${n}>;`,
        "fn word(i: u32) -> u32 { return words[i >> 2u][i & 3u]; }",
      );
    }
    for (const level of this.#steps) {
      out.push(`@group(0) @binding(${binding++}) var<uniform> step${level}: vec4<u32>;`);
    }
    for (const b of this.#bound.values()) {
      const [only] = b.types;
      const scalar = b.types.size === 1 ? only! : "u32";
      const element = b.vector ? widen(scalar, 4) : scalar;
      const access = b.written ? "read_write" : "read";
      (this.#windows.get(b.key)?.bytes ?? [0]).forEach((_, j) => {
        const name = bindingName(b.name, j);
        out.push(
          `@group(0) @binding(${binding++}) var<storage, ${access}> ${name}: array<${element}>;`,
        );
      });
    }
    for (const b of this.#bound.values()) {
      for (const type of b.types) out.push(...this.#accessors(b, type));
    }
    out.push(...this.#helpers.values());
    return out;
  }
}

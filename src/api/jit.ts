/** jit: trace once for each signature, compile, and replay. */
import { type Aval, avalsEqual, showAval } from "../core/aval.js";
import { DawngradError, ShapeError } from "../core/errors.js";
import { leavesLike } from "../core/like.js";
import { flatten, type TreeDef } from "../core/tree.js";
import { currentBuilder } from "../ir/builder.js";
import { type Effect, harvestEffects } from "../ir/effects.js";
import type { Graph } from "../ir/graph.js";
import { graphLits } from "../ir/print.js";
import { optimise } from "../optimise/index.js";
import {
  type ConcreteArray,
  compile,
  deliver,
  type LaneChunks,
  type Program,
  type RunInput,
  run,
  timedRun,
  warmup,
} from "../runtime/index.js";
import { hoistHeld } from "../trace/late.js";
import { HostScalar, type Tensor } from "../trace/tensor.js";
import { traceFunction } from "../trace/trace.js";
import {
  type AnyFunction,
  argumentLeaves,
  asTensor,
  isTensorLike,
  labelOf,
  leafName,
  requireFunction,
  specOf,
} from "./arguments.js";
import { withName } from "./autodiff.js";
import { runtimeInput, wrap } from "./concrete.js";
import { fitting } from "./fewer-lanes.js";

export interface JitOptions {
  /** Arguments that are part of the program: compared by value, or by identity for objects. */
  readonly staticArgnums?: number | readonly number[];
  /** Arguments whose memory the results may reuse; using them afterwards throws DisposedError. */
  readonly donateArgnums?: number | readonly number[];
  /** Name in errors, explain and device labels; the function's name by default. */
  readonly name?: string;
}

export type Jitted<A extends readonly unknown[], R> = ((...args: A) => R) & {
  /** Trace and compile for arguments like these, without running. */
  warmup(...args: A): Promise<void>;
};

/** One signature's program and what a call of it needs. */
export interface Compiled {
  readonly program: Program;
  readonly graph: Graph;
  readonly lits: readonly number[];
  readonly captures: readonly Tensor[];
  readonly outDef: TreeDef;
  /** What happens on the host with the outputs that follow the tree's. */
  readonly effects: readonly Effect[];
}

const toList = (x: number | readonly number[] | undefined): readonly number[] =>
  x === undefined ? [] : typeof x === "number" ? [x] : x;

const identities = new WeakMap<WeakKey, number>();
let nextIdentity = 0;
function staticKey(x: unknown): string {
  const named = typeof x === "symbol" ? Symbol.keyFor(x) : undefined;
  const unique = typeof x === "symbol" && named === undefined;
  if ((typeof x === "object" && x !== null) || typeof x === "function" || unique) {
    let id = identities.get(x);
    if (id === undefined) {
      id = nextIdentity++;
      identities.set(x, id);
    }
    return `#${id}`;
  }
  // Quoted, so that a string cannot look like the key of two arguments.
  const value = named ?? (Object.is(x, -0) ? "-0" : String(x));
  return `${typeof x}:${JSON.stringify(value)}`;
}

/** Signatures that one function keeps: a fresh static closure each call must not pile up programs. */
const maxSignatures = 256;

interface Call {
  readonly compiled: Compiled;
  readonly leaves: readonly Tensor[];
}

/** The last call: the next is most likely of the same signature, which is told without writing its key. */
interface Latest {
  readonly compiled: Compiled;
  readonly def: TreeDef;
  readonly leaves: readonly { readonly aval: Aval; readonly weak: boolean }[];
  readonly args: number;
}

/** What jit and explain share: signature, trace, program. */
export class JitCache {
  readonly #f: AnyFunction;
  readonly label: string;
  readonly #static: readonly number[];
  readonly #donate: readonly number[];
  readonly #entries = new Map<string, Compiled>();
  #latest: Latest | undefined;

  constructor(f: AnyFunction, options: JitOptions) {
    requireFunction("jit", f);
    this.#f = f;
    this.label = options.name ?? labelOf(f);
    this.#static = toList(options.staticArgnums);
    this.#donate = toList(options.donateArgnums);
    const both = this.#donate.find((n) => this.#static.includes(n));
    if (both !== undefined) {
      throw new DawngradError(
        `jit of '${this.label}': argument ${both} is both static and donated; static arguments have no memory`,
      );
    }
  }

  /** Signatures held now. */
  get size(): number {
    return this.#entries.size;
  }

  prepare(args: readonly unknown[]): Call {
    const again = this.#likeLatest(args);
    if (again) return again;
    for (const n of [...this.#static, ...this.#donate]) {
      if (!Number.isInteger(n) || n < 0 || n >= args.length) {
        throw new ShapeError(
          `jit of '${this.label}': staticArgnums/donateArgnums ${n} is out of range: it was called ` +
            `with ${args.length} argument(s)`,
        );
      }
    }
    const dynamic = args.map((_, i) => i).filter((i) => !this.#static.includes(i));
    const { leaves, def } = argumentLeaves(
      `jit of '${this.label}'`,
      dynamic.map((i) => args[i]),
    );
    const key = [
      def.key,
      ...leaves.map((x) => `${showAval(x.aval)}${x.weak ? "w" : ""}`),
      ...this.#static.map((i) => staticKey(args[i])),
      args.length,
    ].join(" ");
    let compiled = this.#entries.get(key);
    if (compiled?.program.usable()) this.#entries.delete(key);
    else compiled = fitting((chunks) => this.#trace(args, dynamic, leaves, def, chunks));
    // Last in order: the first is the least recently used.
    this.#entries.set(key, compiled);
    if (this.#entries.size > maxSignatures) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    if (this.#static.length === 0) {
      const kinds = leaves.map(({ aval, weak }) => ({ aval, weak }));
      this.#latest = { compiled, def, leaves: kinds, args: args.length };
    }
    return { compiled, leaves };
  }

  /** The call, if it is of the signature of the last one. */
  #likeLatest(args: readonly unknown[]): Call | undefined {
    const latest = this.#latest;
    if (latest?.args !== args.length || !latest.compiled.program.usable()) return undefined;
    const found = leavesLike(args, latest.def);
    if (!found) return undefined;
    const leaves: Tensor[] = [];
    for (let i = 0; i < found.length; i++) {
      const x = found[i];
      if (!isTensorLike(x)) return undefined;
      const leaf = asTensor(x);
      const { aval, weak } = latest.leaves[i]!;
      const same = leaf.aval === aval || avalsEqual(leaf.aval, aval);
      if (!same || leaf.weak !== weak) return undefined;
      leaves.push(leaf);
    }
    return { compiled: latest.compiled, leaves };
  }

  #trace(
    args: readonly unknown[],
    dynamic: readonly number[],
    leaves: readonly Tensor[],
    def: TreeDef,
    laneChunks: LaneChunks | undefined,
  ): Compiled {
    const from = performance.now();
    const traced = traceFunction(this.label, leaves.map(specOf), (tracers) => {
      const values = def.unflatten(tracers) as unknown[];
      const full = [...args];
      dynamic.forEach((i, k) => {
        full[i] = values[k];
      });
      return this.#f(...(full as never[]));
    });
    const { graph: hoisted, held } = hoistHeld(optimise(traced.graph));
    const { graph, effects } = harvestEffects(hoisted);
    const captures = [...traced.captures, ...held];
    const donatedArgs = new Set(this.#donate);
    const donated: boolean[] = [];
    def.paths().forEach((path, i) => {
      const arg = dynamic[Number(/^\[(\d+)\]/.exec(path)![1])]!;
      donated.push(donatedArgs.has(arg) && !(leaves[i] instanceof HostScalar));
    });
    const inputs = [...leaves, ...captures];
    const program = compile(graph, {
      name: this.label,
      donated: inputs.map((_, i) => donated[i] ?? false),
      hostScalars: inputs.map((x) => x instanceof HostScalar),
      traceMs: performance.now() - from,
      laneChunks,
    });
    return {
      program,
      graph,
      lits: graphLits(graph).map((x) => x.value),
      captures,
      outDef: traced.outDef,
      effects,
    };
  }

  run(args: readonly unknown[]): unknown {
    const { compiled, leaves } = this.prepare(args);
    const outs = run(compiled.program, this.#inputs(compiled, leaves, args), compiled.lits);
    return this.#result(compiled, outs);
  }

  /** The tree of what the function returned, effects delivered. */
  #result({ outDef, effects }: Compiled, outs: readonly ConcreteArray[]): unknown {
    const n = outDef.size;
    if (effects.length > 0) deliver(effects, outs.slice(n), this.label);
    return outDef.unflatten(outs.slice(0, n).map(wrap));
  }

  /** A run that is waited for, with the time of every kernel. */
  async timed(args: readonly unknown[]) {
    const { compiled, leaves } = this.prepare(args);
    const { program, lits } = compiled;
    if (!program.donated.includes(true)) {
      // Drivers compile when a shader first runs.
      const inputs = this.#inputs(compiled, leaves, args);
      for (const x of run(program, inputs, lits)) x.dispose();
    }
    const times = await timedRun(program, this.#inputs(compiled, leaves, args), lits);
    return { ...times, program, result: this.#result(compiled, times.outputs) };
  }

  #inputs(compiled: Compiled, leaves: readonly Tensor[], args: readonly unknown[]): RunInput[] {
    const what = (i: number): string => {
      if (i >= leaves.length) return `'${this.label}' (a tensor that it closes over)`;
      const dynamic = args.filter((_, k) => !this.#static.includes(k));
      return `'${this.label}' (${leafName({ inDef: flatten(dynamic)[1] }, i)})`;
    };
    return [...leaves, ...compiled.captures].map((x, i) => runtimeInput(x, () => what(i)));
  }
}

/**
 * Compile a function (jax.jit): traced once for each combination of argument structure, shapes and
 * dtypes (and static arguments), fused, and replayed as one submission to the device. Under another
 * transform it is simply part of that trace.
 *
 * Numbers are arguments like any other: a new learning rate does not compile again.
 *
 * ```ts
 * const step = jit((w: Tensor, g: Tensor, lr: number) => w.sub(g.mul(lr)), { donateArgnums: 0 });
 * await step(array([1, 2]), array([1, 1]), 0.5).toArray(); // [0.5, 1.5]
 * ```
 */
export function jit<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: JitOptions = {},
): Jitted<A, R> {
  const cache = new JitCache(f as unknown as AnyFunction, options);
  const jitted = withName(
    cache.label,
    ((...args: A): R =>
      (currentBuilder() ? f(...args) : cache.run(args)) as R) as unknown as AnyFunction,
  );
  Object.defineProperty(jitted, "warmup", {
    value: async (...args: A): Promise<void> => {
      await warmup(cache.prepare(args).compiled.program);
    },
  });
  return jitted as unknown as Jitted<A, R>;
}

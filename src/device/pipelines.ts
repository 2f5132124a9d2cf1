/** Compute pipelines, compiled once for each WGSL text, entry point, constants and layout. */
import { DeviceError } from "../core/errors.js";
import { ShaderStage } from "./constants.js";
import type { Faults } from "./faults.js";

/** One entry of bind group 0; its index in the list is its `@binding`. */
export interface Binding {
  readonly type: "read-only-storage" | "storage" | "uniform";
  readonly hasDynamicOffset?: boolean;
}

/** What a pipeline is made from, and what it is cached by (all but the label). */
export interface PipelineSpec {
  readonly wgsl: string;
  readonly layout: readonly Binding[];
  readonly label: string;
  /** `main` unless told. */
  readonly entry?: string;
  /** Values of `override` constants. */
  readonly constants?: Readonly<Record<string, number>>;
}

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  /** The layout to create bind group 0 with; pipelines of the same bindings share it. */
  readonly layout: GPUBindGroupLayout;
  /** Distinct for every pipeline of a device: keys of bind group caches. */
  readonly id: number;
  readonly label: string;
}

interface Layouts {
  readonly bindGroup: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #faults: Faults;
  /** Waits for the device, with the host's polling kept in check. */
  readonly #wait: <T>(start: () => Promise<T>) => Promise<T>;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #compiling = new Map<string, Promise<Pipeline>>();
  readonly #layouts = new Map<string, Layouts>();
  #nextId = 1;

  constructor(device: GPUDevice, faults: Faults, wait: <T>(start: () => Promise<T>) => Promise<T>) {
    this.#device = device;
    this.#faults = faults;
    this.#wait = wait;
  }

  /**
   * Pipelines held. They are never freed: a program's shaders are few, and whoever runs them holds
   * them too (looking one up hashes its whole text, so programs keep what `get` returned).
   */
  get size(): number {
    return this.#pipelines.size;
  }

  /**
   * The pipeline of `spec`, compiled here and now if it is new. A shader that does not compile
   * throws a DeviceError with the line that is wrong (in a browser, where the error is only known
   * later, the next await does).
   */
  get(spec: PipelineSpec): Pipeline {
    const key = keyOf(spec);
    const known = this.#pipelines.get(key);
    if (known !== undefined) return known;
    this.#faults.checkLost(`compiling ${spec.label}`);
    const [[pipeline, layouts], error] = this.#faults.attempt(`shader ${spec.label}`, () => {
      const made = this.#layoutsOf(spec.layout);
      return [this.#device.createComputePipeline(this.#descriptor(spec, made)), made] as const;
    });
    if (error !== undefined) throw shaderError(spec, error.message, error);
    return this.#keep(key, spec, pipeline, layouts);
  }

  /** As `get`, but compiled without holding up the caller. */
  async getAsync(spec: PipelineSpec): Promise<Pipeline> {
    const key = keyOf(spec);
    const known = this.#pipelines.get(key) ?? this.#compiling.get(key);
    if (known !== undefined) return known;
    const compiling = this.#compile(key, spec).finally(() => this.#compiling.delete(key));
    this.#compiling.set(key, compiling);
    return compiling;
  }

  /** Compiles many at once, in parallel; the result is in the order of `specs`. */
  compileAll(specs: readonly PipelineSpec[]): Promise<Pipeline[]> {
    return Promise.all(specs.map((spec) => this.getAsync(spec)));
  }

  async #compile(key: string, spec: PipelineSpec): Promise<Pipeline> {
    this.#faults.checkLost(`compiling ${spec.label}`);
    // What is wrong with the text is an error of the module; the pipeline's says only that there is
    // one. The scope keeps it apart from those of the shaders that compile at the same time.
    this.#device.pushErrorScope("validation");
    const layouts = this.#layoutsOf(spec.layout);
    const descriptor = this.#descriptor(spec, layouts);
    const scope = this.#wait(() => this.#device.popErrorScope());
    const compiling = this.#wait(() => this.#device.createComputePipelineAsync(descriptor));
    const [scoped, compiled] = await Promise.allSettled([scope, compiling]);
    this.#faults.checkLost(`compiling ${spec.label}`);
    if (compiled.status === "rejected") {
      const inScope = scoped.status === "fulfilled" ? scoped.value : null;
      throw shaderError(spec, (inScope ?? compiled.reason).message, compiled.reason);
    }
    return this.#pipelines.get(key) ?? this.#keep(key, spec, compiled.value, layouts);
  }

  #descriptor(spec: PipelineSpec, layouts: Layouts): GPUComputePipelineDescriptor {
    const { label, wgsl, entry = "main", constants } = spec;
    const module = this.#device.createShaderModule({ label, code: wgsl });
    const compute = { module, entryPoint: entry };
    return {
      label,
      layout: layouts.pipeline,
      compute: constants === undefined ? compute : { ...compute, constants: { ...constants } },
    };
  }

  #keep(key: string, spec: PipelineSpec, pipeline: GPUComputePipeline, layouts: Layouts): Pipeline {
    const kept = { pipeline, layout: layouts.bindGroup, id: this.#nextId, label: spec.label };
    this.#nextId += 1;
    this.#pipelines.set(key, kept);
    return kept;
  }

  #layoutsOf(bindings: readonly Binding[]): Layouts {
    const key = layoutKey(bindings);
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    const bindGroup = this.#device.createBindGroupLayout({
      label: key,
      entries: bindings.map(({ type, hasDynamicOffset = false }, binding) => ({
        binding,
        visibility: ShaderStage.COMPUTE,
        buffer: { type, hasDynamicOffset },
      })),
    });
    const pipeline = this.#device.createPipelineLayout({
      label: key,
      bindGroupLayouts: [bindGroup],
    });
    const made = { bindGroup, pipeline };
    this.#layouts.set(key, made);
    return made;
  }
}

function layoutKey(bindings: readonly Binding[]): string {
  return bindings.map((b) => `${b.type}${b.hasDynamicOffset === true ? "+offset" : ""}`).join(",");
}

function keyOf({ wgsl, layout, entry = "main", constants = {} }: PipelineSpec): string {
  const values = Object.keys(constants)
    .sort()
    .map((name) => `${name}=${constants[name]}`)
    .join(",");
  return `${entry}\n${values}\n${layoutKey(layout)}\n${wgsl}`;
}

/** The compiler's words, with the lines of WGSL that they are about. */
function shaderError(spec: PipelineSpec, message: string, cause: unknown): DeviceError {
  const at = /:(\d+):(\d+) error: (.*)/.exec(message);
  const [, line, column, words] = at ?? [];
  const text =
    at === null
      ? message
      : `${words} (line ${line})\n${excerptOf(spec.wgsl, Number(line), Number(column))}`;
  return new DeviceError(`shader ${spec.label} does not compile: ${text}`, { cause });
}

/** Two lines on either side of `line`, with a mark under `column`. */
function excerptOf(wgsl: string, line: number, column: number): string {
  const lines = wgsl.split("\n");
  const out: string[] = [];
  for (let n = Math.max(1, line - 2); n <= Math.min(lines.length, line + 2); n++) {
    out.push(`${n === line ? ">" : " "} ${String(n).padStart(4)} | ${lines[n - 1]}`);
    if (n === line) out.push(`       | ${" ".repeat(Math.max(0, column - 1))}^`);
  }
  return out.join("\n");
}

/** Runs one elementwise primitive alone on the device: a kernel of its own around the emit rule. */
import type { Aval } from "../../src/core/aval.js";
import type { DType } from "../../src/core/dtype.js";
import { type HostData, type NdArray, ndarray } from "../../src/core/ndarray.js";
import { BufferUsage, currentGpu } from "../../src/device/index.js";
import type { EmitContext, Primitive } from "../../src/ir/primitive.js";

const scalarOf = { float32: "f32", int32: "i32", uint32: "u32", bool: "bool" } as const;

function typeAt(scalar: string, width: 1 | 4): string {
  if (width === 1) return scalar;
  return scalar === "bool" ? "vec4<bool>" : `vec4${scalar[0]}`;
}

/** An EmitContext that collects what the rule asks for. */
class Collector implements EmitContext {
  readonly width: 1 | 4;
  readonly helpers = new Map<string, string>();
  readonly lines: string[] = [];
  constructor(width: 1 | 4) {
    this.width = width;
  }
  type(dtype: DType): string {
    return typeAt(scalarOf[dtype], this.width);
  }
  constant(value: number, dtype: DType): string {
    if (!Number.isFinite(value)) throw new Error("the test kernels have no uniform for infinities");
    if (dtype === "bool") return `${this.type(dtype)}(${value !== 0})`;
    const suffix = dtype === "uint32" ? "u" : "";
    const text = `${value}${suffix}`;
    return `${this.type(dtype)}(${value === -(2 ** 31) && dtype === "int32" ? "-2147483647 - 1" : text})`;
  }
  let(type: string, expression: string): string {
    const name = `t${this.lines.length}`;
    this.lines.push(`let ${name}: ${type} = ${expression};`);
    return name;
  }
  helper(name: string, code: (type: (scalar: string) => string, name: string) => string): string {
    const unique = `${name}_w${this.width}`;
    if (!this.helpers.has(unique)) {
      const text = code((scalar) => typeAt(scalar, this.width), unique);
      this.helpers.set(unique, text);
    }
    return unique;
  }
}

/** The WGSL of a kernel that applies `prim` to storage buffers, one value (or vec4) a thread. */
export function kernelText(
  prim: Primitive,
  inputs: readonly Aval[],
  outputs: readonly Aval[],
  params: object,
  width: 1 | 4,
): string {
  const ctx = new Collector(width);
  const stored = (a: Aval) => (a.dtype === "bool" ? typeAt("u32", width) : ctx.type(a.dtype));
  const buffers = [...inputs, ...outputs].map(
    (a, i) =>
      `@group(0) @binding(${i}) var<storage, ${i < inputs.length ? "read" : "read_write"}> ` +
      `b${i}: array<${stored(a)}>;`,
  );
  const loads = inputs.map((a, i) =>
    a.dtype === "bool"
      ? `let x${i} = b${i}[i] != ${typeAt("u32", width)}(0u);`
      : `let x${i} = b${i}[i];`,
  );
  const args = inputs.map((_, i) => `x${i}`);
  const results = prim.emit!({ args, inputs, outputs, params, ctx });
  const stores = outputs.map((a, k) => {
    const value = a.dtype === "bool" ? `${typeAt("u32", width)}(${results[k]})` : results[k]!;
    return `b${inputs.length + k}[i] = ${value};`;
  });
  return `${buffers.join("\n")}
${[...ctx.helpers.values()].join("\n")}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= arrayLength(&b0)) { return; }
  ${[...loads, ...ctx.lines, ...stores].join("\n  ")}
}
`;
}

const toDevice = (x: NdArray): ArrayBufferView =>
  x.dtype === "float32"
    ? new Float32Array(x.data)
    : x.dtype === "bool"
      ? new Uint32Array(x.data)
      : (x.data as Int32Array | Uint32Array);

function fromDevice(bytes: ArrayBuffer, dtype: DType): HostData {
  if (dtype === "float32") return new Float64Array(new Float32Array(bytes));
  if (dtype === "int32") return new Int32Array(bytes);
  return dtype === "uint32" ? new Uint32Array(bytes) : new Uint8Array(new Uint32Array(bytes));
}

/** Inputs are flat, of one length, a multiple of 4. Needs an open device. */
export async function runElementwise(
  prim: Primitive,
  inputs: readonly NdArray[],
  params: object,
  width: 1 | 4,
): Promise<NdArray[]> {
  const gpu = currentGpu("elementwise test");
  const length = inputs[0]!.data.length;
  if (length % 4 !== 0) throw new Error(`length ${length} is not a multiple of 4`);
  const outputs = prim.aval(inputs, params);
  const layout = [
    ...inputs.map(() => ({ type: "read-only-storage" as const })),
    ...outputs.map(() => ({ type: "storage" as const })),
  ];
  const wgsl = kernelText(prim, inputs, outputs, params, width);
  const pipeline = gpu.pipelines.get({ wgsl, layout, label: `${prim.name} at width ${width}` });
  const usage = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
  const create = () => gpu.device.createBuffer({ size: length * 4, usage });
  const buffers = [...inputs, ...outputs].map(create);
  inputs.forEach((x, i) => {
    gpu.write(buffers[i]!, 0, toDevice(x));
  });
  const bindGroup = gpu.device.createBindGroup({
    layout: pipeline.layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline.pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(Math.ceil(length / width / 64));
  pass.end();
  gpu.submit([encoder.finish()], prim.name);
  const results: NdArray[] = [];
  for (const [k, out] of outputs.entries()) {
    const bytes = await gpu.readback(buffers[inputs.length + k]!, 0, length * 4);
    results.push(ndarray([length], out.dtype, fromDevice(bytes, out.dtype)));
  }
  for (const buffer of buffers) buffer.destroy();
  return results;
}

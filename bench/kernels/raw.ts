/** A shader as it is, without the compiler: a contestant, and the adapter's own ceilings. */
import { type Binding, currentGpu } from "../../src/device/index.js";
import { type Contestant, timed } from "../harness/contestant.js";
import { sizeOf, type Values } from "../harness/values.js";

export interface RawPass {
  readonly wgsl: string;
  readonly grid: readonly [x: number, y: number, z?: number];
  /** Buffers in the order of the bindings; the last is written, the others are read. */
  readonly buffers: readonly string[];
}

export interface RawWork {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Values>>;
  /** Shapes of the buffers that passes write. */
  readonly made: Readonly<Record<string, readonly number[]>>;
  readonly passes: readonly RawPass[];
  readonly outputs: readonly string[];
}

/** One submission for each time, as a program of dawngrad's makes. */
export function rawContestant(work: RawWork): Contestant {
  const gpu = currentGpu(work.name);
  const shapes: Record<string, readonly number[]> = { ...work.made };
  const buffers = new Map<string, GPUBuffer>();
  for (const [name, v] of Object.entries(work.inputs)) {
    shapes[name] = v.shape;
    buffers.set(name, gpu.upload(v.data, name));
  }
  for (const [name, shape] of Object.entries(work.made)) {
    buffers.set(name, gpu.upload(new Float32Array(sizeOf(shape)), name));
  }
  const steps = work.passes.map(({ wgsl, grid, buffers: names }, i) => {
    const entries = names.map(
      (_, k): Binding => ({ type: k === names.length - 1 ? "storage" : "read-only-storage" }),
    );
    const label = `${work.name} (pass ${i})`;
    const { pipeline, layout } = gpu.pipelines.get({ wgsl, layout: entries, label });
    const group = gpu.device.createBindGroup({
      layout,
      entries: names.map((n, binding) => ({ binding, resource: { buffer: buffers.get(n)! } })),
    });
    return { pipeline, group, grid };
  });
  const submit = (): void => {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { pipeline, group, grid } of steps) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...(grid as [number, number, number?]));
    }
    pass.end();
    gpu.submit([encoder.finish()], work.name);
  };
  return {
    name: work.name,
    time: (times) =>
      timed(times, async () => {
        for (let i = 0; i < times; i++) submit();
        await gpu.waitDone(work.name);
      }),
    async outputs() {
      submit();
      return Promise.all(
        work.outputs.map(async (name) => {
          const bytes = await gpu.readback(buffers.get(name)!, 0, sizeOf(shapes[name]!) * 4);
          return new Float32Array(bytes);
        }),
      );
    },
    dispose() {
      for (const b of buffers.values()) gpu.pool.release(b);
    },
  };
}

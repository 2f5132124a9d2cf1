import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { currentGpu, type Gpu, init, type PipelineSpec } from "../../src/device/index.js";

let gpu: Gpu;
beforeAll(async () => {
  await init();
  gpu = currentGpu("test");
});
afterAll(() => gpu.destroy());

const double: PipelineSpec = {
  label: "double",
  layout: [{ type: "storage" }],
  wgsl: `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
override factor = 2.0;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { x[id.x] = factor * x[id.x]; }
}`,
};

/** Runs `double` over the first `count` numbers of a buffer. */
function run(spec: PipelineSpec, buffer: GPUBuffer, count: number): number {
  const { pipeline, layout } = gpu.pipelines.get(spec);
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    gpu.device.createBindGroup({
      layout,
      entries: [{ binding: 0, resource: { buffer, size: count * 4 } }],
    }),
  );
  pass.dispatchWorkgroups(Math.ceil(count / 64));
  pass.end();
  return gpu.submit([encoder.finish()], spec.label);
}

describe("transfers", () => {
  test("bring back what was uploaded, whatever the offset and length", async () => {
    const bytes = Uint8Array.from({ length: 1003 }, (_, i) => (i * 37) % 251);
    const buffer = gpu.upload(bytes, "bytes");
    for (const [offset, length] of [
      [0, 1003],
      [0, 1],
      [1, 2],
      [3, 6],
      [4, 8],
      [1001, 2],
      [5, 0],
    ] as const) {
      const back = new Uint8Array(await gpu.readback(buffer, offset, length));
      expect([...back]).toEqual([...bytes.subarray(offset, offset + length)]);
    }
  });

  test("upload only the view, not the array buffer behind it", async () => {
    const all = Float32Array.from({ length: 100 }, (_, i) => i);
    const buffer = gpu.upload(all.subarray(10, 20), "view");
    const back = new Float32Array(await gpu.readback(buffer, 0, 40));
    expect([...back]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    gpu.write(buffer, 8, Float32Array.of(-1));
    expect(new Float32Array(await gpu.readback(buffer, 4, 12))).toEqual(
      Float32Array.of(11, -1, 13),
    );
  });

  test("several may be under way at once, each at its own point of the queue", async () => {
    const count = 5000;
    const buffer = gpu.upload(new Float32Array(count).fill(1), "x");
    const results: Promise<ArrayBuffer>[] = [];
    for (let i = 0; i < 8; i++) {
      results.push(gpu.readback(buffer, 0, count * 4, `after ${i}`));
      run(double, buffer, count);
    }
    const values = (await Promise.all(results)).map((result) => new Float32Array(result));
    values.forEach((value, i) => {
      expect(value).toEqual(new Float32Array(count).fill(2 ** i));
    });
  });

  test("reuse the buffers that they go through", async () => {
    const buffer = gpu.upload(new Float32Array(64), "x");
    const { createBuffer } = gpu.device;
    let created = 0;
    gpu.device.createBuffer = function (descriptor) {
      created += 1;
      return createBuffer.call(this, descriptor);
    };
    await gpu.readback(buffer, 0, 256);
    created = 0;
    for (let i = 0; i < 5; i++) await gpu.readback(buffer, 0, 256);
    gpu.device.createBuffer = createBuffer;
    expect(created).toBe(0);
  });

  test("outside of the buffer are refused with the range", async () => {
    const buffer = gpu.upload(new Float32Array(64), "x");
    await expect(gpu.readback(buffer, 250, 10, "item()")).rejects.toThrow(
      /^item\(\): bytes 250 to 260 are outside of a buffer of 256 bytes/,
    );
    await expect(gpu.readback(buffer, -4, 4)).rejects.toThrow(/outside of a buffer/);
  });
});

describe("submissions", () => {
  test("are counted, and known to have finished after an await", async () => {
    const buffer = gpu.upload(new Float32Array(64), "x");
    await gpu.waitDone();
    expect(gpu.inFlight).toBe(0);
    const first = run(double, buffer, 64);
    const second = run(double, buffer, 64);
    expect(second).toBe(first + 1);
    expect(gpu.inFlight).toBe(2);
    await gpu.readback(buffer, 0, 4);
    expect(gpu.completed).toBe(second + 1); // the copy is one too
    expect(gpu.inFlight).toBe(0);
  });

  test("in a loop that reads nothing are bounded by throttle()", async () => {
    const buffer = gpu.upload(new Float32Array(64), "x");
    let most = 0;
    for (let i = 0; i < 100; i++) {
      run(double, buffer, 64);
      most = Math.max(most, gpu.inFlight);
      await gpu.throttle(8);
    }
    expect(most).toBeLessThanOrEqual(9);
    expect(most).toBeGreaterThan(1);
  });

  test("fences let a loop that yields see completion without asking", async () => {
    await gpu.waitDone();
    const buffer = gpu.upload(new Float32Array(64), "x");
    const before = gpu.completed;
    for (let i = 0; i < 20; i++) run(double, buffer, 64);
    expect(gpu.completed).toBe(before);
    await expect.poll(() => gpu.completed).toBeGreaterThan(before + 10);
  });
});

describe("pipelines", () => {
  test("are compiled once for a text, its constants and its layout", async () => {
    const once = gpu.pipelines.get(double);
    expect(gpu.pipelines.get({ ...double, label: "another name" })).toBe(once);
    const size = gpu.pipelines.size;
    const compile = vi.spyOn(gpu.device, "createComputePipelineAsync");
    const [a, b] = await gpu.pipelines.compileAll([
      { ...double, constants: { factor: 3 } },
      { ...double, constants: { factor: 3 } },
    ]);
    expect(a).toBe(b);
    expect(compile).toHaveBeenCalledTimes(1);
    compile.mockRestore();
    expect(a).not.toBe(once);
    expect(a!.layout).toBe(once.layout);
    expect(a!.id).not.toBe(once.id);
    expect(gpu.pipelines.size).toBe(size + 1);
    expect(gpu.pipelines.get({ ...double, constants: { factor: 3 } })).toBe(a);
    const dynamic = gpu.pipelines.get({
      ...double,
      layout: [{ type: "storage", hasDynamicOffset: true }],
    });
    expect(dynamic.layout).not.toBe(once.layout);
  });

  test("use their constants", async () => {
    const buffer = gpu.upload(Float32Array.of(1, 2, 3), "x");
    run({ ...double, constants: { factor: 5 } }, buffer, 3);
    expect(new Float32Array(await gpu.readback(buffer, 0, 12))).toEqual(Float32Array.of(5, 10, 15));
  });

  const wrong: PipelineSpec = {
    ...double,
    label: "softmax",
    wgsl: double.wgsl.replace("factor * x", "factor * y"),
  };
  const message = [
    "shader softmax does not compile: unresolved value 'y' (line 6)",
    "     4 | @compute @workgroup_size(64)",
    "     5 | fn main(@builtin(global_invocation_id) id: vec3u) {",
    ">    6 |   if (id.x < arrayLength(&x)) { x[id.x] = factor * y[id.x]; }",
    `       | ${" ".repeat(51)}^`,
    "     7 | }",
  ].join("\n");

  test("that do not compile say where, and leave nothing behind", async () => {
    const size = gpu.pipelines.size;
    expect(() => gpu.pipelines.get(wrong)).toThrow(message);
    await expect(gpu.pipelines.getAsync(wrong)).rejects.toThrow(message);
    expect(gpu.pipelines.size).toBe(size);
    await gpu.waitDone();
  });

  test("that compile together keep their errors apart", async () => {
    const other = { ...wrong, label: "other", wgsl: double.wgsl.replace("vec3u", "vec3q") };
    const good = { ...double, constants: { factor: 7 } };
    const [a, b, c] = await Promise.allSettled(
      [wrong, other, good].map((spec) => gpu.pipelines.getAsync(spec)),
    );
    expect(a).toMatchObject({ status: "rejected", reason: { message } });
    expect(b).toMatchObject({ reason: { message: expect.stringContaining("'vec3q'") } });
    expect(c).toMatchObject({ status: "fulfilled" });
    await gpu.waitDone();
  });

  test("that do not fit their layout name themselves", async () => {
    const spec = { ...double, label: "relu", layout: [{ type: "read-only-storage" }] } as const;
    expect(() => gpu.pipelines.get(spec)).toThrow(/^shader relu does not compile: [\s\S]*binding/);
    await expect(gpu.pipelines.getAsync(spec)).rejects.toThrow(/^shader relu does not compile/);
    await gpu.waitDone();
  });
});

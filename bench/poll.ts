/**
 * What polling for completion costs on a software adapter: the same work waited for as Dawn's poll
 * comes (a busy loop) and with the poll at rest in between (src/device/idle.ts), alternately.
 *
 *     npx tsx bench/poll.ts
 *     DAWNGRAD_ADAPTER=swiftshader npx tsx bench/poll.ts
 */
import { plainWait, tamedWait } from "../src/device/idle.js";
import { currentGpu, init } from "../src/device/index.js";

const size = 512;

/** C = A·B: a subgroup takes 16 rows by 4 columns a lane, and shares A by shuffling. */
const matmul = (lanes: number) => `
enable subgroups;
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;
const n = ${size / 4}u;
const lanes = ${lanes}u;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * 16u;
  let column = group.x * lanes + local.x;
  var sum: array<vec4f, 16>;
  for (var k = 0u; k < n; k++) {
    let b0 = b[(k * 4u) * n + column];
    let b1 = b[(k * 4u + 1u) * n + column];
    let b2 = b[(k * 4u + 2u) * n + column];
    let b3 = b[(k * 4u + 3u) * n + column];
    for (var p = 0u; p < 16u; p += lanes) {
      let own = a[(row + p + local.x) * n + k];
      for (var i = 0u; i < lanes; i++) {
        let v = subgroupShuffle(own, i);
        sum[p + i] = fma(vec4f(v.w), b3, fma(vec4f(v.z), b2, fma(vec4f(v.y), b1, fma(vec4f(v.x), b0, sum[p + i]))));
      }
    }
  }
  for (var i = 0u; i < 16u; i++) { c[(row + i) * n + column] = sum[i]; }
}`;

const info = await init({ adapter: "software" });
const gpu = currentGpu("bench/poll");
const values = Float32Array.from({ length: size * size }, (_, i) => (i % 7) / 8);
const buffers = [gpu.upload(values, "a"), gpu.upload(values, "b"), gpu.upload(values, "c")];
const { pipeline, layout } = gpu.pipelines.get({
  label: "matmul",
  wgsl: matmul(gpu.subgroupSize),
  layout: [{ type: "read-only-storage" }, { type: "read-only-storage" }, { type: "storage" }],
});
const bindGroup = gpu.device.createBindGroup({
  layout,
  entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
});

function multiply(times: number): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  for (let i = 0; i < times; i++) pass.dispatchWorkgroups(size / 4 / gpu.subgroupSize, size / 16);
  pass.end();
  gpu.submit([encoder.finish()], "matmul");
}

const waits = { busy: plainWait, tamed: tamedWait() };
const work = {
  "one matmul": () => multiply(1),
  "eight matmuls": () => multiply(8),
  "a readback of 4 bytes": () => {},
};

const median = (list: number[]) => list.toSorted((x, y) => x - y)[Math.floor(list.length / 2)]!;

console.log(`${info.description} (${info.driver}), medians of 15, ms and GF/s`);
for (const [name, start] of Object.entries(work)) {
  const times = { busy: [] as number[], tamed: [] as number[] };
  const cpu = { busy: 0, tamed: 0 };
  for (let round = 0; round < 17; round++) {
    for (const kind of ["busy", "tamed"] as const) {
      const spent = process.cpuUsage();
      const from = performance.now();
      start();
      if (name.startsWith("a readback")) {
        const staging = gpu.staging.acquire(4);
        const encoder = gpu.device.createCommandEncoder();
        encoder.copyBufferToBuffer(buffers[2]!, 0, staging, 0, 4);
        gpu.submit([encoder.finish()], "copy");
        await waits[kind](() => staging.mapAsync(1));
        staging.unmap();
        gpu.staging.release(staging);
      } else {
        await waits[kind](() => gpu.queue.onSubmittedWorkDone());
      }
      if (round < 2) continue;
      times[kind].push(performance.now() - from);
      const used = process.cpuUsage(spent);
      cpu[kind] += (used.user + used.system) / 1000 / 15;
    }
  }
  const matmuls = name === "one matmul" ? 1 : name === "eight matmuls" ? 8 : 0;
  for (const kind of ["busy", "tamed"] as const) {
    const ms = median(times[kind]);
    const rate = matmuls === 0 ? "" : `  ${((matmuls * 2 * size ** 3) / ms / 1e6).toFixed(1)} GF/s`;
    console.log(
      `${name.padEnd(22)} ${kind.padEnd(5)} ${ms.toFixed(3).padStart(8)} ms  ` +
        `processor ${cpu[kind].toFixed(2)} ms${rate}`,
    );
  }
}
gpu.destroy();

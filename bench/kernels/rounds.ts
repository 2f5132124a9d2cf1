/**
 * What a round of a loop costs that may be over: kernels that look at a word and leave, the same by
 * indirect dispatch, and asking the device after each round.
 */
import { currentGpu, MapMode } from "../../src/device/index.js";
import type { Contestant } from "../harness/contestant.js";
import { timed } from "../harness/contestant.js";

const text = `
@group(0) @binding(0) var<storage, read> flag: array<u32>;
@group(0) @binding(1) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (flag[0] != 1u) { return; }
  data[id.x] = data[id.x] * 0.5 + 1.0;
}`;

/** Sets the number of groups of the kernel that follows by whether the loop goes on. */
const decide = `
@group(0) @binding(0) var<storage, read> flag: array<u32>;
@group(0) @binding(1) var<storage, read_write> groups: array<u32>;
@compute @workgroup_size(1) fn main() {
  groups[0] = select(0u, COUNTu, flag[0] == 1u);
  groups[1] = 1u;
  groups[2] = 1u;
}`;

export type Strategy = "guarded" | "indirect" | "asked";

/** `rounds` rounds of a test and a kernel over `size` numbers, all under way or all over. */
export function roundsContestant(
  strategy: Strategy,
  size: number,
  rounds: number,
  active: boolean,
): Contestant {
  const gpu = currentGpu("rounds");
  const { device } = gpu;
  const count = size / 64;
  const buffer = (bytes: number, usage: number) => device.createBuffer({ size: bytes, usage });
  const { STORAGE, COPY_DST, COPY_SRC, INDIRECT, MAP_READ } = usages;
  const flag = buffer(16, STORAGE | COPY_DST | COPY_SRC);
  device.queue.writeBuffer(flag, 0, Uint32Array.of(active ? 1 : 0));
  const data = buffer(size * 4, STORAGE);
  const groups = buffer(16, STORAGE | INDIRECT);
  const answer = buffer(16, MAP_READ | COPY_DST);
  const make = (wgsl: string, second: GPUBuffer, label: string) => {
    const layout = [{ type: "read-only-storage" }, { type: "storage" }] as const;
    const made = gpu.pipelines.get({ wgsl, layout, label });
    const entries = [flag, second].map((b, binding) => ({ binding, resource: { buffer: b } }));
    return {
      pipeline: made.pipeline,
      group: device.createBindGroup({ layout: made.layout, entries }),
    };
  };
  const work = make(text, data, "round");
  const test = make(decide.replace("COUNT", String(count)), groups, "test of a round");
  const encode = (n: number, ask: boolean): void => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < n; i++) {
      pass.setPipeline(test.pipeline);
      pass.setBindGroup(0, test.group);
      pass.dispatchWorkgroups(1);
      pass.setPipeline(work.pipeline);
      pass.setBindGroup(0, work.group);
      if (strategy === "indirect") pass.dispatchWorkgroupsIndirect(groups, 0);
      else pass.dispatchWorkgroups(count);
    }
    pass.end();
    if (ask) encoder.copyBufferToBuffer(flag, 0, answer, 0, 4);
    device.queue.submit([encoder.finish()]);
  };
  const once = async (): Promise<void> => {
    for (let i = 0; i < (strategy === "asked" ? rounds : 1); i++) {
      encode(strategy === "asked" ? 1 : rounds, true);
      await gpu.wait(() => answer.mapAsync(MapMode.READ, 0, 4));
      answer.unmap();
    }
  };
  return {
    name: `${strategy} ${size} ${active ? "active" : "over"}`,
    time: (times) =>
      timed(times, async () => {
        for (let i = 0; i < times; i++) await once();
      }),
    outputs: async () => [],
    dispose() {
      for (const b of [flag, data, groups, answer]) b.destroy();
    },
  };
}

const usages = {
  MAP_READ: 1,
  COPY_SRC: 4,
  COPY_DST: 8,
  STORAGE: 128,
  INDIRECT: 256,
} as const;

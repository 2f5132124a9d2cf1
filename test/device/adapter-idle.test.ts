import { afterEach, expect, test, vi } from "vitest";
import { plainWait, restOf, tamedWait } from "../../src/device/idle.js";
import { currentGpu, init } from "../../src/device/index.js";

const real = globalThis.setImmediate;
afterEach(() => {
  vi.useRealTimers();
  globalThis.setImmediate = real;
});

/**
 * A stand-in for Dawn: polls by arming a native function through the global setImmediate, until `ms`
 * have passed.
 */
function dawn(ms: number) {
  const state = { polls: 0 };
  /** V8 gives `Function.prototype` calls of a proxy the source text of a native function. */
  const native = (work: () => void) => {
    const callback = new Proxy(work, {});
    Object.defineProperty(work, "name", { value: "" });
    return callback;
  };
  const start = () =>
    new Promise<string>((resolve) => {
      const from = performance.now();
      const arm = () => globalThis.setImmediate(native(poll));
      const poll = () => {
        state.polls += 1;
        if (performance.now() - from >= ms) resolve("done");
        else arm();
      };
      arm();
    });
  return { state, start };
}

test("a wait makes few polls, and ends soon after the work", async () => {
  const { state, start } = dawn(100);
  const from = performance.now();
  expect(await tamedWait()(start)).toBe("done");
  expect(performance.now() - from).toBeLessThan(150);
  expect(state.polls).toBeGreaterThan(20);
  expect(state.polls).toBeLessThan(1000); // a busy loop makes tens of thousands
});

test("the stand-in does busy the loop when nobody tames it", async () => {
  const { state, start } = dawn(50);
  await start();
  expect(state.polls).toBeGreaterThan(1000);
});

test("others see their own setImmediate throughout, and are not held back", async () => {
  const { start } = dawn(60);
  const seen = new Set<unknown>();
  let ticks = 0;
  let waiting = true;
  const tick = () => {
    seen.add(globalThis.setImmediate);
    ticks += 1;
    if (waiting) globalThis.setImmediate(tick);
  };
  tick();
  await tamedWait()(start);
  waiting = false;
  expect([...seen]).toEqual([real]);
  expect(ticks).toBeGreaterThan(100);
  expect(globalThis.setImmediate).toBe(real);
});

test("a callback of JavaScript is passed on even where Dawn arms its own", async () => {
  const order: string[] = [];
  await tamedWait()(
    () =>
      new Promise<void>((resolve) => {
        globalThis.setImmediate((text: string) => {
          order.push(text);
          resolve();
        }, "with its argument");
      }),
  );
  expect(order).toEqual(["with its argument"]);
});

test("a start that throws puts everything back", async () => {
  const wait = tamedWait();
  await expect(
    wait(() => {
      throw new Error("lost");
    }),
  ).rejects.toThrow("lost");
  expect(globalThis.setImmediate).toBe(real);
});

test("works under fake timers", async () => {
  const wait = tamedWait();
  vi.useFakeTimers();
  const { start } = dawn(0);
  expect(await wait(start)).toBe("done");
});

test("rests a tenth of the wait, at most two milliseconds", () => {
  expect([0, 1, 10, 20, 1000].map(restOf)).toEqual([0, 0.1, 1, 2, 2]);
});

test("Dawn itself polls as supposed, and our waits tame it", async () => {
  await init();
  const gpu = currentGpu("test");
  if (!gpu.software || !gpu.opened.polled) return;
  const buffer = gpu.upload(new Float32Array(65536), "x");
  const { pipeline, layout } = gpu.pipelines.get({
    label: "long",
    layout: [{ type: "storage" }],
    wgsl: `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var s = x[id.x];
  for (var i = 0u; i < 500u; i++) { s = s * 1.0001 + 0.5; }
  x[id.x] = s;
}`,
  });
  const bindGroup = gpu.device.createBindGroup({
    layout,
    entries: [{ binding: 0, resource: { buffer } }],
  });
  /** How often the global setImmediate is called from outside of our waits while work is done. */
  async function armed(wait: typeof plainWait): Promise<number> {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    for (let i = 0; i < 8; i++) pass.dispatchWorkgroups(1024);
    pass.end();
    gpu.submit([encoder.finish()], "long");
    const spy = vi.spyOn(globalThis, "setImmediate");
    await wait(() => gpu.queue.onSubmittedWorkDone());
    const { length } = spy.mock.calls;
    spy.mockRestore();
    return length;
  }
  expect(await armed(plainWait)).toBeGreaterThan(20);
  expect(await armed(gpu.wait)).toBe(0);
  gpu.destroy();
});

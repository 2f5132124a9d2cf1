import { execFileSync } from "node:child_process";
import { array, jit, type Tensor, whileLoop } from "dawngrad";
import { beforeEach, describe, expect, test } from "vitest";
import { currentGpu, type Gpu, init } from "../../src/device/index.js";
import { child } from "./adapter-child.js";

let gpu: Gpu;
beforeEach(async () => {
  await init(); // opens a new one where the last test lost it
  gpu = currentGpu("test");
});

/** Submits a copy out of a buffer that is gone. */
function submitWrong(label: string): void {
  const [from, to] = [gpu.pool.acquire(64, "from"), gpu.pool.acquire(64, "to")];
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, to, 0, 64);
  from.destroy();
  gpu.submit([encoder.finish()], label);
}

describe("an error of a submission", () => {
  test("rejects the next await once, and names the program", async () => {
    submitWrong("train step");
    await expect(gpu.waitDone("block()")).rejects.toThrow(
      /^block\(\): the device reported an error \(validation\) in train step: .*from.*destroyed/s,
    );
    await gpu.waitDone();
  });

  test("rejects a readback, whose value would be wrong", async () => {
    const buffer = gpu.upload(Float32Array.of(1), "x");
    submitWrong("first");
    submitWrong("second");
    await expect(gpu.readback(buffer, 0, 4, "item()")).rejects.toThrow(
      /in first: [\s\S]*\(1 more errors followed from it\.\)/,
    );
    expect(new Float32Array(await gpu.readback(buffer, 0, 4))).toEqual(Float32Array.of(1));
  });

  test("waits for an await: it is not thrown by allocating or compiling either", async () => {
    submitWrong("step");
    gpu.pool.acquire(100_000_000, "large");
    const compiled = { label: "p", layout: [], wgsl: "@compute @workgroup_size(1) fn main() {}" };
    gpu.pipelines.get(compiled);
    await gpu.pipelines.getAsync({ ...compiled, wgsl: `${compiled.wgsl}\n` });
    expect(() => gpu.pipelines.get({ ...compiled, wgsl: "fn main( {}" })).toThrow(
      /^shader p does not compile/,
    );
    expect(gpu.faults.take()?.message).toMatch(/in step/);
    expect(gpu.faults.take()).toBeUndefined();
  });

  test("is not thrown by the submission itself", () => {
    expect(() => submitWrong("step")).not.toThrow();
    expect(() => gpu.check("check")).toThrow(/in step/);
    expect(() => gpu.check("check")).not.toThrow();
  });
});

describe("a lost device", () => {
  const lost = /the GPU device was lost: .*destroyed.*await init\(\) again/s;

  test("fails every call with the same words, named after the operation", async () => {
    const buffer = gpu.upload(Float32Array.of(1), "x");
    const pending = Promise.allSettled([
      gpu.readback(buffer, 0, 4, "item()"),
      gpu.waitDone("block()"),
      gpu.pipelines.getAsync({ label: "p", layout: [], wgsl: "@compute fn main() {}" }),
    ]);
    gpu.device.destroy(); // not ours: as a driver's crash would, it tells only later
    const messages = (await pending).map(
      (each) => each.status === "rejected" && each.reason.message,
    );
    expect(messages).toEqual([
      expect.stringMatching(/^item\(\): the GPU device was lost/),
      expect.stringMatching(/^block\(\): the GPU device was lost/),
      expect.stringMatching(/^compiling p: the GPU device was lost/),
    ]);
    expect(() => currentGpu("matmul")).toThrow(lost);
    expect(() => currentGpu("matmul")).toThrow(/^matmul: /);
    expect(() => gpu.pool.acquire(4, "array()")).toThrow(lost);
    expect(() => gpu.upload(Float32Array.of(1), "array()")).toThrow(lost);
    expect(() => gpu.submit([], "step")).toThrow(lost);
    await expect(gpu.readback(buffer, 0, 4)).rejects.toThrow(lost);
    await expect(gpu.pipelines.getAsync({ label: "p", layout: [], wgsl: "" })).rejects.toThrow(
      lost,
    );
  });

  test("is told at once when it was we who destroyed it", () => {
    gpu.destroy();
    expect(() => currentGpu("matmul")).toThrow(lost);
  });

  test("is replaced by init()", async () => {
    const before = gpu;
    gpu.destroy();
    await init();
    const after = currentGpu("test");
    expect(after).not.toBe(before);
    const buffer = after.upload(Float32Array.of(3), "x");
    expect(new Float32Array(await after.readback(buffer, 0, 4))).toEqual(Float32Array.of(3));
  });

  test("is told to what waits for a loop that only the device could end", async () => {
    const count = jit((x: Tensor) =>
      whileLoop(
        (i: Tensor) => i.less(1e9),
        (i: Tensor) => i.add(1),
        x,
      ),
    );
    const end = count(array(0)).item();
    setTimeout(() => currentGpu("test").destroy(), 50);
    await expect(end).rejects.toThrow(lost);
  });
});

/** Caps this machine's address space for one process, so that its memory ends early. */
function hasPrlimit(): boolean {
  try {
    execFileSync("prlimit", ["--version"], { stdio: "ignore" });
    return process.platform === "linux" && process.arch === "x64";
  } catch {
    return false;
  }
}

describe("memory that the device does not have", () => {
  test.skipIf(!hasPrlimit())("is a DeviceError that says what and how much", async () => {
    const { stdout, stderr, code } = await child(
      `import { execFileSync } from "node:child_process";
       import fs from "node:fs";
       await init();
       const { pool } = currentGpu("test");
       const used = Number(fs.readFileSync("/proc/self/statm", "utf8").split(" ")[0]) * 4096;
       execFileSync("prlimit", ["--pid", String(process.pid), "--as=" + (used + 1.5 * 2 ** 30)]);
       const idle = pool.acquire(2 ** 27, "idle"); // given back before anything is refused
       pool.release(idle);
       let made = 0;
       try {
         for (; made < 20; made++) pool.acquire(2 ** 28 + made * 2 ** 26, "weights " + made);
       } catch (e) {
         console.log(e.name + ": " + e.message);
         console.log(e.cause.message);
         console.log(pool.stats().liveBuffers === made && pool.stats().pooledBytes === 0);
       }`,
      { DAWNGRAD_ADAPTER: "swiftshader" },
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^DeviceError: weights \d+: could not allocate .*MiB \(\d+ bytes\)/);
    expect(stdout).toMatch(/live buffers\. Dispose of tensors.*\n.*\(out-of-memory\)/);
    expect(stdout.trim()).toMatch(/true$/);
  });

  test("is limited to the machine's own on a software adapter", () => {
    if (!gpu.software) return;
    expect(gpu.opened.budget).toBeGreaterThan(2 ** 26);
    expect(gpu.opened.budget).toBeLessThan(2 ** 45);
  });
});

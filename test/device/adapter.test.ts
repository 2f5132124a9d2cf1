import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { driverNamed } from "../../src/device/adapter.js";
import { openBrowser } from "../../src/device/browser.js";
import { withoutDawnWarnings } from "../../src/device/node/quiet.js";
import { untar } from "../../src/device/node/tar.js";
import { child, childStderr } from "./adapter-child.js";

const linux = process.platform === "linux" && process.arch === "x64";
const show = "console.log(JSON.stringify(await init()));";

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "dawngrad-test-"));
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A cache folder of its own for each test. */
function cache(name: string): string {
  const base = path.join(folder, name);
  fs.mkdirSync(base);
  return base;
}

const inCache = (base: string) => fs.readdirSync(path.join(base, "dawngrad"));

describe.skipIf(!linux)("SwiftShader from the optional package", () => {
  const env = (base: string) => ({ DAWNGRAD_ADAPTER: "swiftshader", XDG_CACHE_HOME: base });

  test("opens from an empty cache, and leaves the environment and the globals alone", async () => {
    const base = cache("clean");
    const { code, stdout, stderr } = await child(
      `const before = Object.keys(globalThis).length;
       const { driver, software, vendor } = await init();
       const added = Object.keys(globalThis).length - before;
       const changed = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].filter((k) => k in process.env);
       console.log(JSON.stringify({ driver, software, vendor, added, changed,
         usage: typeof GPUBufferUsage }));`,
      env(base),
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      driver: "swiftshader",
      software: true,
      vendor: "google",
      added: 0,
      changed: [],
      usage: "undefined",
    });
    expect(inCache(base)).toEqual([expect.stringMatching(/^swiftshader-\d+\.\d+\.\d+$/)]);
  });

  test("a damaged cache is replaced, whatever the damage", async () => {
    const base = cache("damaged");
    expect((await child(show, env(base))).code).toBe(0);
    const [name] = inCache(base);
    const home = path.join(base, "dawngrad", name!);
    const driver = path.join(home, "libvk_swiftshader.so");
    const good = fs.readFileSync(driver);

    const damages: Record<string, () => void> = {
      "cut short": () => fs.truncateSync(driver, 1000),
      "other bytes, same size": () => fs.writeFileSync(driver, Buffer.alloc(good.length, 7)),
      "no seal": () => {
        fs.rmSync(path.join(home, "sha256.json"));
        fs.truncateSync(driver, 5000);
      },
    };
    for (const [what, damage] of Object.entries(damages)) {
      damage();
      const { code, stderr } = await child(show, env(base));
      expect(code, `${what}: ${stderr}`).toBe(0);
      expect(fs.readFileSync(driver).equals(good), what).toBe(true);
      expect(inCache(base), what).toEqual([name]);
    }
  });

  test("several processes may unpack at once", async () => {
    const base = cache("concurrent");
    const runs = await Promise.all(Array.from({ length: 4 }, () => child(show, env(base))));
    for (const { code, stdout, stderr } of runs) {
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout).driver).toBe("swiftshader");
    }
    expect(inCache(base)).toHaveLength(1);
  });

  test("without a place for the cache it still opens", async () => {
    const { code, stdout, stderr } = await child(show, {
      DAWNGRAD_ADAPTER: "swiftshader",
      XDG_CACHE_HOME: "/dev/null/nowhere",
      TMPDIR: folder,
    });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).driver).toBe("swiftshader");
    expect(fs.readdirSync(folder).filter((name) => name.startsWith("dawngrad-"))).toEqual([]);
  });

  test("is what auto falls on where no system driver works, and the reasons are kept", async () => {
    // A driver as Debian 12 has it: there, but too old for Dawn.
    const mesa = cache("mesa");
    const manifest = path.join(mesa, "lvp_icd.x86_64.json");
    fs.writeFileSync(path.join(mesa, "libvulkan_lvp.so"), "\x7fELF ... Mesa 22.3.6 (LLVM 15)\0");
    fs.writeFileSync(
      manifest,
      '{"ICD": {"library_path": "./libvulkan_lvp.so", "api_version": "1.1.230"}}',
    );
    const { code, stdout, stderr } = await child(
      `${show} console.log(process.env.VK_DRIVER_FILES);`,
      { VK_DRIVER_FILES: manifest },
    );
    expect(code, stderr).toBe(0);
    const [info, after] = stdout.trim().split("\n");
    expect(after).toBe(manifest);
    const { candidates } = JSON.parse(info!);
    expect(candidates.map((c: { driver: string }) => c.driver)).toEqual([
      "hardware",
      "lavapipe",
      "software",
      "swiftshader",
    ]);
    expect(candidates[1]).toMatchObject({
      used: false,
      reason: expect.stringContaining("Mesa 22.3.6 is installed"),
      advice: expect.stringContaining("mesa-vulkan-drivers >= 24"),
    });
    expect(candidates[3]).toMatchObject({ used: true });
  });

  test("a process may end while work is under way", async () => {
    const work = `
      await init();
      const gpu = currentGpu("test");
      const buffer = gpu.upload(new Float32Array(65536), "x");
      const { pipeline, layout } = gpu.pipelines.get({ label: "long", layout: [{ type: "storage" }],
        wgsl: \`@group(0) @binding(0) var<storage, read_write> x: array<f32>;
          @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
            var s = x[id.x]; for (var i = 0u; i < 2000u; i++) { s = s * 1.0001 + 0.5; } x[id.x] = s;
          }\` });
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, gpu.device.createBindGroup({ layout,
        entries: [{ binding: 0, resource: { buffer } }] }));
      pass.dispatchWorkgroups(1024);
      pass.end();
      gpu.submit([encoder.finish()], "long");
      void gpu.readback(buffer, 0, 16);
      // Without this the driver's threads crash the process now and then (one time in ten).
      const destroy = gpu.device.destroy.bind(gpu.device);
      gpu.device.destroy = () => { destroy(); console.log("destroyed"); };
      process.exit(7);`;
    const base = cache("exit");
    for (let i = 0; i < 2; i++) {
      const { code, signal, stdout, stderr } = await child(work, env(base));
      expect({ code, signal, stdout }, stderr).toEqual({
        code: 7,
        signal: null,
        stdout: "destroyed\n",
      });
    }
  });
});

describe("init", () => {
  test("without any adapter says what to install", async () => {
    const { code, stdout } = await child(
      `await init({ adapter: "software" }).catch((e) => console.log(e.name + ": " + e.message));`,
      { DAWNGRAD_ADAPTER: "lavapipe", VK_DRIVER_FILES: "/nonexistent.json" },
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^DeviceError: init\(\{ adapter: "software" \}\)/);
    expect(stdout).toContain("with DAWNGRAD_ADAPTER=lavapipe");
    if (linux) expect(stdout).toContain("mesa-vulkan-drivers >= 24");
    expect(stdout).toContain("npm i -D @sparticuz/chromium");
  });

  test("is shared by concurrent callers, and refuses a second kind of device", async () => {
    const { code, stdout, stderr } = await child(`
      const message = (promise) => promise.then(() => "ok", (e) => e.name + ": " + e.message);
      console.log(await message(init({ adapter: "fast" })));
      try { deviceInfo() } catch (e) { console.log(e.name + ": " + e.message) }
      const first = init({ adapter: "software" });
      const second = init();
      const third = init({ adapter: "hardware" });
      await first;
      const gpu = currentGpu("test");
      await second;
      console.log(gpu === currentGpu("test"), deviceInfo().software);
      console.log(await message(third));
      console.log(await message(init({ adapter: "software" })));`);
    expect(code, stderr).toBe(0);
    const lines = stdout.trim().split("\n");
    expect(lines[0]).toMatch(/^DeviceError: .*"fast".*"auto", "hardware" or "software"/);
    expect(lines[1]).toMatch(/^DeviceError: deviceInfo\(\).*await init\(\) first/);
    expect(lines[2]).toBe("true true");
    expect(lines[3]).toMatch(/^DeviceError: .*a software device is already open/);
    expect(lines[4]).toBe("ok");
  });

  test("a caller is not made to share another's failure", async () => {
    const { stdout } = await child(
      `const hardware = init({ adapter: "hardware" }).then(() => "ok", () => "none");
       const software = init({ adapter: "software" }).then(() => "ok", (e) => e.message);
       console.log(await hardware, await software);`,
      { VK_DRIVER_FILES: "/nonexistent.json" },
    );
    expect(stdout.trim()).toBe("none ok");
  });

  test("an unknown DAWNGRAD_ADAPTER is an error that lists the known", async () => {
    const { stdout } = await child("await init().catch((e) => console.log(e.message));", {
      DAWNGRAD_ADAPTER: "toString",
    });
    expect(stdout).toContain("auto, hardware, software, lavapipe, swiftshader");
  });

  test("in a host without WebGPU says so", async () => {
    await expect(openBrowser("auto")).rejects.toThrow(/DeviceError|no WebGPU/);
  });
});

describe("Dawn's warnings", () => {
  // With no driver at all (an empty folder of them), Dawn always has something to say.
  const env = () => ({ DAWNGRAD_ADAPTER: "lavapipe", VK_DRIVER_FILES: cache(`none${folders++}`) });
  let folders = 0;
  const work = `
    setImmediate(() => console.error("a line of the program's own"));
    await init().catch(() => {});
    console.error("after");`;

  test.skipIf(!linux)("are hidden from programs that ask, and nothing else is", async () => {
    const [plain, quiet] = await Promise.all([
      childStderr(work, env()),
      childStderr(`hideDawnWarnings();${work}`, env()),
    ]);
    expect(plain.stdout).toMatch(/Warning/);
    expect(quiet.stdout).toBe("a line of the program's own\nafter\n");
  });

  test("are told from other lines", () => {
    const text = [
      "Warning: maxDynamicUniformBuffersPerPipelineLayout artificially reduced from 1000000 to 16.",
      "error: XDG_RUNTIME_DIR is invalid or not set in the environment.",
      "Warning: Vulkan shaderUniform*ArrayDynamicIndexing required.",
      " - While initializing adapter (backend=BackendType::Vulkan)",
      "    at InitializeImpl (/x/third_party/dawn/src/dawn/native/vulkan/PhysicalDeviceVk.cpp:257)",
      "",
      "Warning: the program's own",
      "    at somewhere (/x/program.js:1)",
      "",
      "last",
    ].join("\n");
    expect(withoutDawnWarnings(text)).toBe(
      "Warning: the program's own\n    at somewhere (/x/program.js:1)\n\nlast",
    );
  });
});

test("drivers are known by their names", () => {
  expect(driverNamed("llvmpipe (LLVM 15.0.6, 256 bits)")).toBe("lavapipe");
  expect(driverNamed("SwiftShader Device (Subzero)")).toBe("swiftshader");
  expect(driverNamed("Microsoft Basic Render Driver")).toBe("software");
  expect(driverNamed("NVIDIA GeForce RTX 4090")).toBe("hardware");
  expect(driverNamed("Intel(R) Arc(TM) Graphics (warped)")).toBe("hardware");
});

describe("untar", () => {
  /** An archive of one file. */
  function archive(name: string, contents: string): Uint8Array {
    const bytes = Buffer.alloc(512 + Math.ceil(contents.length / 512) * 512 + 1024);
    bytes.write(name, 0);
    bytes.write("0000644\0", 100);
    bytes.write(`${contents.length.toString(8).padStart(11, "0")}\0`, 124);
    bytes.write("        0ustar", 148);
    const sum = bytes.subarray(0, 512).reduce((a, b) => a + b, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    bytes.write(contents, 512);
    return bytes;
  }

  test("finds the named files by their base name", () => {
    const found = untar(archive("./some/where/a.txt", "hello"), ["a.txt"]);
    expect([...found.keys()]).toEqual(["a.txt"]);
    expect(Buffer.from(found.get("a.txt")!).toString()).toBe("hello");
    expect(untar(archive("b.txt", "hello"), ["a.txt"]).size).toBe(0);
  });

  test("refuses an archive that is damaged or cut short", () => {
    const whole = archive("a.txt", "x".repeat(600));
    expect(() => untar(whole.subarray(0, 1000), ["a.txt"])).toThrow(/damaged archive/);
    whole[134] = "2".charCodeAt(0); // a smaller size: only the checksum tells
    expect(() => untar(whole, ["a.txt"])).toThrow(/damaged archive/);
  });
});

test("only computed imports reach Node's modules, so that bundles for browsers need none", () => {
  const source = fileURLToPath(new URL("../../src/device", import.meta.url));
  const files = fs.readdirSync(source, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => name.endsWith(".ts"))) {
    const text = fs.readFileSync(path.join(source, file), "utf8");
    const fixed = text.match(/(\bfrom |\bimport |^\s*import\()"(node:[^"]*|webgpu)"/gm) ?? [];
    expect(fixed, file).toEqual([]);
  }
});

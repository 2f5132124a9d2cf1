/**
 * Which adapter dawngrad uses here, why not another, what it can do, and what would be faster.
 *
 *     npm run doctor
 *     npm run --silent doctor -- --json
 *
 * Exits with 1 if there is no adapter, or one that computes wrongly.
 */
import { parseArgs } from "node:util";
import { DawngradError } from "../src/core/errors.js";
import {
  type Candidate,
  currentGpu,
  type DeviceInfo,
  formatBytes,
  hideDawnWarnings,
  init,
} from "../src/device/index.js";

const usage = "usage: npm run doctor [-- --json] [--adapter auto|hardware|software]";

interface Check {
  readonly ok: boolean;
  readonly text: string;
}

/** Doubles a thousand numbers on the device. */
async function compute(): Promise<Check> {
  const gpu = currentGpu("doctor");
  const count = 1000;
  const buffer = gpu.upload(
    Float32Array.from({ length: count }, (_, i) => i),
    "numbers",
  );
  const { pipeline, layout } = gpu.pipelines.get({
    label: "double",
    layout: [{ type: "storage" }],
    wgsl: `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ${count}u) { x[id.x] = 2.0 * x[id.x]; }
}`,
  });
  const start = performance.now();
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    gpu.device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] }),
  );
  pass.dispatchWorkgroups(Math.ceil(count / 64));
  pass.end();
  gpu.submit([encoder.finish()], "double");
  const result = new Float32Array(await gpu.readback(buffer, 0, count * 4, "double"));
  const ms = performance.now() - start;
  gpu.pool.release(buffer);
  const wrong = result.findIndex((value, i) => value !== 2 * i);
  return wrong === -1
    ? { ok: true, text: `right (compiled, run and read back in ${ms.toFixed(1)} ms)` }
    : { ok: false, text: `WRONG: 2 * ${wrong} came out as ${result[wrong]}` };
}

/** What would make the better candidates available. */
function advices(candidates: readonly Candidate[]): string[] {
  const used = candidates.findIndex((candidate) => candidate.used);
  return candidates
    .slice(0, used)
    .flatMap(({ driver, advice }) => (advice === undefined ? [] : [`${driver}: ${advice}`]));
}

function report(info: DeviceInfo, check: Check): string {
  const lines = [
    `adapter       ${info.description || info.vendor}`,
    `driver        ${info.driver}${info.software ? " (software: it computes on the CPU)" : ""}`,
    `vendor        ${[info.vendor, info.architecture].filter(Boolean).join(", ")}`,
    `subgroups     ${info.subgroupSize === 0 ? "no" : `${info.subgroupSize} lanes`}`,
    `a computation ${check.text}`,
    "",
    "drivers, best first",
    ...info.candidates.map(
      ({ driver, used, reason }) => `  ${used ? "*" : "-"} ${driver.padEnd(12)} ${reason}`,
    ),
    "",
    "features",
    `  ${info.features.join(", ")}`,
    "",
    "limits",
    ...Object.entries(info.limits).map(
      ([name, value]) =>
        `  ${name.padEnd(42)} ${/Size$/.test(name) && value >= 1024 ? formatBytes(value) : value}`,
    ),
  ];
  const faster = advices(info.candidates);
  if (faster.length > 0) lines.push("", "for a faster adapter", ...faster.map((a) => `  ${a}`));
  return lines.join("\n");
}

async function main(): Promise<number> {
  let json: boolean;
  let adapter: string;
  try {
    const { values } = parseArgs({
      options: {
        json: { type: "boolean", default: false },
        adapter: { type: "string", default: "auto" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      return 0;
    }
    ({ json, adapter } = values);
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  hideDawnWarnings();
  try {
    const info = await init({ adapter: adapter as "auto" });
    const check = await compute();
    console.log(json ? JSON.stringify({ ok: check.ok, ...info }, null, 2) : report(info, check));
    return check.ok ? 0 : 1;
  } catch (error) {
    if (!(error instanceof DawngradError)) throw error;
    if (json) console.log(JSON.stringify({ ok: false, error: error.message }, null, 2));
    else console.error(`${error.name}: ${error.message}`);
    return 1;
  }
}

process.exitCode = await main();

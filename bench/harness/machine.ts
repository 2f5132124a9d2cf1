/** Where a run was made. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { deviceInfo } from "dawngrad";
import type { Library } from "./contestant.js";
import { megabytes } from "./format.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

const versionIn = (path: string): string =>
  (JSON.parse(readFileSync(`${root}${path}`, "utf8")) as { version: string }).version;

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd: root, encoding: "utf8" });
    const changed = git("status", "--porcelain", "--", "src", "nn", "optim", "shaders").trim();
    return `, commit ${git("rev-parse", "--short", "HEAD").trim()}${changed ? " with changes" : ""}`;
  } catch {
    return "";
  }
}

/** Lines of a list: machine, adapter, versions. */
export function describeMachine(libraries: readonly Library[], startLoad: number): string[] {
  const device = deviceInfo();
  const cpu = cpus();
  return [
    `machine: ${cpu.length} × ${cpu[0]?.model.trim() ?? "unknown"}, ${megabytes(totalmem())}, ${platform()} ${release()}`,
    `adapter: ${device.description} (${device.driver}), subgroups of ${device.subgroupSize || "—"}`,
    `load average when it began: ${startLoad.toFixed(1)}, when it ended: ${loadavg()[0]!.toFixed(1)}`,
    `Node ${process.version}, webgpu (Dawn) ${versionIn("node_modules/webgpu/package.json")}`,
    `dawngrad ${versionIn("package.json")}${commit()}`,
    ...libraries.map((l) => `${l.name} ${l.version} (${l.where})`),
  ];
}

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

/** Day, commit and load of a measurement that began under `startLoad`. */
export const whenMeasured = (startLoad: number): string =>
  `${new Date().toISOString().slice(0, 10)}${commit()}, load average ${startLoad.toFixed(1)} at its ` +
  `start and ${loadavg()[0]!.toFixed(1)} at its end`;

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
export function describeMachine(libraries: readonly Library[]): string[] {
  const device = deviceInfo();
  const cpu = cpus();
  return [
    `machine: ${cpu.length} × ${cpu[0]?.model.trim() ?? "unknown"}, ${megabytes(totalmem())}, ${platform()} ${release()}`,
    `adapter: ${device.description} (${device.driver}), subgroups of ${device.subgroupSize || "—"}`,
    `Node ${process.version}, webgpu (Dawn) ${versionIn("node_modules/webgpu/package.json")}`,
    `dawngrad ${versionIn("package.json")}`,
    ...libraries.map((l) => `${l.name} ${l.version} (${l.where})`),
  ];
}

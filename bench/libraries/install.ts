/** The libraries to compare with, installed into bench/peers by npm, once. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const folder = fileURLToPath(new URL("../peers/", import.meta.url));
export const requirePeer = createRequire(`${folder}package.json`);

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifest = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8")) as Manifest;
const installedAt = (name: string): string => `${folder}node_modules/${name}/package.json`;

export const peerVersion = (name: string): string => manifest(installedAt(name)).version;

/** Install what peers/package.json asks for, unless it is there in those versions. */
export function installPeers(): void {
  const wanted = Object.entries(manifest(`${folder}package.json`).dependencies);
  const missing = wanted.filter(
    ([name, version]) => !existsSync(installedAt(name)) || peerVersion(name) !== version,
  );
  if (missing.length === 0) return;
  console.error(`installing ${missing.map(([name]) => name).join(", ")} into bench/peers …`);
  const done = spawnSync("npm", ["install", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (done.status !== 0) throw new Error("npm install in bench/peers failed");
}

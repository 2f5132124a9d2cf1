/**
 * Node's modules, for the files of this folder and dawn.ts. They are asked for under names that a
 * bundler cannot follow, so that a bundle of the package for browsers neither needs nor contains
 * them.
 */

const load = (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ name);

export const nodeFs = () => load("node:fs") as Promise<typeof import("node:fs")>;
export const nodeOs = () => load("node:os") as Promise<typeof import("node:os")>;
export const nodePath = () => load("node:path") as Promise<typeof import("node:path")>;
export const nodeZlib = () => load("node:zlib") as Promise<typeof import("node:zlib")>;
export const nodeCrypto = () => load("node:crypto") as Promise<typeof import("node:crypto")>;
export const nodeModule = () => load("node:module") as Promise<typeof import("node:module")>;
export const nodeChildProcess = () =>
  load("node:child_process") as Promise<typeof import("node:child_process")>;

/** The npm package `webgpu`: Dawn. */
export const dawn = () => load("webgpu") as Promise<typeof import("webgpu")>;

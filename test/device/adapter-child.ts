/** Runs a piece of code against src/device in a process of its own, where the choice is still open. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { afterAll } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

let compiled: string | undefined;
afterAll(() => {
  if (compiled !== undefined) {
    fs.rmSync(fileURLToPath(new URL("..", compiled)), { recursive: true, force: true });
  }
});

/**
 * src/device as JavaScript, so that a child starts in a quarter of the time that a loader for
 * TypeScript takes. It lies within node_modules, from where it finds the packages.
 */
function deviceAsJavaScript(): string {
  if (compiled !== undefined) return compiled;
  const base = path.join(root, "node_modules", ".cache");
  fs.mkdirSync(base, { recursive: true });
  const out = fs.mkdtempSync(path.join(base, "dawngrad-test-"));
  fs.writeFileSync(path.join(out, "package.json"), '{ "type": "module" }');
  const device = fs
    .readdirSync(path.join(root, "src/device"), { recursive: true, encoding: "utf8" })
    .map((name) => path.join("device", name));
  for (const name of ["core/errors.ts", ...device]) {
    if (!name.endsWith(".ts")) continue;
    const text = fs.readFileSync(path.join(root, "src", name), "utf8");
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    const target = path.join(out, name.replace(/\.ts$/, ".js"));
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, outputText);
  }
  compiled = pathToFileURL(path.join(out, "device/index.js")).href;
  return compiled;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of this process without anything that steers the choice, plus `env`. */
function environment(env: Record<string, string>): Record<string, string | undefined> {
  const {
    DAWNGRAD_ADAPTER: _,
    VK_DRIVER_FILES: __,
    VK_ICD_FILENAMES: ___,
    NODE_OPTIONS: ____,
    ...rest
  } = process.env;
  return { ...rest, ...env };
}

/** Runs `code`, which may use all that src/device exports (and `await`). */
export function child(code: string, env: Record<string, string> = {}): Promise<Outcome> {
  return run(process.execPath, nodeArguments(code), env);
}

/** As `child`, with standard output dropped and standard error going through a pipe as in a shell. */
export function childStderr(code: string, env: Record<string, string> = {}): Promise<Outcome> {
  const script = '"$0" "$@" 2>&1 >/dev/null | cat';
  return run("sh", ["-c", script, process.execPath, ...nodeArguments(code)], env);
}

function nodeArguments(code: string): string[] {
  const names =
    "init, deviceInfo, currentGpu, hideDawnWarnings, BufferUsage, MapMode, ShaderStage, sizeClass";
  const text = `import { ${names} } from ${JSON.stringify(deviceAsJavaScript())};\n${code}`;
  return ["--input-type=module", "--eval", text];
}

function run(command: string, args: string[], env: Record<string, string>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const process = spawn(command, args, { cwd: root, env: environment(env) });
    let stdout = "";
    let stderr = "";
    process.stdout.on("data", (data) => {
      stdout += data;
    });
    process.stderr.on("data", (data) => {
      stderr += data;
    });
    process.on("error", reject);
    process.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

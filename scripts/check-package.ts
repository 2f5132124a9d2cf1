/**
 * Packs the built package, installs it in a new project, and checks what a consumer gets: types
 * under several configurations with no library check skipped, and a program that runs.
 * `npm run build && npm run check:package`
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "dawngrad-consumer-"));

const program = `
import { array, explain, grad, hessian, init, jit, type Tensor, vmap } from "dawngrad";
import { loader } from "dawngrad/data";
import * as nn from "dawngrad/nn";
import * as optim from "dawngrad/optim";
import { arbitraries, checkGrads } from "dawngrad/testing";

await init();
const loss = (w: Tensor, x: Tensor, y: Tensor): Tensor => x.dot(w).sub(y).square().mean();
const perExample = jit(vmap(grad(loss), [null, 0, 0]));
const args = [array([1, 2]), array([[1, 0], [0, 1]]), array([0, 0])] as const;
const g: Tensor = perExample(...args);
const h: Tensor = hessian((w: Tensor) => w.square().sum())(array([1, 2]));
const found = JSON.stringify([await g.toArray(), await h.toArray()]);
if (found !== "[[[2,0],[0,4]],[[2,0],[0,2]]]") throw new Error(found);
if (explain(perExample)(...args).submits !== 1) throw new Error("submits");
await checkGrads((w: Tensor) => w.square().sum(), [array([1, 2])], { order: 2 });
for (const f of [loader, nn.dense, optim.crSam, arbitraries.program]) {
  if (typeof f !== "function") throw new Error("an entry point lacks a function");
}
{
  using x = array([1]);
  if (x.size !== 1) throw new Error("size");
}
`;

/** Compiler settings that projects have; library files are checked in all of them. */
const configurations: Readonly<Record<string, object>> = {
  "as TypeScript sets up by itself": {},
  "without the DOM, with Node's types": { lib: ["es2022"], types: ["node"] },
  "without the DOM or any types": { lib: ["es2022"], types: [] },
  // These need the DOM's names themselves.
  "with @webgpu/types": {
    lib: ["es2022"],
    types: ["@webgpu/types", "node"],
    skipLibCheck: true,
  },
  "for a bundler": { module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom"] },
  "as strict as can be": { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
};

const run = (command: string, args: readonly string[]): string =>
  execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** The versions that the project itself is tested with. */
function versions(names: readonly string[]): string[] {
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return names.map((name) => `${name}@${devDependencies[name]}`);
}

function check(): void {
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: root });
  const [packed] = readdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(folder, "program.ts"), program);
  const peers = ["@sparticuz/chromium", "@types/node", "fast-check", "typescript"];
  run("npm", ["install", "--no-audit", "--no-fund", `./${packed}`, ...versions(peers)]);
  for (const [name, options] of Object.entries(configurations)) {
    const compilerOptions = {
      strict: true,
      target: "es2022",
      module: "nodenext",
      skipLibCheck: false,
      outDir: "out",
      ...options,
    };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["program.ts"] }),
    );
    run("npx", ["tsc", "-p", "."]);
    console.log(`types, ${name}: ok`);
  }
  run("node", ["out/program.js"]);
  console.log("the program: ok");
}

try {
  check();
} catch (error) {
  const { stdout, stderr } = error as { stdout?: string; stderr?: string };
  if (stdout === undefined) throw error;
  console.error(`${stdout}\n${stderr}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

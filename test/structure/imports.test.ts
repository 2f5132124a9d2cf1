/** The order of the folders in docs/architecture.md is the order in which they may import. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

const walk = (folder: string): string[] =>
  readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return walk(path);
    return path.endsWith(".ts") ? [path] : [];
  });

const imports = (file: string): string[] =>
  ts.preProcessFile(readFileSync(join(root, file), "utf8")).importedFiles.map((f) => f.fileName);

/** The map of docs/architecture.md: its lines "src/core/  what" in order. */
const mapped = (): string[] =>
  [
    ...readFileSync(join(root, "docs/architecture.md"), "utf8").matchAll(
      /^ {4}(src\/[a-z-]+)\/ /gm,
    ),
  ].map((m) => m[1]!);

const target = (file: string, spec: string): string =>
  relative(root, resolve(root, dirname(file), spec)).replace(/\.js$/, ".ts");

const folderOf = (path: string): string => path.split("/").slice(0, 2).join("/");

describe("structure", () => {
  it("the map in docs/architecture.md names exactly the folders of src", () => {
    const folders = readdirSync(join(root, "src"))
      .filter((name) => statSync(join(root, "src", name)).isDirectory())
      .map((name) => `src/${name}`);
    expect([...mapped()].sort()).toEqual(folders.sort());
  });

  it("the map names every folder that holds code", () => {
    const text = readFileSync(join(root, "docs/architecture.md"), "utf8");
    const folders = (at: string): string[] =>
      readdirSync(join(root, at), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
        .flatMap((entry) => [`${at}/${entry.name}`, ...folders(`${at}/${entry.name}`)]);
    const top = ["src", "nn", "optim", "data", "examples", "bench", "scripts"];
    const all = [...top, ...top.flatMap(folders), "shaders", "test", "docs"];
    // What programs write is not code.
    const written = ["bench/results"];
    expect(all.filter((f) => !written.includes(f) && !text.includes(`${f}/`))).toEqual([]);
  });

  it("a folder of src imports only folders above it", () => {
    const order = mapped();
    const wrong: string[] = [];
    for (const file of walk("src")) {
      for (const spec of imports(file).filter((s) => s.startsWith("."))) {
        const to = target(file, spec);
        if (file === "src/index.ts") continue;
        if (order.indexOf(folderOf(to)) > order.indexOf(folderOf(file)) || !to.startsWith("src/")) {
          wrong.push(`${file} imports ${to}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("nn, optim and data import the package root, as a user would", () => {
    const wrong: string[] = [];
    for (const folder of ["nn", "optim", "data"]) {
      for (const file of walk(folder)) {
        for (const spec of imports(file).filter((s) => s.startsWith("."))) {
          const to = target(file, spec);
          if (!to.startsWith(`${folder}/`) && to !== "src/index.ts")
            wrong.push(`${file} imports ${to}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("nothing outside src/device/node and data imports a Node module", () => {
    const wrong: string[] = [];
    for (const folder of ["src", "nn", "optim", "shaders"]) {
      for (const file of walk(folder)) {
        if (file.startsWith("src/device/node/") || file === "src/device/dawn.ts") continue;
        for (const spec of imports(file)) {
          const bare = !spec.startsWith(".") && !["fast-check", "webgpu"].includes(spec);
          if (bare) wrong.push(`${file} imports ${spec}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("has no import cycles between files", () => {
    const files = ["src", "nn", "optim", "data"].flatMap(walk);
    const runtime = (file: string): string[] =>
      [
        ...readFileSync(join(root, file), "utf8").matchAll(
          /^(?:import|export)\s+(?!type\b)[^;]*?from\s+"(\.[^"]+)"/gm,
        ),
      ]
        .filter((m) => !/^\s*(?:import|export)\s*\{(?:\s*type\s+\w+,?)+\s*\}/.test(m[0]))
        .map((m) => target(file, m[1]!));
    const graph = new Map(files.map((f) => [f, runtime(f)]));
    const state = new Map<string, "open" | "done">();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === "done") return;
      if (state.get(file) === "open") {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
        return;
      }
      state.set(file, "open");
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, "done");
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

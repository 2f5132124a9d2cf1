/**
 * Writes src/wgsl/shaders.generated.ts from shaders/*.wgsl: their texts, with the lines of every
 * function and the names of the overrides as wgsl_reflect finds them. Run it after changing a shader:
 * `npx tsx scripts/embed-shaders.ts`; a test checks that the result is up to date.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

export const generatedPath = at("src/wgsl/shaders.generated.ts");

/** The text of the generated module. */
export function embedded(): string {
  const entries = readdirSync(at("shaders"))
    .filter((name) => name.endsWith(".wgsl"))
    .sort()
    .map((file) => {
      const text = readFileSync(at(`shaders/${file}`), "utf8");
      const reflected = new WgslReflect(text);
      const functions = reflected.functions.map((f) => [f.name, [f.startLine, f.endLine]]);
      const entry = reflected.entry.compute[0]!;
      return {
        name: file.replace(/\.wgsl$/, ""),
        overrides: reflected.overrides.map((o) => o.name),
        functions: Object.fromEntries(functions) as Record<string, [number, number]>,
        entry: entry.name,
        bindings: reflected.storage.map((v) => v.name),
        text,
      };
    });
  const body = entries
    .map((e) => {
      const { text, ...rest } = e;
      const lines = text.trimEnd().split("\n");
      return `  {\n    ...${JSON.stringify(rest)},\n    lines: [\n${lines
        .map((line) => `      ${JSON.stringify(line)},`)
        .join("\n")}\n    ],\n  },`;
    })
    .join("\n");
  return `// Generated from shaders/*.wgsl by scripts/embed-shaders.ts. Do not edit.
// biome-ignore-all format: generated
import type { ShaderTemplate } from "./template.js";

export const shaders: readonly ShaderTemplate[] = [
${body}
];
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(generatedPath, embedded());
  console.log("wrote src/wgsl/shaders.generated.ts");
}

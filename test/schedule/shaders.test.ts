import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { embedded, generatedPath } from "../../scripts/embed-shaders.js";
import { instantiate, template } from "../../src/wgsl/template.js";

describe("embedded shaders", () => {
  it("are those of shaders/: run npx tsx scripts/embed-shaders.ts", () => {
    expect(readFileSync(generatedPath, "utf8")).toBe(embedded());
  });

  it("functions are replaced whole and alone", () => {
    const t = template("matmul-workgroup");
    const text = instantiate(t, { epilogue: "fn epilogue() { /* mine */ }" });
    expect(text).toContain("/* mine */");
    const [first, last] = t.functions.epilogue!;
    const own = t.lines.slice(first - 1, last).join("\n");
    expect(text).toBe(instantiate(t, {}).replace(own, "fn epilogue() { /* mine */ }"));
    expect(() => instantiate(t, { nothing: "" })).toThrow("has no function nothing");
  });

  it("marked loops are written out, and constants have the given values", () => {
    const t = template("matmul-register");
    const text = instantiate(t, {}, { ROWS: 3, LANES: 8 });
    expect(text).toContain("const ROWS: u32 = 3u;");
    expect(text).not.toContain("// unroll");
    expect(text.match(/const i = \d+u;/g)).toEqual([
      "const i = 0u;",
      "const i = 1u;",
      "const i = 2u;",
    ]);
    expect(() => instantiate(t, {}, { NONE: 1 })).toThrow("has no constant NONE");
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { embedded, generatedPath } from "../../scripts/embed-shaders.js";
import { instantiate, template } from "../../src/wgsl/template.js";

describe("embedded shaders", () => {
  it("are those of shaders/: run npx tsx scripts/embed-shaders.ts", () => {
    expect(readFileSync(generatedPath, "utf8")).toBe(embedded());
  });

  it("functions are replaced whole and alone", () => {
    const t = template("matmul-register");
    const text = instantiate(t, { epilogue: "fn epilogue() { /* mine */ }" });
    expect(text).toContain("/* mine */");
    expect(text).not.toContain("c[((batch * M + m) * N + n) / 4u] = value;");
    expect(text).toContain("fn load_a(");
    expect(instantiate(t, {})).toBe(t.lines.join("\n"));
    expect(() => instantiate(t, { nothing: "" })).toThrow("has no function nothing");
  });
});

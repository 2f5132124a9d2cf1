/** Every code block of the documentation type-checks, runs, and gives the values that it claims. */
import { fileURLToPath } from "node:url";
import * as root from "dawngrad";
import * as data from "dawngrad/data";
import * as nn from "dawngrad/nn";
import * as optim from "dawngrad/optim";
import * as testing from "dawngrad/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { matches, plain } from "./compare.js";
import { docstringSnippets, markdownSnippets, projectSnippets, type Snippet } from "./extract.js";
import { asFunctionBody, type EntryPoint, lookupOrder } from "./prepare.js";
import { typeErrors } from "./typecheck.js";

const modules: Readonly<Record<EntryPoint, Readonly<Record<string, unknown>>>> = {
  dawngrad: root,
  "dawngrad/nn": nn,
  "dawngrad/optim": optim,
  "dawngrad/data": data,
  "dawngrad/testing": testing,
};
const folder = fileURLToPath(new URL("../..", import.meta.url));
const snippets = projectSnippets(folder);
const nameOf = (s: Snippet) => `${s.file}:${s.line}`;

const AsyncFunction = (async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<void>;

/** Run a snippet with all public names in scope; fails where a value is not the one in its comment. */
async function run(snippet: Snippet): Promise<number> {
  const scope = new Map<string, unknown>();
  for (const entry of [...lookupOrder(snippet.file)].reverse()) {
    for (const [name, value] of Object.entries(modules[entry])) scope.set(name, value);
  }
  // Names that are no identifiers: they are reached as `x.var()`, or by import.
  for (const name of ["var", "switch"]) scope.delete(name);
  const { body, expectations } = asFunctionBody(snippet);
  const quiet = { ...console, log: () => {} };
  const check = async (index: number, value: unknown) => {
    const { line, expression, value: expected } = expectations[index]!;
    const actual = await plain(await value);
    if (!matches(actual, expected)) {
      throw new Error(
        `${snippet.file}:${line}: ${expression} gave ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`,
      );
    }
  };
  const f = new AsyncFunction("$modules", "$check", "console", ...scope.keys(), body);
  await f(modules, check, quiet, ...scope.values());
  return expectations.length;
}

describe("the checker itself", () => {
  const block = (code: string): Snippet => ({ file: "x.md", line: 1, code, run: true });

  test("finds blocks of Markdown and docstrings, with their lines", () => {
    const md = markdownSnippets(
      "a.md",
      "text\n```ts\nf();\n```\n```sh\nls\n```\n```ts no-run\ng();\n```",
    );
    expect(md.map((s) => [s.line, s.code, s.run])).toEqual([
      [3, "f();", true],
      [9, "g();", false],
    ]);
    const doc = docstringSnippets(
      "a.ts",
      "x;\n/**\n * Says.\n *\n * ```ts\n * f(\n *   1,\n * );\n * ```\n */",
    );
    expect(doc).toEqual([{ file: "a.ts", line: 6, code: "f(\n  1,\n);", run: true }]);
  });

  test("a wrong value, a missing name and a throwing line fail; a right value passes", async () => {
    expect(await run(block("const f = async () => [1, 2];\nawait f(); // [1, 2.000001]"))).toBe(1);
    await expect(run(block("1 + 1; // 3"))).rejects.toThrow("x.md:1: 1 + 1 gave 2, not 3");
    await expect(run(block("notAName();"))).rejects.toThrow("notAName");
    expect(
      await run(
        block('import { ShapeError as E } from "dawngrad";\nnew E("a").name; // "ShapeError"'),
      ),
    ).toBe(1);
  });
});

describe("documentation", () => {
  let errors: Map<Snippet, string[]>;
  beforeAll(async () => {
    errors = typeErrors(folder, snippets);
    await root.init();
  });

  test("there are snippets, and they claim values", () => {
    const claims = snippets.map((s) => asFunctionBody(s).expectations.length);
    expect(snippets.length).toBeGreaterThan(20);
    expect(claims.reduce((a, b) => a + b, 0)).toBeGreaterThan(20);
  });

  for (const snippet of snippets) {
    test(nameOf(snippet), async () => {
      expect(errors.get(snippet)).toEqual([]);
      if (snippet.run) await run(snippet);
    });
  }
});

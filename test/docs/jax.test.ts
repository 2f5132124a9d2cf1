/** The table of docs/jax.md is true: each name is exported, and the linked file shows it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as root from "dawngrad";
import * as nn from "dawngrad/nn";
import * as testing from "dawngrad/testing";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(`${folder}docs/jax.md`, "utf8");

interface Row {
  readonly module: string;
  readonly jax: string;
  readonly here: string | undefined;
  readonly link: string | undefined;
  readonly why: string;
}

const rows: Row[] = [];
let module = "";
for (const line of text.split("\n")) {
  module = /^## (\S+)/.exec(line)?.[1] ?? module;
  const cells = /^\| `([^`]+)` \| (?:`([^`]+)`|–) \| (.+) \|$/.exec(line);
  if (!cells) continue;
  const [, jax, here, last] = cells;
  const link = /\]\(\.\.\/([^)]+)\)/.exec(last!)?.[1];
  rows.push({ module, jax: jax!, here, link, why: last! });
}

/** The value of a dotted name among what the package exports. */
function resolve(name: string): unknown {
  const scope: Record<string, unknown> = { ...testing, ...root, nn };
  let value: unknown = scope;
  for (const part of name.split(".")) {
    const holder = value as Record<string, unknown> | undefined;
    value =
      holder?.[part] ?? (holder as { prototype?: Record<string, unknown> })?.prototype?.[part];
  }
  return value;
}

/** What of a file is run: all of a test or of what makes its fixtures, the code blocks of others. */
function textOf(path: string): string {
  const whole = readFileSync(folder + path, "utf8");
  if (path.startsWith("test/")) return whole;
  return [...whole.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code).join("\n");
}

test("the table has every module, and each name once", () => {
  expect([...new Set(rows.map((r) => r.module))]).toEqual([
    "jax",
    "jax.lax",
    "jax.numpy",
    "jax.random",
    "jax.nn",
    "jax.scipy.special",
    "jax.tree",
  ]);
  const names = rows.map((r) => `${r.module}.${r.jax}`);
  expect(names.filter((n, i) => names.indexOf(n) !== i)).toEqual([]);
  expect(rows.length).toBeGreaterThan(450);
  const lines = text.split("\n").filter((l) => l.startsWith("| `"));
  expect(lines.length).toBe(rows.length);
});

describe.each([...new Set(rows.map((r) => r.module))])("%s", (name) => {
  test("names are exported, and what they link to mentions them", () => {
    const wrong: string[] = [];
    for (const { module: of, jax, here, link, why } of rows) {
      if (of !== name) continue;
      if (here === undefined) {
        if (link !== undefined || why.length < 5) wrong.push(`${jax}: no reason`);
        continue;
      }
      if (resolve(here) === undefined) wrong.push(`${jax}: ${here} is not exported`);
      if (link === undefined || !existsSync(folder + link)) {
        wrong.push(`${jax}: ${link} does not exist`);
        continue;
      }
      // A name within a name space (nn.initializers.zeros) is shown where that is spoken of.
      const words = here.split(".").filter((part) => part !== "nn" && part !== "Tensor");
      const shown = textOf(link);
      for (const part of words) {
        if (new RegExp(`\\b${part}\\b`).test(shown)) continue;
        wrong.push(`${jax}: ${link} does not show ${here}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

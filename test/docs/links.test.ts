/** What the documentation points at exists: files, headings, scripts of package.json, programs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-");

const anchors = (file: string): string[] =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map((m) => anchorOf(m[1]!));

function brokenLinks(page: string): string[] {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map((m) => m[1]!);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path, anchor] = link.split("#") as [string, string?];
      const file = path === "" ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && !anchors(file).includes(anchor);
    });
}

const scripts = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts);

function brokenCommands(page: string): string[] {
  const text = read(page);
  const named = [...text.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map((m) => m[1]!);
  const files = [...text.matchAll(/(?:npx tsx|npx vitest(?: run)?|python3|bash) ([\w./-]+\w)/g)];
  // vitest takes the beginning of a file's name.
  const found = (path: string) =>
    existsSync(join(root, path)) || existsSync(join(root, `${path}.test.ts`));
  return [
    ...named.filter((name) => !scripts.includes(name)),
    ...files.map((m) => m[1]!).filter((path) => !found(path)),
  ];
}

describe.each(pages)("%s", (page) => {
  test("links to files and headings that exist", () => {
    expect(brokenLinks(page)).toEqual([]);
  });
  test("names scripts and programs that exist", () => {
    expect(brokenCommands(page)).toEqual([]);
  });
});

test("every page is reached from the README or a page that it links to", () => {
  const seen = new Set<string>();
  const visit = (page: string): void => {
    if (seen.has(page)) return;
    seen.add(page);
    for (const m of read(page).matchAll(/\]\(([^)\s#]+\.md)/g)) {
      const to = normalize(join(dirname(page), m[1]!));
      if (pages.includes(to)) visit(to);
    }
  };
  visit("README.md");
  expect(pages.filter((page) => !seen.has(page))).toEqual([]);
});

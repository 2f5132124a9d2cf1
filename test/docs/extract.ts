/** Code blocks of the documentation: fenced `ts` blocks of Markdown files and of docstrings. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

export interface Snippet {
  /** Relative to the repository. */
  readonly file: string;
  /** Of the block's first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** Marked `ts no-run`: type-checked only. */
  readonly run: boolean;
}

const fence = /^\s*```(\w*)\s*(.*?)\s*$/;

/** The fenced blocks of a text whose lines start at `firstLine` of the file. */
function blocks(file: string, lines: readonly string[], firstLine: number): Snippet[] {
  const found: Snippet[] = [];
  let open: { language: string; info: string; from: number } | undefined;
  lines.forEach((text, i) => {
    const match = fence.exec(text);
    if (!match) return;
    if (!open) {
      open = { language: match[1]!, info: match[2]!, from: i + 1 };
      return;
    }
    if (open.language === "ts") {
      found.push({
        file,
        line: firstLine + open.from,
        code: lines.slice(open.from, i).join("\n"),
        run: !/\bno-run\b/.test(open.info),
      });
    }
    open = undefined;
  });
  if (open) throw new Error(`${file}:${firstLine + open.from - 1}: a code block is not closed`);
  return found;
}

/** The blocks of Markdown text. */
export const markdownSnippets = (file: string, text: string): Snippet[] =>
  blocks(file, text.split("\n"), 1);

/** The blocks of the docstrings of TypeScript source. */
export function docstringSnippets(file: string, text: string): Snippet[] {
  const found: Snippet[] = [];
  for (const match of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const firstLine = text.slice(0, match.index).split("\n").length;
    const lines = match[0].split("\n").map((line) => line.replace(/^\s*\*? ?/, ""));
    found.push(...blocks(file, lines, firstLine));
  }
  return found;
}

function filesIn(folder: string, extension: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesIn(path, extension);
    return name.endsWith(extension) ? [path] : [];
  });
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Every snippet of the project. */
export function projectSnippets(root: string): Snippet[] {
  const markdown = [join(root, "README.md"), ...filesIn(join(root, "docs"), ".md")].filter(exists);
  const source = ["src", "nn", "optim", "data"].flatMap((f) => filesIn(join(root, f), ".ts"));
  const read = (path: string) => [relative(root, path), readFileSync(path, "utf8")] as const;
  return [
    ...markdown.map(read).flatMap(([file, text]) => markdownSnippets(file, text)),
    ...source.map(read).flatMap(([file, text]) => docstringSnippets(file, text)),
  ];
}

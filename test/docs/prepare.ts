/** Snippets as modules to type-check and as functions to run. */
import ts from "typescript";
import type { Snippet } from "./extract.js";

/** The package's entry points, in the order in which a name is looked up. */
export const entryPoints = [
  "dawngrad",
  "dawngrad/nn",
  "dawngrad/optim",
  "dawngrad/data",
  "dawngrad/testing",
] as const;

export type EntryPoint = (typeof entryPoints)[number];

/** Where a snippet's names come from: the entry point that documents it first. */
export function lookupOrder(file: string): readonly EntryPoint[] {
  const own = /^(nn|optim|data)\//.exec(file)?.[1];
  const first: readonly EntryPoint[] = own ? [`dawngrad/${own}` as EntryPoint] : [];
  return [...first, ...entryPoints.filter((e) => !first.includes(e))];
}

interface Parsed {
  readonly source: ts.SourceFile;
  readonly imports: readonly ts.ImportDeclaration[];
  readonly statements: readonly ts.Statement[];
  /** Identifiers that occur anywhere. */
  readonly identifiers: ReadonlySet<string>;
}

function parse(code: string): Parsed {
  const source = ts.createSourceFile("snippet.ts", code, ts.ScriptTarget.Latest, true);
  const identifiers = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) identifiers.add(node.text);
    ts.forEachChild(node, visit);
  };
  for (const s of source.statements) if (!ts.isImportDeclaration(s)) visit(s);
  return {
    source,
    imports: source.statements.filter(ts.isImportDeclaration),
    statements: source.statements.filter((s) => !ts.isImportDeclaration(s)),
    identifiers,
  };
}

/** The names that an import declaration brings in. */
function importedNames(declaration: ts.ImportDeclaration): string[] {
  const clause = declaration.importClause;
  const bindings = clause?.namedBindings;
  const named = bindings
    ? ts.isNamespaceImport(bindings)
      ? [bindings.name.text]
      : bindings.elements.map((e) => e.name.text)
    : [];
  return [...(clause?.name ? [clause.name.text] : []), ...named];
}

/**
 * A module that type-checks the snippet: its own imports, imports of the public names that it uses,
 * and an async function around the rest. Lines keep their numbers from `offset` on.
 */
export function asModule(
  snippet: Snippet,
  publicNames: ReadonlyMap<EntryPoint, ReadonlySet<string>>,
): { readonly text: string; readonly offset: number } {
  const { source, imports, statements, identifiers } = parse(snippet.code);
  const own = new Set(imports.flatMap(importedNames));
  const taken = new Set(own);
  const lines: string[] = imports.map((d) => d.getText(source).replace(/\n/g, " "));
  for (const entry of lookupOrder(snippet.file)) {
    const names = [...(publicNames.get(entry) ?? [])].filter(
      (n) => identifiers.has(n) && !taken.has(n),
    );
    for (const n of names) taken.add(n);
    if (names.length > 0) lines.push(`import { ${names.join(", ")} } from "${entry}";`);
  }
  lines.push("export default async () => {");
  // Imports become blank lines, so that the rest stays where it was.
  const rest = [...snippet.code];
  for (const d of imports) {
    for (let i = d.getStart(source); i < d.end; i++) if (rest[i] !== "\n") rest[i] = " ";
  }
  const text = [...lines, rest.join(""), "};", ""].join("\n");
  return {
    text: statements.length === 0 ? [...lines, "};"].join("\n") : text,
    offset: lines.length,
  };
}

/** One `EXPR; // VALUE` of a snippet. */
export interface Expectation {
  readonly line: number;
  readonly expression: string;
  readonly value: unknown;
}

/** A comment that is JSON, or undefined. */
function jsonOf(comment: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(comment) };
  } catch {
    return undefined;
  }
}

/**
 * The snippet as the body of an async function of `$modules` (entry points by name), `$check` (called
 * with the index of an expectation and what came out) and the public names. Also its expectations.
 */
export function asFunctionBody(snippet: Snippet): {
  readonly body: string;
  readonly expectations: readonly Expectation[];
} {
  const { source, statements, imports } = parse(snippet.code);
  const expectations: Expectation[] = [];
  const parts: string[] = imports.flatMap((d) => importAsConst(d));
  for (const s of statements) {
    const comment = /^[^\n]*?\/\/\s*(.*?)\s*(?:\n|$)/.exec(snippet.code.slice(s.end))?.[1];
    const expected = comment === undefined ? undefined : jsonOf(comment);
    if (!ts.isExpressionStatement(s) || !expected) {
      parts.push(s.getText(source));
      continue;
    }
    const { line } = source.getLineAndCharacterOfPosition(s.getStart(source));
    const expression = s.expression.getText(source);
    parts.push(`await $check(${expectations.length}, ${expression});`);
    expectations.push({ line: snippet.line + line, expression, value: expected.value });
  }
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const wrapped = `async function $snippet() {\n${parts.join("\n")}\n}`;
  const { outputText } = ts.transpileModule(wrapped, { compilerOptions: options });
  return { body: `${outputText}\nreturn $snippet();`, expectations };
}

/** `import { a, b as c } from "m"` as `const { a, b: c } = $modules["m"]`. */
function importAsConst(d: ts.ImportDeclaration): string[] {
  const from = `$modules[${JSON.stringify((d.moduleSpecifier as ts.StringLiteral).text)}]`;
  const clause = d.importClause;
  const bindings = clause?.namedBindings;
  if (!clause || clause.phaseModifier === ts.SyntaxKind.TypeKeyword || !bindings) return [];
  if (ts.isNamespaceImport(bindings)) return [`const ${bindings.name.text} = ${from};`];
  const names = bindings.elements
    .filter((e) => !e.isTypeOnly)
    .map((e) => (e.propertyName ? `${e.propertyName.text}: ${e.name.text}` : e.name.text));
  return [`const { ${names.join(", ")} } = ${from};`];
}

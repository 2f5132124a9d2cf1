/** Type-checks all snippets as virtual modules of one TypeScript program. */
import { join } from "node:path";
import ts from "typescript";
import type { Snippet } from "./extract.js";
import { asModule, type EntryPoint, entryPoints } from "./prepare.js";

const sources: Readonly<Record<EntryPoint, string>> = {
  dawngrad: "src/index.ts",
  "dawngrad/nn": "nn/index.ts",
  "dawngrad/optim": "optim/index.ts",
  "dawngrad/data": "data/index.ts",
  "dawngrad/testing": "src/testing/index.ts",
};

function compilerOptions(root: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  return {
    ...options,
    // What a reader would write has unused names, and indexes lists without a check.
    noUnusedLocals: false,
    noUnusedParameters: false,
    noUncheckedIndexedAccess: false,
    verbatimModuleSyntax: false,
    isolatedModules: false,
  };
}

/** The type errors of each snippet, as lines that name their place in the documentation. */
export function typeErrors(root: string, snippets: readonly Snippet[]): Map<Snippet, string[]> {
  const options = compilerOptions(root);
  const names = publicNames(root, options);
  const virtual = new Map<string, { snippet: Snippet; text: string; offset: number }>();
  snippets.forEach((snippet, i) => {
    virtual.set(join(root, `snippet-${i}.ts`), { snippet, ...asModule(snippet, names.exports) });
  });
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, version, ...rest) => {
    const have = virtual.get(name);
    if (have) return ts.createSourceFile(name, have.text, version);
    return names.program.getSourceFile(name) ?? getSourceFile.call(host, name, version, ...rest);
  };
  host.fileExists = (name) => virtual.has(name) || fileExists.call(host, name);
  host.readFile = (name) => virtual.get(name)?.text ?? readFile.call(host, name);
  const program = ts.createProgram([...virtual.keys()], options, host);
  const errors = new Map<Snippet, string[]>();
  for (const [name, { snippet, offset }] of virtual) {
    const file = program.getSourceFile(name)!;
    const found = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ];
    errors.set(
      snippet,
      found.map((d) => {
        const { line } = file.getLineAndCharacterOfPosition(d.start ?? 0);
        const text = ts.flattenDiagnosticMessageText(d.messageText, "\n");
        return `${snippet.file}:${snippet.line + line - offset}: ${text}`;
      }),
    );
  }
  return errors;
}

/** Every exported name (values and types) of the entry points. */
function publicNames(root: string, options: ts.CompilerOptions) {
  const files = entryPoints.map((e) => join(root, sources[e]));
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const exports = new Map(
    entryPoints.map((entry, i) => {
      const symbol = checker.getSymbolAtLocation(program.getSourceFile(files[i]!)!);
      const list = symbol ? checker.getExportsOfModule(symbol).map((s) => s.name) : [];
      return [entry, new Set(list)] as const;
    }),
  );
  return { program, exports };
}

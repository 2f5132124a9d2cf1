/** Hand-written shaders as templates: some of their functions are replaced by generated ones. */
import { DawngradError } from "../core/errors.js";
import { shaders } from "./shaders.generated.js";

/** A shader of shaders/, with what reflection says about it. */
export interface ShaderTemplate {
  readonly name: string;
  readonly overrides: readonly string[];
  /** First and last line of each function, counted from 1. */
  readonly functions: Readonly<Record<string, readonly [first: number, last: number]>>;
  readonly entry: string;
  /** Storage variables that only the default functions use. */
  readonly bindings: readonly string[];
  readonly lines: readonly string[];
}

export function template(name: string): ShaderTemplate {
  const found = shaders.find((s) => s.name === name);
  if (!found) throw new DawngradError(`internal: there is no shader ${name}`);
  return found;
}

/** The text with the given functions, and values of its constants, in place of the template's own. */
export function instantiate(
  t: ShaderTemplate,
  functions: Readonly<Record<string, string>>,
  constants: Readonly<Record<string, number>> = {},
): string {
  const lines: (string | null)[] = [...t.lines];
  for (const [name, text] of Object.entries(functions)) {
    const range = t.functions[name];
    if (!range) throw new DawngradError(`internal: shader ${t.name} has no function ${name}`);
    const [first, last] = range;
    for (let i = first; i <= last; i++) lines[i - 1] = i === first ? text : null;
  }
  for (const [name, value] of Object.entries(constants)) {
    const at = t.lines.findIndex((line) => line.startsWith(`const ${name}: u32 = `));
    if (at < 0) throw new DawngradError(`internal: shader ${t.name} has no constant ${name}`);
    lines[at] = `const ${name}: u32 = ${value}u;`;
  }
  return unrolled(lines.filter((line) => line !== null)).join("\n");
}

const counted = /^(\s*)for \(var (\w+) = 0u; \2 < (\w+); \2\+\+\) \{ {2}\/\/ unroll$/;

/**
 * Loops marked `// unroll` written out. Drivers unroll short loops only, and an array that a loop indexes
 * is memory, not registers.
 */
function unrolled(lines: readonly string[]): string[] {
  const value = (name: string): number => {
    const literal = /^(\d+)u$/.exec(name);
    const constant = lines.find((line) => line.startsWith(`const ${name}: u32 = `));
    return Number(literal?.[1] ?? /= (\d+)u;/.exec(constant!)![1]);
  };
  const expand = (part: readonly string[]): string[] => {
    const out: string[] = [];
    for (let i = 0; i < part.length; i++) {
      const loop = counted.exec(part[i]!);
      if (!loop) {
        out.push(part[i]!);
        continue;
      }
      const [, indent, name, count] = loop as unknown as [string, string, string, string];
      const end = part.findIndex((line, at) => at > i && line === `${indent}}`);
      const body = expand(part.slice(i + 1, end));
      for (let step = 0; step < value(count); step++) {
        out.push(`${indent}{`, `${indent}  const ${name} = ${step}u;`, ...body, `${indent}}`);
      }
      i = end;
    }
    return out;
  };
  return expand(lines);
}

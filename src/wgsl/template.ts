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

/** The text with the given functions in place of the template's own. */
export function instantiate(
  t: ShaderTemplate,
  functions: Readonly<Record<string, string>>,
): string {
  const lines: (string | null)[] = [...t.lines];
  for (const [name, text] of Object.entries(functions)) {
    const range = t.functions[name];
    if (!range) throw new DawngradError(`internal: shader ${t.name} has no function ${name}`);
    const [first, last] = range;
    for (let i = first; i <= last; i++) lines[i - 1] = i === first ? text : null;
  }
  return lines.filter((line) => line !== null).join("\n");
}

/** The named axes in scope while a function is traced: vmap's axisName. */
import { DawngradError } from "../core/errors.js";

export interface NamedAxis {
  readonly name: string;
  readonly size: number;
}

let scope: readonly NamedAxis[] = [];

/** The axes in scope now, for code that is traced later (the rules of custom derivatives). */
export const currentAxes = (): readonly NamedAxis[] => scope;

/** Run `f` with exactly these axes in scope. */
export function withAxes<T>(axes: readonly NamedAxis[], f: () => T): T {
  const before = scope;
  scope = axes;
  try {
    return f();
  } finally {
    scope = before;
  }
}

/** Run `f` with one more axis in scope; it hides an outer one of its name. */
export const withAxis = <T>(name: string | undefined, size: number, f: () => T): T =>
  name === undefined ? f() : withAxes([...scope, { name, size }], f);

/** The innermost axis of a name; `op` is named in the error. */
export function axisOf(op: string, name: string): NamedAxis {
  const axis = scope.findLast((a) => a.name === name);
  if (axis) return axis;
  const known = scope.map((a) => `'${a.name}'`);
  throw new DawngradError(
    `${op}: no axis named '${name}' is in scope ` +
      (known.length > 0 ? `(in scope: ${known.join(", ")})` : "(none is)") +
      `; name one with vmap(f, inAxes, outAxes, { axisName: "${name}" }) around this call`,
  );
}

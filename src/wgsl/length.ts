/** How long a text is to a driver's compiler: what CPU drivers take for it, in lines of arithmetic. */

/**
 * A load or store becomes a branch for each lane of each component there: on lavapipe 16 loads of
 * numbers take 0.2 s to compile, 16 of vectors 0.5 s, and 16 vector multiply-adds 7 ms.
 */
const scalarAccess = 20;
const vectorAccess = 60;

/** The length of statements; `textOf` gives the text of a helper function, which compilers write in place. */
export function lengthOf(
  lines: readonly string[],
  textOf: (helper: string) => string | undefined,
): number {
  const known = new Map<string, number>();
  const ofHelper = (name: string): number => {
    const have = known.get(name);
    if (have !== undefined) return have;
    // A helper's text has its own name in it, where it is declared.
    known.set(name, 0);
    const length = of(textOf(name)?.split("\n") ?? []);
    known.set(name, length);
    return length;
  };
  const of = (statements: readonly string[]): number => {
    let length = statements.length;
    for (const [, name] of statements.join("\n").matchAll(/\b(\w+)\(/g)) {
      const access = /^b\d+_w?([sv])_/.exec(name!);
      if (access) length += access[1] === "v" ? vectorAccess : scalarAccess;
      else length += ofHelper(name!);
    }
    return length;
  };
  return of(lines);
}

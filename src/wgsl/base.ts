/**
 * Where variables begin that share a buffer with others. A program's plan decides that, and it is all that
 * tells repeated layers apart: so these numbers are uniform words, and such layers share one shader, which
 * is compiled once.
 */

/** An address from the beginning of its variable, as an address in the buffer named `buffer`. */
export const fromBase = (at: string, buffer: string, base: number): string =>
  `${at} + §${buffer}:${base}u`;

const mark = /§(\w+):(\w+)/g;
const literal = /^(\d+)u$/;

/** The text with each marked number as `name` spells it; what is no number any more stands for itself. */
export const withBases = (text: string, name: (key: string, base: number) => string): string =>
  text.replace(mark, (_, buffer: string, base: string) => {
    const number = literal.exec(base)?.[1];
    return number === undefined ? base : name(`${buffer}:${number}`, Number(number));
  });

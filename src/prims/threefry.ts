/**
 * threefry2x32: the counter-based random bits of Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011), 20 rounds.
 */
import { showAval } from "../core/aval.js";
import { DtypeError } from "../core/errors.js";
import { bind } from "../ir/builder.js";
import type { Atom } from "../ir/graph.js";
import type { Primitive } from "../ir/primitive.js";
import { elementwise } from "./define.js";

/** Rotations of a round, four and four in turn. */
const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Skein's key parity. */
const parity = 0x1bd11bda;

/** The two output words for a key and a counter of two words each. */
export function threefry(k0: number, k1: number, c0: number, c1: number): [number, number] {
  const key = [k0, k1, k0 ^ k1 ^ parity];
  let x = (c0 + k0) | 0;
  let y = (c1 + k1) | 0;
  for (let group = 0; group < 5; group++) {
    for (const r of rotations[group % 2]!) {
      x = (x + y) | 0;
      y = ((y << r) | (y >>> (32 - r))) ^ x;
    }
    x = (x + key[(group + 1) % 3]!) | 0;
    y = (y + key[(group + 2) % 3]! + group + 1) | 0;
  }
  return [x >>> 0, y >>> 0];
}

/** The same as WGSL statements on x, y and the keys k0, k1, k2. */
function rounds(U: string): string {
  const lines: string[] = [];
  for (let group = 0; group < 5; group++) {
    for (const r of rotations[group % 2]!) {
      lines.push(`x += y; y = ((y << ${U}(${r}u)) | (y >> ${U}(${32 - r}u))) ^ x;`);
    }
    lines.push(`x += k${(group + 1) % 3}; y += k${(group + 2) % 3} + ${group + 1}u;`);
  }
  return lines.map((line) => `  ${line}`).join("\n");
}

const threefryP: Primitive = elementwise<object>({
  name: "threefry2x32",
  arity: 4,
  result(inputs) {
    if (inputs.some((x) => x.dtype !== "uint32")) {
      throw new DtypeError(
        `threefry2x32 takes four uint32 arrays, got ${inputs.map(showAval).join(", ")}; ` +
          'convert with astype("uint32")',
      );
    }
    return ["uint32", "uint32"];
  },
  scalar: () => (k0, k1, c0, c1) => threefry(k0!, k1!, c0!, c1!),
  emit({ args: [k0, k1, c0, c1], ctx }) {
    const name = ctx.helper("threefry2x32", (type, unique) => {
      const U = type("u32");
      return `fn ${unique}(k0: ${U}, k1: ${U}, c0: ${U}, c1: ${U}) -> array<${U}, 2> {
  let k2 = k0 ^ k1 ^ ${U}(${parity}u);
  var x = c0 + k0;
  var y = c1 + k1;
${rounds(U)}
  return array<${U}, 2>(x, y);
}
`;
    });
    const U = ctx.type("uint32");
    const words = ctx.let(`array<${U}, 2>`, `${name}(${k0}, ${k1}, ${c0}, ${c1})`);
    return [`${words}[0]`, `${words}[1]`];
  },
  error: { ulp: 0 },
  cost: 90,
});

/** Two random words (uint32) for each key (k0, k1) and counter (c0, c1), all uint32 of one shape. */
export const threefry2x32: ((k0: Atom, k1: Atom, c0: Atom, c1: Atom) => readonly [Atom, Atom]) & {
  readonly prim: Primitive;
} = Object.assign(
  (k0: Atom, k1: Atom, c0: Atom, c1: Atom): readonly [Atom, Atom] => {
    const [x, y] = bind(threefryP, [k0, k1, c0, c1], {});
    return [x!, y!];
  },
  { prim: threefryP },
);

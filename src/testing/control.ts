/**
 * Sub-graphs in random programs: loops, branches, checkpoints and custom rules whose bodies are random
 * steps themselves.
 */
import { type Aval, type Shape, sizeOf } from "../core/aval.js";
import { bind, buildGraph, lit } from "../ir/builder.js";
import type { Atom, Graph } from "../ir/graph.js";
import * as p from "../prims/index.js";
import { checkpointP, cond, customJvpP, scan, whileLoop } from "../structured/index.js";
import type { Scope, Step } from "./program.js";
import { trueJvp } from "./true-rules.js";

/** What the decoder of programs lends to bodies. */
export interface Kit {
  /** One random step on the given values. */
  step(atoms: readonly Atom[], step: Step): Atom;
  conform(x: Atom, shape: Shape): Atom;
  /** Keeps magnitudes small. */
  tame(x: Atom): Atom;
}

type Operation = (s: Scope) => Atom;

const scalarInt: Aval = { shape: [], dtype: "int32" };

/** Steps within a body, made from the one outside: every choice comes up, and 0 is the simplest. */
const within = ({ op, a, b, param }: Step, k: number): Step => ({
  op: op * 7 + param * 13 + k * 31,
  a: a + 3 * k,
  b: b + param + 5 * k,
  param: param + 11 * k,
});

export function controlOperations(kit: Kit): Readonly<Record<string, Operation>> {
  /** A few random steps on `atoms`, brought to `shape` and to small values. */
  const body = (atoms: readonly Atom[], step: Step, shape: Shape, n: number): Atom => {
    const all = [...atoms];
    for (let k = 0; k < n; k++) all.push(kit.step(all, within(step, k)));
    const x = all.at(-1)!;
    const float = x.aval.dtype === "float32" ? x : p.convert(x, "float32");
    return kit.tame(kit.conform(float, shape));
  };
  /** Values for a body to close over: those that a random step may ask for. */
  const closed = (s: Scope): Atom[] => [s.other(), s.of("int32"), s.of("uint32"), s.of("bool")];
  const graphOf = (avals: readonly Aval[], f: (ins: readonly Atom[]) => Atom[]): Graph =>
    buildGraph(avals, f);
  const avalsOf = (atoms: readonly Atom[]) => atoms.map((x) => x.aval);

  return {
    scan(s) {
      const x = s.float();
      const consts = closed(s);
      const length = 1 + (s.param % 3);
      const { shape } = x.aval;
      const xs = p.broadcastInDim(
        x,
        [length, ...shape],
        shape.map((_, i) => i + 1),
      );
      const scaled = p.mul(xs, p.convert(p.iota("int32", xs.aval.shape, 0), "float32"));
      const step = graphOf([x.aval, x.aval, ...avalsOf(consts)], ([c, slice, ...k]) => {
        const next = body([c!, slice!, ...k], s.step, shape, 2);
        return [next, body([slice!, next, ...k], s.step, shape, 1)];
      });
      const [last, ys] = scan([x, scaled, ...consts], {
        body: step,
        carry: 1,
        xs: 1,
        length,
        reverse: s.param % 2 === 1,
      });
      const total = p.reduceSum(ys!, [0]);
      return [last!, total, p.add(last!, total)][(s.param % 5) >> 1] ?? last!;
    },

    forLoop(s) {
      const x = s.float();
      const consts = closed(s);
      const step = graphOf([x.aval, scalarInt, ...avalsOf(consts)], ([c, i, ...k]) => {
        const at = kit.conform(p.convert(i!, "float32"), x.aval.shape);
        return [
          body([c!, p.mul(c!, at), ...k], s.step, x.aval.shape, 2),
          p.add(i!, lit(1, "int32")),
        ];
      });
      const params = { body: step, carry: 2, xs: 0, length: 2 + (s.param % 2), reverse: false };
      return scan([x, lit(s.param % 3, "int32"), ...consts], params)[0]!;
    },

    cond(s) {
      const x = s.float();
      const consts = closed(s);
      const n = 2 + (s.param % 2);
      const index = p.sub(kit.conform(s.of("int32"), []), lit(s.param % 3, "int32"));
      const branches = Array.from({ length: n }, (_, k) =>
        graphOf([x.aval, ...avalsOf(consts)], (ins) => [
          body(ins, { ...s.step, op: s.step.op + k }, x.aval.shape, 1 + (k % 2)),
          k === 0 ? ins[0]! : kit.tame(ins[0]!),
        ]),
      );
      const [a, b] = cond(index, [x, ...consts], branches);
      return s.param % 4 === 3 ? p.add(a!, b!) : a!;
    },

    // Reverse mode does not pass through: what flows in has no derivative.
    while(s) {
      const x = p.floor(s.float());
      const consts = closed(s).map((c) => (c.aval.dtype === "float32" ? p.floor(c) : c));
      const { shape } = x.aval;
      const avals = [x.aval, scalarInt, ...avalsOf(consts)];
      const limit = 1 + (s.param % 4);
      const test = graphOf(avals, ([c, i]) => {
        const sum =
          shape.length === 0
            ? c!
            : p.reduceSum(
                c!,
                shape.map((_, k) => k),
              );
        const small = p.lt(p.abs(sum), lit(0.375 * sizeOf(shape) + 2, "float32"));
        return [p.and(small, p.lt(i!, lit(limit, "int32")))];
      });
      const step = graphOf(avals, ([c, i, ...k]) => [
        p.add(c!, body([c!, ...k], s.step, shape, 1)),
        p.add(i!, lit(1, "int32")),
      ]);
      return whileLoop([x, lit(0, "int32"), ...consts], { cond: test, body: step, carry: 2 })[0]!;
    },

    checkpoint(s) {
      const inputs = [s.float(), ...closed(s)];
      const policy = (["nothing", "dots"] as const)[s.param % 2]!;
      const inner = graphOf(avalsOf(inputs), (ins) => {
        const y = body(ins, s.step, inputs[0]!.aval.shape, 2);
        return [y, p.mul(p.sin(y), ins[0]!)];
      });
      const [a, b] = bind(checkpointP, inputs, { body: inner, policy });
      return s.param % 3 === 2 ? p.add(a!, b!) : b!;
    },

    // A rule that says what is true.
    customJvp(s) {
      const inputs = [s.float(), ...closed(s)];
      const call = graphOf(avalsOf(inputs), (ins) => {
        return [body(ins, s.step, inputs[0]!.aval.shape, 2)];
      });
      return bind(customJvpP, inputs, trueJvp("random", call))[0]!;
    },
  };
}

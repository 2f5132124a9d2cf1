/** A cond of two products of matrices, compiled to run one branch or to compute both. */
import { buildGraph } from "../../src/ir/builder.js";
import { dotGeneral } from "../../src/prims/index.js";
import {
  blockArrays,
  type ConcreteArray,
  compile,
  fromHost,
  run,
} from "../../src/runtime/index.js";
import { cond } from "../../src/structured/index.js";
import { near } from "../harness/check.js";
import { type Contestant, timed } from "../harness/contestant.js";
import { filled, uniform } from "../harness/values.js";

const contract = { contract: [[1], [0]], batch: [[], []] } as const;

export async function branchContestant(n: number, how: "branch" | "select"): Promise<Contestant> {
  const matrix = { shape: [n, n], dtype: "float32" } as const;
  const index = { shape: [], dtype: "int32" } as const;
  const product = (a: number, b: number) =>
    buildGraph([matrix, matrix, matrix], (ins) => [dotGeneral(ins[a]!, ins[b]!, contract)]);
  const graph = buildGraph([index, matrix, matrix, matrix], ([i, ...ms]) =>
    cond(i!, ms, [product(0, 1), product(0, 2)]),
  );
  const program = compile(graph, {
    name: `cond by ${how}`,
    donated: [false, false, false, false],
    branchLimit: how === "branch" ? 0 : Number.POSITIVE_INFINITY,
  });
  const next = uniform(3);
  const values = [0, 1, 2].map(() => filled([n, n], 1, next));
  const inputs = [
    fromHost(Int32Array.of(1), index),
    ...values.map((v) => fromHost(v.data, matrix)),
  ];
  const call = (): ConcreteArray => run(program, inputs, [])[0]!;
  const first = call();
  const got = await first.read();
  first.dispose();
  let want = 0;
  for (let k = 0; k < n; k++) want += values[0]!.data[k]! * values[2]!.data[k * n]!;
  near("the first element", got[0]!, want, 1e-5 * n);
  return {
    name: how,
    time: (times) =>
      timed(times, async () => {
        let last: ConcreteArray | undefined;
        for (let i = 0; i < times; i++) {
          last?.dispose();
          last = call();
        }
        await blockArrays([last!]);
        last!.dispose();
      }),
    outputs: async () => [],
    dispose() {
      for (const x of inputs) x.dispose();
    },
  };
}

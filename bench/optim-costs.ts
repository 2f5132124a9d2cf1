/**
 * What a training step of each member of the sharpness family costs, relative to plain SGD on the same
 * network: the table of docs/optim.md.
 *
 *     npx tsx bench/optim-costs.ts [NAME ...]
 *
 * With names, of these members alone (and of SGD).
 */
import {
  block,
  deviceInfo,
  explain,
  hideDawnWarnings,
  init,
  jit,
  random,
  type Tensor,
  tree,
} from "dawngrad";
import { mlp, softmaxCrossEntropy } from "dawngrad/nn";
import {
  aeSam,
  applyUpdates,
  crSam,
  esam,
  type GradResult,
  gnp,
  gradientOf,
  gsam,
  lookSam,
  rSam,
  saf,
  sam,
  sgd,
  ssam,
  wsam,
} from "dawngrad/optim";
import { alternate } from "./harness/timing.js";

hideDawnWarnings();
await init();

const model = mlp([128, 64, 10]);
const { params, state } = model.init(random.key(0), [128, 784]);
type Params = typeof params;
const batch = {
  x: random.uniform(random.key(1), [128, 784]),
  y: random.randint(random.key(2), [128], 0, 10),
  indices: random.permutation(random.key(3), 4000).slice([0], [128]),
};
type Batch = typeof batch;
const loss = (p: Params, s: null, { x, y }: Batch, _key: Tensor) => {
  const logits = model.apply(p, state, x)[0];
  const perExample = softmaxCrossEntropy(logits, y);
  return { loss: perExample.mean(), state: s, perExample, logits };
};
const base = gradientOf(loss);
type Result = Pick<GradResult<Params, null, unknown>, "grads" | "loss">;
type Member = (h: unknown, p: Params, b: Batch, k: Tensor) => readonly [Result, unknown];

const plain =
  (g: (p: Params, s: null, b: Batch, k: Tensor) => Result): Member =>
  (h, p, b, k) => [g(p, null, b, k), h];
const stateful =
  <H>(apply: (h: H, p: Params, s: null, b: Batch, k: Tensor) => readonly [Result, H]): Member =>
  (h, p, b, k) =>
    apply(h as H, p, null, b, k);

const rho = 0.1;
const look = lookSam({ rho })(base);
const adaptive = aeSam({ rho, steps: 1000 })(base);
const sparse = ssam({ rho })(base);
const free = saf({ examples: 4000, classes: 10 })(base);
const nothing = { h: null };
const asked = process.argv.slice(2);
const all: readonly [name: string, member: Member, start: unknown][] = [
  ["SGD", plain(base), nothing],
  ["sam", plain(sam({ rho })(base)), nothing],
  ["sam adaptive", plain(sam({ rho, adaptive: true })(base)), nothing],
  ["gnp", plain(gnp({ rho, alpha: 0.8 })(base)), nothing],
  ["gsam", plain(gsam({ rho, alpha: 0.2 })(base)), nothing],
  ["wsam", plain(wsam({ rho })(base)), nothing],
  ["rSam", plain(rSam({ rho })(base)), nothing],
  ["esam", plain(esam({ rho })(base)), nothing],
  ["esam, CR", plain(esam({ rho, curvature: {} })(base)), nothing],
  ["lookSam full", stateful(look.full), look.init(params)],
  ["lookSam reuse", stateful(look.reuse), look.init(params)],
  ["lookSam", stateful(look.apply), look.init(params)],
  ["aeSam", stateful(adaptive.apply), adaptive.init(params)],
  ["ssam sparse", stateful(sparse.sparse), sparse.init(params)],
  ["ssam", stateful(sparse.apply), sparse.init(params)],
  ["saf", stateful(free.apply), free.init(params)],
  ["crSam", plain(crSam({ rho })(base)), nothing],
  ["crSam sequential", plain(crSam({ rho, lanes: "sequential" })(base)), nothing],
  ["crSam paper", plain(crSam({ rho, variant: "paper", floor: 0.1 })(base)), nothing],
  ["crSam full", plain(crSam({ rho, through: "full" })(base)), nothing],
  ["crSam exact", plain(crSam({ rho, curvature: "exact" })(base)), nothing],
];

const unknown = asked.filter((name) => !all.some(([known]) => known === name));
if (unknown.length > 0) {
  throw new Error(
    `no member ${unknown.join(", ")}; there are ${all.map(([known]) => known).join(", ")}`,
  );
}
const members = all.filter(
  ([name]) => asked.length === 0 || name === "SGD" || asked.includes(name),
);

const optimizer = sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 1e-3 });
const counts = new Map<string, { dispatches: number; submits: number }>();
const contestants = members.map(([name, member, start]) => {
  const step = (
    p: Params,
    o: ReturnType<typeof optimizer.init>,
    h: unknown,
    b: Batch,
    k: Tensor,
  ) => {
    const [{ grads, loss: value }, next] = member(h, p, b, k);
    const [updates, state_] = optimizer.update(grads, o, p);
    return [applyUpdates(p, updates), state_, next, value] as const;
  };
  const options = { donateArgnums: [0, 1, 2], name };
  const key = random.key(4);
  const copy = <T>(x: T): T => tree.map((t: Tensor) => t.mul(1).astype(t.dtype), x as never) as T;
  const first = () =>
    [copy(params), optimizer.init(params), start === nothing ? null : copy(start)] as const;
  counts.set(name, explain(step, options as never)(...first(), batch, key));
  const run = jit(step, options as never) as unknown as typeof step;
  let train: readonly unknown[] = first();
  return {
    name,
    async time(times: number) {
      const began = performance.now();
      for (let i = 0; i < times; i++) {
        const [p, o, h] = train as never as readonly [Params, never, unknown];
        train = run(p, o, h, batch, key) as never;
      }
      await block(train as never);
      return (performance.now() - began) / times;
    },
  };
});

const timings = await alternate(contestants as never, { rounds: 7, blockMs: 60, budgetMs: 1500 });
const sgdMs = timings[0]!.ms.median;
console.log(
  `${deviceInfo().description}; MLP 784-128-64-10, batch 128; medians of alternating blocks\n`,
);
console.log(
  "| step | ms | of SGD's | dispatches | submissions |\n| --- | ---: | ---: | ---: | ---: |",
);
for (const t of timings) {
  const { dispatches, submits } = counts.get(t.name)!;
  // The harness gives SGD's time over this one's; here the other way round.
  const ratio = 1 / t.ratio.median;
  console.log(
    `| ${t.name} | ${t.ms.median.toFixed(2)} | ${ratio.toFixed(2)} | ${dispatches} | ${submits} |`,
  );
}
console.log(
  `\nSGD: ${sgdMs.toFixed(2)} ms (${timings[0]!.ms.low.toFixed(2)} to ${timings[0]!.ms.high.toFixed(2)})`,
);

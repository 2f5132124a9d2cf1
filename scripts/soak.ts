/**
 * Many steps of a small model in one process: what lives on the device, what the host's heap holds and
 * how long a step takes, every tenth of the way. Ends with 1 if any of them has grown.
 *
 *     npx tsx scripts/soak.ts            10,000 CR-SAM steps
 *     npx tsx scripts/soak.ts 100000
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { deviceInfo, init, jit, memoryStats, random, type Tensor, tree } from "dawngrad";
import { mlp, softmaxCrossEntropy } from "dawngrad/nn";
import { applyUpdates, crSam, gradientOf, sgd } from "dawngrad/optim";
import { currentGpu } from "../src/device/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const steps = Number(process.argv[2] ?? 10_000);

await init();
const model = mlp([16, 12, 5]);
const { params: initial } = model.init(random.key(0), [8, 20]);
const batch = {
  x: random.normal(random.key(1), [8, 20]),
  y: random.randint(random.key(2), [8], 0, 5),
};
type Params = typeof initial;
const gradFn = crSam({ rho: 0.1 })(
  gradientOf((p: Params, state: null, b: typeof batch, _key: null) => {
    const [logits] = model.apply(p, null, b.x);
    return { loss: softmaxCrossEntropy(logits, b.y).mean(), state };
  }),
);
const optimizer = sgd({ learningRate: 0.05, momentum: 0.9 });
let params = tree.map((w: Tensor) => w.add(0), initial);
let state = optimizer.init(params);
const step = jit(
  (p: Params, s: typeof state, b: typeof batch) => {
    const { grads, loss } = gradFn(p, null, b, null);
    const [updates, next] = optimizer.update(grads, s, p);
    return [applyUpdates(p, updates), next, loss] as const;
  },
  { donateArgnums: [0, 1], name: "step" },
);

async function run(count: number): Promise<number> {
  const from = performance.now();
  for (let i = 0; i < count; i++) {
    const [nextParams, nextState, loss] = step(params, state, batch);
    [params, state] = [nextParams, nextState];
    // The loop reads its loss now and then, as training does.
    if (i % 100 === 99) await loss.item();
    loss.dispose();
  }
  return (performance.now() - from) / count;
}

await run(200);
const { pool } = currentGpu("soak");
console.log(`${deviceInfo().description}: ${steps} steps`);
const rows: { buffers: number; heap: number; ms: number }[] = [];
for (let tenth = 1; tenth <= 10; tenth++) {
  const ms = await run(steps / 10);
  collect();
  const { created, liveBytes } = pool.stats();
  const heap = process.memoryUsage().heapUsed / 2 ** 20;
  rows.push({ buffers: created, heap, ms });
  console.log(
    `${(tenth * steps) / 10} steps: ${memoryStats().liveTensors} tensors, ${liveBytes} bytes live, ` +
      `${created} buffers made, heap ${heap.toFixed(1)} MiB, ${ms.toFixed(3)} ms a step`,
  );
}
const [first, last] = [rows[0]!, rows.at(-1)!];
const grown = last.buffers > first.buffers || last.heap > first.heap + 4 || last.ms > 2 * first.ms;
console.log(grown ? "GROWN" : "flat");
process.exit(grown ? 1 : 0);

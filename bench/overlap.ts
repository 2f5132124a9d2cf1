/**
 * What uploads and read-backs cost a training loop: the same steps on batches that lie on the device,
 * with nothing read; with a new batch from the host for each step; and with the loss read too, one step late or
 * at once. The ways take turns.
 *
 *     npx tsx bench/overlap.ts
 *     DAWNGRAD_ADAPTER=swiftshader npx tsx bench/overlap.ts
 */
import { array, block, init, jit, matmul, type Tensor, valueAndGrad } from "dawngrad";

const info = await init();
const [batch, width, hidden] = [512, 512, 512];
const steps = 12;
const rounds = 9;

type Params = { readonly a: Tensor; readonly b: Tensor };
const random = (rows: number, columns: number, scale: number): Float32Array =>
  Float32Array.from({ length: rows * columns }, () => (Math.random() - 0.5) * scale);
const loss = (p: Params, x: Tensor): Tensor =>
  matmul(matmul(x, p.a).tanh(), p.b).sub(x).square().mean();
const step = jit(
  (p: Params, x: Tensor) => {
    const [value, g] = valueAndGrad(loss)(p, x);
    return { p: { a: p.a.sub(g.a.mul(0.01)), b: p.b.sub(g.b.mul(0.01)) }, value };
  },
  { donateArgnums: 0, name: "step" },
);

const host = Array.from({ length: 4 }, () => random(batch, width, 1));
const there = host.map((x) => array(x).reshape([batch, width]));
let p: Params = {
  a: array(random(width, hidden, 0.05)).reshape([width, hidden]),
  b: array(random(hidden, width, 0.05)).reshape([hidden, width]),
};

const ways = {
  "on the device, nothing read": { upload: false, read: "never" },
  "batches from the host": { upload: true, read: "never" },
  "batches from the host, loss read one step late": { upload: true, read: "late" },
  "batches from the host, loss read at once": { upload: true, read: "at once" },
} as const;
type Way = keyof typeof ways;

/** Milliseconds a step, and of the host within the calls of a step. */
async function time(way: Way): Promise<{ ms: number; calls: number }> {
  const { upload, read } = ways[way];
  await block(p);
  const from = performance.now();
  let calls = 0;
  let before: Promise<number> | undefined;
  for (let i = 0; i < steps; i++) {
    const called = performance.now();
    const x = upload
      ? array(host[i % host.length]!, { shape: [batch, width] })
      : there[i % there.length]!;
    const out = step(p, x);
    p = out.p;
    const value = read === "never" ? undefined : out.value.item();
    calls += performance.now() - called;
    if (read === "late") await before;
    if (read === "at once") await value;
    before = value;
    if (upload) x.dispose();
    out.value.dispose();
  }
  await before;
  await block(p);
  return { ms: (performance.now() - from) / steps, calls: calls / steps };
}

const median = (list: readonly number[]): number =>
  list.toSorted((x, y) => x - y)[Math.floor(list.length / 2)]!;

const names = Object.keys(ways) as Way[];
const times = new Map(names.map((w) => [w, [] as number[]]));
const calls = new Map(names.map((w) => [w, [] as number[]]));
for (const way of names) await time(way);
for (let round = 0; round < rounds; round++) {
  for (const way of round % 2 === 0 ? names : names.toReversed()) {
    const t = await time(way);
    times.get(way)!.push(t.ms);
    calls.get(way)!.push(t.calls);
  }
}
const base = times.get(names[0]!)!;
console.log(
  `${info.description} (${info.driver}): batches of ${batch}x${width} (1 MiB), ${steps} steps, ${rounds} rounds`,
);
for (const way of names) {
  const list = times.get(way)!;
  const ratio = median(list.map((ms, i) => ms / base[i]!));
  console.log(
    `${way}: ${median(list).toFixed(2)} ms a step, ${ratio.toFixed(3)} of the first; ` +
      `${median(calls.get(way)!).toFixed(2)} ms in calls`,
  );
}

/**
 * Arrays larger than one binding of this adapter, for real (the tests use a small limit): an elementwise
 * chain, sums of rows and columns, a transpose, a vmapped product, and lanes that together exceed the largest
 * buffer, each checked on the host.
 *
 *     npx tsx scripts/large.ts [MiB an array, 192]
 */
import {
  array,
  deviceInfo,
  explain,
  init,
  jit,
  matmul,
  ones,
  type Tensor,
  vmap,
} from "../src/index.js";

await init();
const { driver, limits } = deviceInfo();
const mebibytes = Number(process.argv[2] ?? 192);
const columns = 1024;
const rows = mebibytes * 256;
const binding = limits.maxStorageBufferBindingSize / 2 ** 20;
console.log(`${driver} binds ${binding} MiB at once; arrays of ${mebibytes} MiB`);

/** Small integers, so that every sum below 2^24 is exact. */
const value = (i: number): number => ((i * 2654435761) >>> 24) % 7;
const data = Float32Array.from({ length: rows * columns }, (_, i) => value(i));
const x = array(data).reshape([rows, columns]);

async function check(
  name: string,
  f: (x: Tensor) => Tensor,
  want: (i: number) => number,
): Promise<void> {
  const jitted = jit(f, { name });
  const { kernels } = explain(f)(x);
  const first = performance.now();
  const y = jitted(x);
  const got = (await y.data()) as Float32Array;
  const ms = performance.now() - first;
  let checked = 0;
  // Every element of small results; of large ones many, the ends of windows among them.
  const step = Math.max(1, Math.floor(got.length / 1_000_003));
  for (let i = 0; i < got.length; i += step) {
    if (got[i] !== want(i)) throw new Error(`${name}: element ${i} is ${got[i]}, not ${want(i)}`);
    checked++;
  }
  if (got.at(-1) !== want(got.length - 1)) throw new Error(`${name}: the last element is wrong`);
  const parts = kernels.map(
    (k) => `${k.name}${k.part ? ` ${k.part.index + 1}/${k.part.count}` : ""}`,
  );
  const bindings = Math.max(...kernels.map((k) => k.part?.bindings ?? 1));
  console.log(
    `${name}: ${checked} elements as on the host, ${ms.toFixed(0)} ms with read-back; ` +
      `${kernels.length} dispatches (${parts.join(", ")}), ${bindings} binding(s) an array`,
  );
  y.dispose();
}

const rowSum = (r: number): number => {
  let sum = 0;
  for (let c = 0; c < columns; c++) sum += data[r * columns + c]!;
  return sum;
};
await check(
  "elementwise chain",
  (a) => a.mul(3).add(1).maximum(4),
  (i) => Math.max(4, 3 * data[i]! + 1),
);
await check("sums of rows", (a) => a.sum(1), rowSum);
await check(
  "sums of columns",
  (a) => a.sum(0),
  (c) => {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += data[r * columns + c]!;
    return sum;
  },
);
await check(
  "transpose",
  (a) => a.transpose(),
  (i) => data[(i % rows) * columns + Math.floor(i / rows)]!,
);
const side = 256;
const weight = array(Float32Array.from({ length: columns * side }, (_, i) => value(i + 5))).reshape(
  [columns, side],
);
const weights = (await weight.data()) as Float32Array;
await check(
  "vmapped product",
  (a) => vmap((lane: Tensor) => matmul(lane, weight))(a.reshape([rows / side, side, columns])),
  (i) => {
    let sum = 0;
    const [r, c] = [Math.floor(i / side), i % side];
    for (let k = 0; k < columns; k++) sum += data[r * columns + k]! * weights[k * side + c]!;
    return sum;
  },
);

// Lanes whose products together are larger than any buffer: they go in chunks.
const [wide, narrow] = [4096, 8];
const lanes = Math.floor(limits.maxBufferSize / (wide * wide * 4)) + 1;
const lane = Float32Array.from({ length: lanes * wide * narrow }, (_, i) => value(i));
const sums = (a: Tensor): Tensor =>
  vmap((m: Tensor) => matmul(matmul(m, m.transpose()), ones([wide, narrow])))(a);
const factors = array(lane).reshape([lanes, wide, narrow]);
const { laneChunks } = explain(sums)(factors);
console.log(`${lanes} lanes in ${laneChunks?.count} chunks, because ${laneChunks?.why}`);
x.dispose();
const columnSums = Array.from({ length: lanes }, (_, l) => {
  const sum = new Float64Array(narrow);
  for (let i = 0; i < wide * narrow; i++) sum[i % narrow]! += lane[l * wide * narrow + i]!;
  return sum;
});
const out = (await jit(sums)(factors).data()) as Float32Array;
for (let i = 0; i < out.length; i++) {
  const row = Math.floor(i / narrow);
  const sum = columnSums[Math.floor(row / wide)]!;
  let want = 0;
  for (let k = 0; k < narrow; k++) want += lane[row * narrow + k]! * sum[k]!;
  if (out[i] !== want) throw new Error(`lanes: element ${i} is ${out[i]}, not ${want}`);
}
console.log(`lanes: ${out.length} elements as on the host`);

/**
 * `npm run tune`: measure the variants of kernels on this machine's adapter, and remember the choices for
 * every later process (in the cache folder; DAWNGRAD_TUNE=off ignores them).
 *
 *     npm run tune                            products and convolutions of common sizes
 *     npm run tune -- --product 512,784,128   this product m,k,n, and no others
 *     npm run tune -- --conv 32,32,32,64,64,3 this convolution n,h,w,in,out,window, and no others
 *
 * Any program does the same for its own kernels in `await jitted.warmup(...)`; this is for doing it
 * beforehand.
 */
import { parseArgs } from "node:util";
import {
  conv,
  deviceInfo,
  dotGeneral,
  hideDawnWarnings,
  init,
  jit,
  kernelChoices,
  type Tensor,
  vjp,
  zeros,
} from "../src/index.js";

process.env.DAWNGRAD_TUNE = "full";

const options = {
  product: { type: "string", multiple: true, default: [] as string[] },
  conv: { type: "string", multiple: true, default: [] as string[] },
  help: { type: "boolean", short: "h", default: false },
} as const;
const usage =
  "usage: npm run tune -- [--product m,k,n]... [--conv n,h,w,in,out,window]...\n" +
  "without either: products and convolutions of common sizes";

function given() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${usage}`);
    return process.exit(2);
  }
}

const flags = given();
if (flags.help) {
  console.log(usage);
  process.exit(0);
}

const numbers = (text: string, count: number): number[] => {
  const list = text.split(",").map(Number);
  if (list.length !== count || list.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new Error(`'${text}': give ${count} positive integers, separated by commas`);
  }
  return list;
};

const own = flags.product.length + flags.conv.length > 0;
const products = own
  ? flags.product.map((p) => numbers(p, 3))
  : [
      [512, 512, 512],
      [1024, 1024, 1024],
      [128, 784, 512],
      [16, 784, 512],
      [128, 512, 256],
      [16, 512, 256],
      [128, 256, 10],
    ];
const convolutions = own
  ? flags.conv.map((p) => numbers(p, 6))
  : [
      [32, 32, 32, 64, 64, 3],
      [32, 16, 16, 128, 128, 3],
      [128, 14, 14, 16, 32, 3],
    ];

hideDawnWarnings();
await init();
const { description, driver } = deviceInfo();
console.log(`${description} (${driver})`);

let known = kernelChoices();
async function measure(title: string, f: (...xs: Tensor[]) => Tensor[], ...shapes: number[][]) {
  const xs = shapes.map((s) => zeros(s));
  await jit(f, { name: title }).warmup(...xs);
  for (const x of xs) x.dispose();
  console.log(title);
  const now = kernelChoices();
  const fresh = Object.keys(now).filter((key) => known[key] !== now[key]);
  for (const key of fresh) console.log(`  ${now[key]} for ${key}`);
  if (fresh.length === 0) console.log("  known already");
  known = now;
}

for (const [m, k, n] of products as [number, number, number][]) {
  const size = `${m}x${k}x${n}`;
  const dot = (a: 0 | 1, b: 0 | 1) => (x: Tensor, y: Tensor) => [dotGeneral(x, y, [[[a], [b]]])];
  await measure(`product ${size}`, dot(1, 0), [m, k], [k, n]);
  await measure(`product ${size}, second transposed`, dot(1, 1), [m, k], [n, k]);
  await measure(`product ${size}, first transposed`, dot(0, 0), [k, m], [k, n]);
}
for (const [n, h, w, ci, co, window] of convolutions as [number, ...number[]][]) {
  const title = `convolution ${n}x${h}x${w}x${ci} to ${co}, ${window}x${window}`;
  const gradients = (x: Tensor, weights: Tensor, ct: Tensor): Tensor[] => {
    const [y, pullback] = vjp((p, q) => conv(p, q, { padding: "SAME" }), x, weights);
    return [y, ...pullback(ct)];
  };
  const image = [n, h!, w!];
  await measure(title, gradients, [...image, ci!], [window!, window!, ci!, co!], [...image, co!]);
}
process.exit(0);

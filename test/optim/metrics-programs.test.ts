/** Metrics whose steps depend on each other run them as one program: what reaches the device says so. */
import { array, init, random, type Tensor } from "dawngrad";
import { approximationRatio, overData, spectralDensity } from "dawngrad/optim";
import { beforeAll, expect, test } from "vitest";
import { countDevice, type DeviceCounts, since } from "../api/device-counts.js";

let counted: Readonly<DeviceCounts>;

beforeAll(async () => {
  await init();
  counted = countDevice();
});

async function count(f: () => Promise<unknown>): Promise<DeviceCounts> {
  const ran = since(counted);
  await f();
  return ran();
}

const scales = array([1, 2, 3.5, -1]);
const loss = (w: Tensor, s: Tensor) => w.mul(w).mul(scales).sum().mul(s.mean());
const at = array([1, 2, 0.5, 1]);

test("approximationRatio: a submission and a read-back for each batch, however many steps", async () => {
  const data = overData(loss, [array([1]), array([3])]);
  for (const steps of [1, 20]) {
    const ran = await count(() => approximationRatio(data, at, { rho: 0.5, steps }));
    // The copy that a read-back waits for is a submission as well.
    expect(ran).toMatchObject({ submits: 2 + 2, readbacks: 2 });
  }
});

test("spectralDensity of a function: Lanczos reads back once, and submits no more for more steps", async () => {
  const f = (w: Tensor) => loss(w, array([2]));
  const [few, many] = [
    await count(() => spectralDensity(f, at, random.key(0), { probes: 2, iterations: 2 })),
    await count(() => spectralDensity(f, at, random.key(0), { probes: 2, iterations: 4 })),
  ];
  expect(many.submits).toBe(few.submits);
  expect([few.readbacks, many.readbacks]).toEqual([1, 1]);
});

test("spectralDensity over batches is that of their mean", async () => {
  const options = { probes: 2, iterations: 4 };
  const one = await spectralDensity((w: Tensor) => loss(w, array([2])), at, random.key(0), options);
  const data = overData(loss, [array([1]), array([3])]);
  const two = await spectralDensity(data, at, random.key(0), options);
  // A Hessian of four eigenvalues in four steps: the nodes are the eigenvalues.
  for (const { nodes } of [one, two]) {
    for (const row of nodes) {
      [-4, 4, 8, 14].forEach((value, i) => {
        expect(Math.abs(row[i]! - value)).toBeLessThan(1e-4);
      });
    }
  }
});

/** Calls return before the device has computed, and read-backs wait for what came before them only. */
import { beforeAll, describe, expect, it } from "vitest";
import { array, deviceInfo, init, jit, matmul, ones, type Tensor } from "../../src/index.js";

beforeAll(async () => {
  await init();
});

describe("a training loop that does not wait", () => {
  it("reads what each step left, though the next step was given its memory", async () => {
    const step = jit((w: Tensor, x: Tensor) => w.mul(0.5).add(x), { donateArgnums: 0 });
    const batch = new Float32Array(512);
    let w = array(new Float32Array(512).fill(8));
    const read: Promise<ArrayLike<number>>[] = [];
    const want: number[] = [];
    let expected = 8;
    for (let k = 0; k < 12; k++) {
      batch.fill(k);
      w = step(w, array(batch));
      // Neither the batch nor the memory of the result waits for anybody.
      batch.fill(-1);
      read.push(w.data());
      expected = expected * 0.5 + k;
      want.push(expected);
    }
    const values = await Promise.all(read);
    values.forEach((data, k) => {
      expect(Array.from(data)).toEqual(new Array(512).fill(want[k]));
    });
  });

  it("does so where the batch is a host array whose values are first needed by the step", async () => {
    const scaled = jit((x: Tensor, k: number) => x.mul(k));
    const batch = new Float32Array(64).fill(3);
    const x = array(batch);
    batch.fill(0);
    const reads = [1, 2, 3].map((k) => scaled(x, k).data());
    x.dispose();
    expect((await Promise.all(reads)).map((data) => data[5])).toEqual([3, 6, 9]);
  });

  it("has an old result while later steps are under way", async () => {
    // Long enough on either software adapter: 0.3 GFLOP a product.
    const products = deviceInfo().driver === "swiftshader" ? 4 : 40;
    const long = jit((a: Tensor) => {
      let b = a;
      for (let i = 0; i < products; i++) b = matmul(b, a).mul(1 / 512);
      return b.sum();
    });
    const a = ones([512, 512]);
    await long(a).item();
    const early = jit((x: Tensor) => x.add(1))(array([1, 2]));
    const reading = early.data();
    const from = performance.now();
    let took = Number.POSITIVE_INFINITY;
    const late = long(a);
    const done = late.item().then(() => {
      took = performance.now() - from;
    });
    expect(Array.from(await reading)).toEqual([2, 3]);
    const waited = performance.now() - from;
    await done;
    expect(waited).toBeLessThan(took / 2);
  });
});

/**
 * Training state that lies together in one buffer: values are those of a loop that donates nothing,
 * whatever a caller does with the arrays between the steps.
 */
import { array, grad, init, jit, memoryStats, ones, type Tensor, tidy, tree } from "dawngrad";
import { beforeAll, describe, expect, test } from "vitest";
import { currentGpu } from "../../src/device/index.js";

beforeAll(() => init());

type Leaves = readonly Tensor[];
interface State {
  readonly w: Leaves;
  readonly m: Leaves;
  readonly count: Tensor;
}

const shapes = [[5], [3, 4], [1], [70], [2, 3, 4], [6]];
const make = (): State => ({
  w: shapes.map((s, i) => ones(s).mul(0.5 + i / 8)),
  m: shapes.map((s) => ones(s).mul(0.25)),
  count: array(0),
});

const update = ({ w, m, count }: State): State => {
  const g = grad((p: Leaves) => p.map((x) => x.mul(x).sum()).reduce((a, b) => a.add(b)))(w);
  const next = tree.map((a, b) => a.mul(0.5).add(b), m, g);
  return {
    w: tree.map((a, b) => a.sub(b.mul(0.125).div(count.add(1))), w, next),
    m: next,
    count: count.add(1),
  };
};

const values = (s: unknown): Promise<Float32Array[]> =>
  Promise.all(tree.leaves(s).map((x) => (x as Tensor).data() as Promise<Float32Array>));

/** The state after some steps that donate nothing. */
async function expected(steps: number): Promise<Float32Array[]> {
  const step = jit(update);
  let s = make();
  for (let i = 0; i < steps; i++) s = step(s);
  return values(s);
}

const donating = () => jit(update, { donateArgnums: 0 });

describe("donated state", () => {
  test("comes out as without donation, and stays in one buffer", async () => {
    const step = donating();
    let s = step(make());
    const { pool } = currentGpu("test");
    for (let i = 1; i < 4; i++) s = step(s);
    const before = pool.stats();
    for (let i = 4; i < 8; i++) s = step(s);
    // No buffer was made, given back or taken.
    expect(pool.stats()).toEqual(before);
    expect(await values(s)).toEqual(await expected(8));
  });

  test("a leaf that the caller replaces", async () => {
    const step = donating();
    const plain = jit(update);
    let [a, b] = [make(), make()];
    for (let i = 0; i < 5; i++) {
      if (i === 2) {
        const zero = () => ones(shapes[3]!).mul(0);
        a = { ...a, m: a.m.map((x, k) => (k === 3 ? zero() : x)) };
        b = { ...b, m: b.m.map((x, k) => (k === 3 ? zero() : x)) };
      }
      a = step(a);
      b = plain(b);
    }
    expect(await values(a)).toEqual(await values(b));
  });

  test("leaves that trade places", async () => {
    const step = donating();
    const plain = jit(update);
    let [a, b] = [make(), make()];
    for (let i = 0; i < 4; i++) {
      a = step({ ...a, w: a.m, m: a.w });
      b = plain({ ...b, w: b.m, m: b.w });
    }
    expect(await values(a)).toEqual(await values(b));
  });

  test("an alias that the caller keeps is not written over", async () => {
    const step = donating();
    const same = jit((x: Leaves) => x);
    let s = step(step(make()));
    const kept = same(s.w);
    const at2 = await values(kept);
    s = step(s);
    s = step(s);
    expect(await values(kept)).toEqual(at2);
    expect(await values(s)).toEqual(await expected(4));
  });

  test("one of the leaves read by another program, and by the step itself as another argument", async () => {
    const step = donating();
    let s = step(step(make()));
    const doubled = jit((x: Tensor) => x.mul(2))(s.w[3]!);
    const mixed = jit(
      (w: Leaves, m: Leaves) => tree.map((a: Tensor, b: Tensor) => a.sub(b), w, m),
      { donateArgnums: 0 },
    );
    const want = await values(
      jit((w: Leaves, m: Leaves) => w.map((a, i) => a.sub(m[i]!)))(s.w, s.m),
    );
    expect(await values(mixed(s.w, s.m))).toEqual(want);
    expect((await doubled.data()).length).toBe(70);
    expect(() => s.w[0]!.add(1)).toThrow(/donated/);
    s = { ...s, w: make().w };
    expect((await values(step(s)))[0]!.every(Number.isFinite)).toBe(true);
  });

  test("the same array twice", async () => {
    const twice = jit((xs: Leaves) => xs.map((x, i) => x.mul(i + 1)), { donateArgnums: 0 });
    const x = array([1, 2, 3]);
    const out = twice([x, x, x, x, x, x]);
    expect((await values(out)).map((v) => [...v])).toEqual(
      [1, 2, 3, 4, 5, 6].map((k) => [k, 2 * k, 3 * k]),
    );
  });

  test("is copied where the program returns one of its arrays as it is, given once more or closed over", async () => {
    const next = (xs: Leaves) => xs.map((x) => x.add(1));
    const step = jit(
      (xs: Leaves, kept: Tensor) => [next(xs), kept, kept.reshape([3, 1])] as const,
      {
        donateArgnums: 0,
      },
    );
    const start = () =>
      step(
        shapes.map((_, i) => array([i, i, i])),
        array([0, 0, 0]),
      )[0];
    const state = start();
    const [after, ...kept] = step(state, state[2]!);
    expect((await values(kept)).map((v) => [...v])).toEqual([
      [3, 3, 3],
      [3, 3, 3],
    ]);
    expect(await after[2]!.toArray()).toEqual([4, 4, 4]);
    const again = start();
    const closed = jit((xs: Leaves) => [next(xs), again[2]!] as const, { donateArgnums: 0 });
    const [last, same] = closed(again);
    expect(await same.toArray()).toEqual([3, 3, 3]);
    expect(await last[2]!.toArray()).toEqual([4, 4, 4]);
  });

  test("gives its memory back when every leaf is disposed of", () => {
    const step = donating();
    const warm = step(step(make()));
    for (const x of tree.leaves(warm)) (x as Tensor).dispose();
    const before = memoryStats();
    const s = step(step(tidy(make)));
    const leaves = tree.leaves(s) as Tensor[];
    for (const x of leaves.slice(1)) x.dispose();
    expect(memoryStats().liveBytes).toBeGreaterThan(before.liveBytes);
    leaves[0]!.dispose();
    expect(memoryStats().liveBytes).toBe(before.liveBytes);
  });
});

test("thousands of steps that donate their state: no buffer more, none slower", async () => {
  const step = donating();
  let s = step(step(make()));
  const { pool } = currentGpu("test");
  const before = { pool: pool.stats(), memory: memoryStats() };
  const seconds: number[] = [];
  for (let round = 0; round < 6; round++) {
    const from = performance.now();
    for (let i = 0; i < 250; i++) s = step(s);
    await Promise.all(tree.leaves(s).map((x) => (x as Tensor).data()));
    seconds.push(performance.now() - from);
  }
  expect({ pool: pool.stats(), memory: memoryStats() }).toEqual(before);
  const half = seconds.length / 2;
  const best = (list: number[]) => Math.min(...list);
  // Work that grows with the steps would make the later half several times as slow.
  expect(best(seconds.slice(half))).toBeLessThan(3 * best(seconds.slice(0, half)));
});

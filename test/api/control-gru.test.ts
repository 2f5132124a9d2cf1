/** A recurrent network's value and gradient on the device: submissions, dispatches, memory, compilation. */
import { block, explain, grad, init, jit, valueAndGrad } from "dawngrad";
import { hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { countDevice, since } from "./device-counts.js";
import { chunked, gruInputs, gruParams, looped, stateBytes, unrolled, waveValues } from "./gru.js";

beforeAll(() => init());

const planOf = (f: typeof looped, length: number) =>
  explain(valueAndGrad(f))(gruParams(), gruInputs(length));

type Nested = number | readonly Nested[];

function onHost(values: Float32Array, ...shape: number[]) {
  let next = 0;
  const nest = (axis: number): Nested =>
    axis === shape.length
      ? values[next++]!
      : Array.from({ length: shape[axis]! }, () => nest(axis + 1));
  return hostArray(nest(0));
}

describe("a GRU of 64 units", () => {
  it("1,000 steps: value and gradient in one submission, as explain says", async () => {
    const plan = planOf(looped, 1000);
    expect(plan.loops!.map((l) => l.rounds)).toEqual([1000, 1000]);
    expect(plan.submits).toBe(1);
    const f = jit(valueAndGrad(looped));
    const args = [gruParams(), gruInputs(1000)] as const;
    await block(f(...args));
    const ran = since(countDevice());
    const out = f(...args);
    await block(out);
    const { dispatches, submits } = plan;
    expect(ran()).toEqual({ dispatches, submits, readbacks: 0 });
  });

  it("at most 3 dispatches a step more than the body written out", () => {
    const length = 6;
    const [loop, flat] = [planOf(looped, length), planOf(unrolled, length)];
    const perRound = loop.loops!.reduce((n, l) => n + l.dispatchesPerRound, 0);
    expect(perRound).toBeLessThanOrEqual(flat.dispatches / length + 3);
  });

  it("scheduling does not depend on the length: the same kernels for 64 steps and for 1024", () => {
    const [short, long] = [planOf(looped, 64), planOf(looped, 1024)];
    const work = (p: typeof short) => p.kernels.map(({ times: _, ...kernel }) => kernel);
    expect(long.kernels.length).toBe(short.kernels.length);
    expect(work(long).map((k) => [k.name, k.workgroups, k.fused])).toEqual(
      work(short).map((k) => [k.name, k.workgroups, k.fused]),
    );
  });

  it("memory is linear in the length, and about its square root with nested checkpoints", () => {
    const lengths = [64, 256, 1024] as const;
    /** What is held beside the inputs, in states of one step. */
    const held = (f: typeof looped) =>
      lengths.map((n) => (planOf(f, n).peakBytes - n * 4 * 16 * 4) / stateBytes);
    const [a, b, c] = held(looped) as [number, number, number];
    // A line: four times as many steps more, four times as much more. At least the states are held.
    expect((c - b) / (b - a)).toBeCloseTo(4, 1);
    expect((c - b) / (1024 - 256)).toBeGreaterThan(1);
    const [p, q, r] = held(chunked) as [number, number, number];
    // √n is 8, 16, 32: what is added doubles, and is a few states of the steps and of the chunks.
    expect((r - q) / (q - p)).toBeCloseTo(2, 1);
    expect((r - q) / 16).toBeLessThan(4);
    expect(r).toBeLessThan(c / 16);
  });

  it("the gradients of the loop and of nested checkpoints are those of the steps written out", async () => {
    const length = 4;
    const host = {
      wx: onHost(waveValues(0.1, 16, 12), 16, 12),
      wh: onHost(waveValues(0.1, 4, 12), 4, 12),
      b: onHost(new Float32Array(12), 12),
    };
    const xs = onHost(waveValues(1, length, 4, 16), length, 4, 16);
    const gradient = async (f: typeof looped) => {
      const g = await reference(grad(f))(host, xs);
      return [g.wx, g.wh, g.b].flatMap((x) => [...x.data]);
    };
    const want = await gradient(unrolled);
    const size = Math.hypot(...want);
    const off = (got: readonly number[]) => Math.hypot(...got.map((x, i) => x - want[i]!)) / size;
    expect(off(await gradient(looped))).toBeLessThan(1e-12);
    expect(off(await gradient(chunked))).toBeLessThan(1e-12);
  });
});

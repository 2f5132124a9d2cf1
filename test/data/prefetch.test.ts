import { getEventListeners } from "node:events";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Prefetch, type PrefetchOptions } from "../../data/prefetch.js";

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeAll(() => {
  process.on("unhandledRejection", note);
});
afterAll(async () => {
  await turns(5);
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

const turns = async (n: number) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Items 0, 1, 2, … that count who is alive; `work` is awaited in each preparation. */
function counted(
  end: number,
  options: Partial<PrefetchOptions<number, string>> & { work?: (i: number) => unknown } = {},
) {
  const live = new Set<string>();
  const started: number[] = [];
  let most = 0;
  const { work, ...rest } = options;
  const stream = new Prefetch<number, string>({
    end,
    ahead: 2,
    prepare: async (i) => {
      started.push(i);
      await work?.(i);
      return i;
    },
    finish: (i) => {
      live.add(`item ${i}`);
      most = Math.max(most, live.size);
      return `item ${i}`;
    },
    release: (item) => {
      // Released twice, or never made.
      if (!live.delete(item)) throw new Error(`${item} is not alive`);
    },
    ...rest,
  });
  return { stream, live, started, most: () => most };
}

const indices = (n: number) => Array.from({ length: n }, (_, i) => `item ${i}`);
const delays = (list: readonly number[]) => (i: number) => turns(list[i % list.length]!);

test("delivers all items in order, whatever their preparations take", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(12),
      fc.nat(5),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
      async (end, ahead, times) => {
        const { stream, started } = counted(end, { ahead, work: delays(times) });
        const got: string[] = [];
        for await (const item of stream) got.push(item);
        expect(got).toEqual(indices(end));
        expect(started.sort((a, b) => a - b)).toEqual([...Array(end).keys()]);
        expect(await stream.next()).toEqual({ done: true, value: undefined });
      },
    ),
    { numRuns: 60 },
  );
});

test("prepares as far ahead as asked, and nothing before the first item is asked for", async () => {
  const { stream, started } = counted(10, { ahead: 3 });
  await turns(5);
  expect(started).toEqual([]);
  await stream.next();
  await turns(5);
  expect(started).toEqual([0, 1, 2, 3]);
  await stream.next();
  await turns(5);
  expect(started).toEqual([0, 1, 2, 3, 4]);
  await stream.return();
  const lazy = counted(10, { ahead: 0 });
  await lazy.stream.next();
  await turns(5);
  expect(lazy.started).toEqual([0]);
});

test("preparing ahead does not delay what is ready", async () => {
  const { stream, started } = counted(3, { ahead: 2 });
  await stream.next();
  // The next ones are scheduled, not made, when the first arrives.
  expect(started).toEqual([0]);
  await stream.return();
});

test("starts in the middle", async () => {
  const { stream } = counted(5, { start: 3 });
  expect((await stream.next()).value).toBe("item 3");
  expect((await stream.next()).value).toBe("item 4");
  expect((await stream.next()).done).toBe(true);
});

test("answers calls that do not wait for each other", async () => {
  const { stream } = counted(3, { work: delays([3, 0, 1]) });
  const results = await Promise.all([stream.next(), stream.next(), stream.next(), stream.next()]);
  expect(results.map((r) => r.value)).toEqual([...indices(3), undefined]);
});

describe("leaving the loop", () => {
  test("releases what is ready, ignores what is under way, starts nothing", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(4),
        fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
        fc.nat(6),
        async (stop, ahead, times, wait) => {
          const { stream, live, started } = counted(20, { ahead, work: delays(times) });
          let count = 0;
          for await (const item of stream) {
            await turns(wait);
            live.delete(item);
            if (++count === stop) break;
          }
          expect(live.size).toBe(0);
          const before = started.length;
          await turns(10);
          expect(started.length).toBe(before);
          expect(live.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("does not wait for a preparation that hangs, but tells it", async () => {
    let told = false;
    const { stream } = counted(5, {
      prepare: (i, signal) =>
        i === 0
          ? Promise.resolve(i)
          : new Promise(() => signal.addEventListener("abort", () => (told = true))),
    });
    for await (const _ of stream) {
      await turns(3);
      break;
    }
    expect(told).toBe(true);
  });

  test("await using ends it too", async () => {
    const { stream, live } = counted(5);
    await stream.next().then((r) => live.delete(r.value ?? ""));
    await turns(4);
    expect(live.size).toBe(2);
    await stream[Symbol.asyncDispose]();
    expect(live.size).toBe(0);
  });
});

describe("errors", () => {
  test("are thrown in their turn, after what came before; nothing stays alive", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(7),
        fc.nat(4),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (bad, ahead, times, inFinish) => {
          const broken = (i: number) => {
            if (i >= bad) throw new Error(`no ${i}`);
          };
          const live = new Set<number>();
          const stream = new Prefetch<number, number>({
            end: 8,
            ahead,
            prepare: async (i) => {
              await delays(times)(i);
              if (!inFinish) broken(i);
              return i;
            },
            finish: (i) => {
              if (inFinish) broken(i);
              live.add(i);
              return i;
            },
            release: (i) => live.delete(i),
          });
          const got: number[] = [];
          const run = async () => {
            for await (const item of stream) {
              got.push(item);
              live.delete(item);
            }
          };
          await expect(run()).rejects.toThrow(`no ${bad}`);
          expect(got).toEqual([...Array(bad).keys()]);
          await turns(8);
          expect(live.size).toBe(0);
          expect((await stream.next()).done).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("nobody asks for are not unhandled rejections", async () => {
    const { stream } = counted(5, {
      work: (i) => {
        if (i === 1) throw new Error("unseen");
      },
    });
    await stream.next();
    await turns(5);
    await stream.return();
  });
});

describe("an abort", () => {
  test("rejects the pending call with the reason, and ends", async () => {
    const controller = new AbortController();
    const { stream, live } = counted(5, {
      signal: controller.signal,
      work: (i) => (i === 0 ? undefined : new Promise(() => {})),
    });
    live.delete((await stream.next()).value ?? "");
    const pending = stream.next();
    const second = stream.next();
    controller.abort(new Error("enough"));
    await expect(pending).rejects.toThrow("enough");
    expect((await second).done).toBe(true);
    expect((await stream.next()).done).toBe(true);
    expect(live.size).toBe(0);
  });

  test("between two calls is thrown by the next one, once", async () => {
    const controller = new AbortController();
    const { stream, live } = counted(5, { signal: controller.signal });
    live.delete((await stream.next()).value ?? "");
    await turns(4);
    controller.abort(new Error("enough"));
    expect(live.size).toBe(0);
    await expect(stream.next()).rejects.toThrow("enough");
    expect((await stream.next()).done).toBe(true);
  });

  test("before the start prepares nothing", async () => {
    const { stream, started } = counted(5, { signal: AbortSignal.abort(new Error("early")) });
    await expect(stream.next()).rejects.toThrow("early");
    await turns(3);
    expect(started).toEqual([]);
  });

  test("leaves no listener behind, however the pass ends", async () => {
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, "abort").length;
    const { stream } = counted(2, { signal });
    await stream.next();
    expect(listeners()).toBe(1);
    await stream.next();
    // All is delivered: nobody need call next again.
    expect(listeners()).toBe(0);
    for await (const _ of counted(2, { signal }).stream) break;
    expect(listeners()).toBe(0);
    const bad = counted(2, { signal, work: () => Promise.reject(new Error("bad")) });
    await expect(bad.stream.next()).rejects.toThrow("bad");
    expect(listeners()).toBe(0);
  });
});

test("releaseDelivered releases each item when the next is asked for, and the last at the end", async () => {
  for (const stop of [3, 100]) {
    const { stream, live, most } = counted(8, { ahead: 1, releaseDelivered: true });
    let count = 0;
    for await (const item of stream) {
      expect(live.has(item)).toBe(true);
      await turns(3);
      if (++count === stop) break;
    }
    expect(live.size).toBe(0);
    expect(most()).toBe(2);
  }
});

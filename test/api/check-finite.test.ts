/** checkFinite names the first operation that gives NaN or infinity, with the user's own line. */
import {
  array,
  checkFinite,
  DawngradError,
  grad,
  init,
  jit,
  sqrt,
  type Tensor,
  vmap,
  where,
} from "dawngrad";
import { beforeAll, expect, test } from "vitest";

beforeAll(() => init());

/** The line of this file that the next call stands on, as stacks say it. */
const lineOf = (text: string): string => /check-finite\.test\.ts:(\d+):\d+/.exec(text)?.[0] ?? "";

test("finite values: nothing is found, and the results are the function's", async () => {
  const [check, y] = checkFinite((x: Tensor) => x.log().mul(2))(array([1, 1]));
  expect(await check.get()).toBeNull();
  await check.throw();
  expect(await y.toArray()).toEqual([0, 0]);
});

test("NaN and infinity, with operation, shapes and line", async () => {
  const [nan] = checkFinite((x: Tensor) => x.sub(2).log().mul(3))(array([1, 5]));
  const found = await nan.get();
  expect(found).toMatch(/^NaN: first in log of float32\[2\] at .*check-finite\.test\.ts:\d+:\d+$/);
  const here = new Error().stack!;
  const [mine, other] = [lineOf(found!), lineOf(here)].map((x) => Number(x.split(":")[1]));
  expect(other! - mine!).toBe(4 - 1);
  const [inf] = checkFinite((x: Tensor) => x.mul(100).exp().reciprocal())(array(3));
  expect(await inf.get()).toMatch(/^infinity: first in exp of float32\[\]/);
  await expect(inf.throw()).rejects.toThrow(DawngradError);
});

test("infinities that are meant (masks) are no finding; a NaN made from them is", async () => {
  const masked = (x: Tensor) => where(x.greater(0), x, Number.NEGATIVE_INFINITY).max();
  const [fine] = checkFinite(masked)(array([1, -1]));
  expect(await fine.get()).toBeNull();
  const [bad] = checkFinite((x: Tensor) => {
    const y = where(x.greater(0), x, Number.NEGATIVE_INFINITY);
    return y.sub(y);
  })(array([1, -1]));
  expect(await bad.get()).toMatch(/^NaN: first in sub/);
});

test("arguments come first", async () => {
  const [check] = checkFinite((p: { w: Tensor }) => p.w.mul(0))({ w: array([Number.NaN]) });
  expect(await check.get()).toBe("NaN: first in argument[0].w float32[1]");
});

test("gradients name the operation that they are the derivative of; under jit and vmap", async () => {
  const norm = (x: Tensor) => sqrt(x.mul(x).sum());
  const [check] = checkFinite(grad(norm))(array([0, 0]));
  expect(await check.get()).toMatch(/^infinity: first in sqrt \(\w+\) of .* at .*check-finite/);
  const lanes = checkFinite(vmap((x: Tensor) => x.log()));
  const [jitted] = jit((x: Tensor) => lanes(x))(array([1, -1]));
  expect(await jitted.get()).toMatch(/^NaN: first in log of float32\[2\]/);
  const each = vmap((x: Tensor) => checkFinite((y: Tensor) => y.log())(x));
  const [codes] = each(array([1, -1]));
  expect(await codes.code.toArray()).toEqual([-1, 2]);
});

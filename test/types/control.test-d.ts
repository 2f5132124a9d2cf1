/** Types through loops, branches and custom rules: checked by `npm run typecheck`. */
import {
  array,
  associativeScan,
  checkpoint,
  cond,
  customJvp,
  customVjp,
  foriLoop,
  grad,
  jet,
  jit,
  linearTranspose,
  map,
  ones,
  scan,
  switchCase,
  type Tensor,
  vmap,
  whileLoop,
} from "dawngrad";
import { describe, expectTypeOf, test } from "vitest";

interface State {
  h: Tensor;
  n: Tensor;
}
interface Item {
  x: Tensor;
  label: Tensor;
}

declare const state: State;
declare const items: Item;
declare const x: Tensor;

describe("scan", () => {
  test("carry, slices and stacks have the trees that they are given", () => {
    const [last, ys] = scan(
      (c, item) => {
        expectTypeOf(c).toEqualTypeOf<State>();
        expectTypeOf(item).toEqualTypeOf<Item>();
        return [
          { h: c.h.add(item.x), n: c.n },
          { out: item.x, pair: [c.h, 1] as const },
        ];
      },
      state,
      items,
    );
    expectTypeOf(last).toEqualTypeOf<State>();
    expectTypeOf(ys.out).toEqualTypeOf<Tensor>();
    expectTypeOf(ys.pair[1]).toEqualTypeOf<Tensor>();
  });

  test("numbers become tensors; null stays null", () => {
    const [total, nothing] = scan((sum, y) => [sum.add(y), null], 0, x);
    expectTypeOf(total).toEqualTypeOf<Tensor>();
    expectTypeOf(nothing).toEqualTypeOf<null>();
    const [pair] = scan(([a, b], _) => [[b, a] as const, null], [0, x] as const, null, {
      length: 2,
    });
    expectTypeOf(pair[0]).toEqualTypeOf<Tensor>();
  });

  test("a body that loses a leaf of the carry, or returns no pair, is an error", () => {
    // @ts-expect-error: n is missing
    scan((c) => [{ h: c.h }, null], state, x);
    // @ts-expect-error: not [carry, y]
    scan((c) => c, state, x);
    // @ts-expect-error: reverse is a boolean
    scan((c) => [c, null], state, x, { reverse: 1 });
  });
});

describe("whileLoop and foriLoop", () => {
  test("the carry's tree comes back", () => {
    const out = whileLoop(
      (c) => c.n.less(3),
      (c) => ({ h: c.h.mul(2), n: c.n.add(1) }),
      state,
    );
    expectTypeOf(out).toEqualTypeOf<State>();
    expectTypeOf(foriLoop(0, 3, (i, h) => h.add(i), x)).toEqualTypeOf<Tensor>();
    expectTypeOf(foriLoop(x, 3, (_, h) => h, 0)).toEqualTypeOf<Tensor>();
  });

  test("a condition is a value, a bound a number or a tensor", () => {
    whileLoop(
      // @ts-expect-error: the condition returns a tree
      (c) => [c.n],
      (c) => c,
      state,
    );
    // @ts-expect-error: a bound is no text
    foriLoop("0", 3, (_, h) => h, x);
    // @ts-expect-error: the body changes the tree
    foriLoop(0, 3, (_, h) => [h], x);
  });
});

describe("cond and switch", () => {
  test("branches see the operands and agree in what they return", () => {
    const out = cond(
      x.greater(0),
      (a, s) => ({ sum: a.add(s.h), one: 1 }),
      (a) => ({ sum: a, one: 0 }),
      x,
      state,
    );
    expectTypeOf(out.sum).toEqualTypeOf<Tensor>();
    expectTypeOf(out.one).toEqualTypeOf<Tensor>();
    expectTypeOf(switchCase(1, [(a) => a, (a) => a.neg()], x)).toEqualTypeOf<Tensor>();
    const chosen = switchCase(x, [(a) => ({ a, k: 1 }), (a) => ({ a, k: 2 })], x);
    expectTypeOf(chosen.k).toEqualTypeOf<Tensor>();
  });

  test("branches that differ, or ask for more than they get, are errors", () => {
    cond(
      true,
      (a) => ({ a }),
      // @ts-expect-error: another tree
      (a) => [a],
      x,
    );
    // @ts-expect-error: there is one operand
    switchCase(0, [(a: Tensor, b: Tensor) => a.add(b)], x);
  });
});

describe("map and associativeScan", () => {
  test("trees in, trees out", () => {
    expectTypeOf(map((item) => [item.x, item.label] as const, items)[0]).toEqualTypeOf<Tensor>();
    expectTypeOf(
      associativeScan((a, b) => ({ x: a.x.mul(b.x), label: b.label }), items),
    ).toEqualTypeOf<Item>();
    // @ts-expect-error: an element of another tree
    associativeScan((a) => a.x, items);
  });
});

describe("custom rules, checkpoint, jet, linearTranspose", () => {
  const f = (p: State, y: Tensor): Tensor => p.h.mul(y);

  test("wrappers keep the type of the function, under every transform", () => {
    const own = customVjp(
      f,
      (p, y) => [f(p, y), { y }] as const,
      ({ y }, g) => {
        expectTypeOf(y).toEqualTypeOf<Tensor>();
        expectTypeOf(g).toEqualTypeOf<Tensor>();
        return [{ h: g.mul(y), n: null }, g];
      },
    );
    expectTypeOf(own(state, x)).toEqualTypeOf<Tensor>();
    expectTypeOf(grad(own)(state, x)).toEqualTypeOf<State>();
    const forward = customJvp(f, ([p, y], [, dy]) => [f(p, y), p.h.mul(dy)]);
    expectTypeOf(jit(vmap(forward, [null, 0]))(state, x)).toEqualTypeOf<Tensor>();
    expectTypeOf(checkpoint(f)(state, x)).toEqualTypeOf<Tensor>();
    // @ts-expect-error: no policy
    checkpoint(f, { policy: "some" });
    // @ts-expect-error: the rule returns a pair
    customJvp(f, ([p, y]) => f(p, y));
  });

  test("jet's coefficients and a transpose's cotangent", () => {
    const [y, series] = jet((a: Tensor) => a.sin(), [x], [[x, null]]);
    expectTypeOf(y).toEqualTypeOf<Tensor>();
    expectTypeOf(series).toEqualTypeOf<Tensor[]>();
    const back = linearTranspose((p: State) => [p.h.mul(2), p.n] as const, state);
    expectTypeOf(back([ones([2]), array(1)] as const)).toEqualTypeOf<[p: State]>();
  });
});

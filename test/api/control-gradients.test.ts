/** Loops and branches, with checkpoints and custom rules within: derivatives to second order. */
import {
  array,
  associativeScan,
  checkpoint,
  cond,
  customJvp,
  customVjp,
  foriLoop,
  init,
  linearTranspose,
  map,
  matmul,
  scan,
  switchCase,
  type Tensor,
  vmap,
  whileLoop,
  zeros,
} from "dawngrad";
import { checkGrads, hostArray, reference } from "dawngrad/testing";
import { beforeAll, describe, expect, it } from "vitest";

beforeAll(() => init());

const matrix = [
  [0.3, -0.2],
  [0.5, 0.1],
];
const ownSin: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => x.sin(),
  (x) => [ownSin(x), x] as const,
  (x: Tensor, g: Tensor) => [g.mul(x.cos())],
);
const ownExp: (x: Tensor) => Tensor = customJvp(
  (x: Tensor) => x.exp(),
  ([x], [t]) => [ownExp(x), ownExp(x).mul(t)],
);

describe("in both modes, where there are two", () => {
  const w = hostArray(matrix);
  const x = hostArray([0.4, -0.7]);
  const xs = hostArray([
    [0.4, -0.7],
    [0.1, 0.6],
    [-0.3, 0.2],
  ]);
  const rnn = (w: Tensor, x: Tensor, xs: Tensor) =>
    scan(
      (h, x) => {
        const next = matmul(h, w).add(x).tanh();
        return [next, next.mul(h)];
      },
      x,
      xs,
    );
  const cases: Record<string, () => Promise<void>> = {
    scan: () => checkGrads(rnn, [w, x, xs], { order: 2 }),
    "scan in scan": () =>
      checkGrads(
        (w: Tensor, x: Tensor, xs: Tensor) =>
          scan(
            (c, x) => [scan((d, y) => [d.mul(w).sum(0).add(y), null], c, xs)[0].add(x), c],
            x,
            xs,
          ),
        [w, x, xs],
        { order: 2 },
      ),
    foriLoop: () =>
      checkGrads(
        (w: Tensor, x: Tensor) => foriLoop(0, 3, (i, h) => matmul(h, w).add(i).sin(), x),
        [w, x],
        {
          order: 2,
        },
      ),
    cond: () =>
      checkGrads(
        (w: Tensor, x: Tensor) =>
          cond(
            x.sum().less(0),
            (y) => matmul(y, w).sin(),
            (y) => y,
            x,
          ),
        [w, x],
        { order: 2 },
      ),
    switch: () =>
      checkGrads(
        (w: Tensor, x: Tensor) =>
          switchCase(1, [(y) => y, (y) => matmul(y, w).exp(), (y) => y.mul(y)], x.mul(x)),
        [w, x],
        { order: 2 },
      ),
    "cond in scan": () =>
      checkGrads(
        (w: Tensor, x: Tensor, xs: Tensor) =>
          scan(
            (h, x) => {
              const next = cond(
                x.sum().less(0),
                (y) => matmul(y, w).sin(),
                (y) => y.mul(y),
                h.add(x),
              );
              return [next, next];
            },
            x,
            xs,
          ),
        [w, x, xs],
        { order: 2 },
      ),
    "scan of a tree, in reverse, two steps a round": () =>
      checkGrads(
        (w: Tensor, x: Tensor, xs: Tensor) =>
          scan(
            ({ h, n }, [a, b]) => {
              const next = matmul(h, w).add(a.mul(b)).tanh();
              return [{ h: next, n: n.add(1) }, { out: next.mul(n) }];
            },
            { h: x, n: 0.5 },
            [xs, xs.sin()] as const,
            { reverse: true, unroll: 2 },
          ),
        [w, x, xs],
        { order: 2 },
      ),
    "scan under vmap, some inputs shared": () =>
      checkGrads(
        (w: Tensor, xs: Tensor) =>
          vmap((x: Tensor) => rnn(w, x, xs)[0].sum())(xs).mul(array([1, -2, 0.5])),
        [w, xs],
        { order: 2 },
      ),
    "scan of checkpoints in checkpoints": () =>
      checkGrads(
        (w: Tensor, x: Tensor, xs: Tensor) => {
          const step = checkpoint((h: Tensor, y: Tensor) => matmul(h, w).add(y).tanh());
          const all = checkpoint((h: Tensor, ys: Tensor) =>
            scan((c, y) => [step(c, y), c.mul(y)], h, ys),
          );
          return all(x, xs);
        },
        [w, x, xs],
        { order: 2 },
      ),
    "scan of rules that say what is true": () =>
      checkGrads(
        (x: Tensor, xs: Tensor) => scan((c, y) => [ownExp(c.mul(y)), ownExp(c.mul(0.5))], x, xs),
        [x, xs],
        { order: 2 },
      ),
    "scan of rules for reverse mode": () =>
      checkGrads(
        (x: Tensor, xs: Tensor) => scan((c, y) => [ownSin(c.mul(y)), ownSin(c)], x, xs),
        [x, xs],
        { order: 2, modes: ["rev"] },
      ),
    "foriLoop with tensors for bounds": () =>
      checkGrads(
        (x: Tensor) =>
          foriLoop(
            0,
            array(3, { dtype: "int32" }),
            (i, h) => matmul(h, array(matrix)).add(i).sin(),
            x,
          ),
        [x],
        { order: 2, modes: ["fwd"] },
      ),
    whileLoop: () =>
      checkGrads(
        (w: Tensor, x: Tensor) =>
          whileLoop(
            (h) => h.square().sum().less(2),
            (h) => matmul(h, w).add(h.mul(1.5)).add(0.1),
            x,
          ),
        [w, x],
        { order: 2, modes: ["fwd"] },
      ),
    "cond under vmap, with a predicate for each lane": () =>
      checkGrads(
        (w: Tensor, xs: Tensor) =>
          vmap((x: Tensor) =>
            cond(
              x.sum().greater(0),
              (y) => matmul(y, w).sin(),
              (y) => y.mul(y).exp(),
              x,
            ),
          )(xs),
        [w, xs],
        { order: 2 },
      ),
    "switch in scan": () =>
      checkGrads(
        (x: Tensor, xs: Tensor) =>
          scan(
            ({ c, i }, y) => {
              const next = switchCase(
                i,
                [(v) => v.mul(y), (v) => v.sin().add(y), (v) => v.exp()],
                c,
              );
              return [{ c: next, i: i.add(1) }, next];
            },
            { c: x, i: array(0, { dtype: "int32" }) },
            xs,
          )[1],
        [x, xs],
        { order: 2 },
      ),
    map: () => checkGrads((xs: Tensor) => map((x) => x.mul(x).sin(), xs), [xs], { order: 2 }),
    associativeScan: () =>
      checkGrads((xs: Tensor) => associativeScan((a, b) => a.mul(b), xs), [xs], { order: 2 }),
    "associativeScan of products of matrices, in reverse": () =>
      checkGrads(
        (w: Tensor, xs: Tensor) =>
          associativeScan((a, b) => matmul(a, b), xs.reshape([3, 2, 1]).mul(w.reshape([1, 2, 2])), {
            reverse: true,
          }),
        [w, xs],
        { order: 2 },
      ),
    linearTranspose: () =>
      checkGrads(
        (w: Tensor, x: Tensor) =>
          linearTranspose(
            (y: Tensor) => scan((c, z) => [matmul(c, w).add(z), c], zeros([2]), y)[0],
            zeros([3, 2]),
          )(x)[0],
        [w, x],
        { order: 2 },
      ),
  };
  it.each(Object.keys(cases))("%s", (name) => cases[name]!());

  it("the reference runs loops too", async () => {
    const [h] = await reference(rnn)(w, x, xs);
    const [onDevice] = rnn(
      array([
        [0.3, -0.2],
        [0.5, 0.1],
      ]),
      array([0.4, -0.7]),
      array([
        [0.4, -0.7],
        [0.1, 0.6],
        [-0.3, 0.2],
      ]),
    );
    const got = await onDevice.data();
    h.data.forEach((v: number, i: number) => {
      expect(Math.abs(got[i]! - v)).toBeLessThan(1e-6);
    });
  });
});

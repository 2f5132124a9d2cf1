/** Types are inferred through compositions of transforms: checked by `npm run typecheck`. */
import {
  array,
  grad,
  hessian,
  hvp,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  stopGradient,
  type Tensor,
  tree,
  valueAndGrad,
  vjp,
  vmap,
} from "dawngrad";
import { describe, expectTypeOf, test } from "vitest";

interface Layer {
  weight: Tensor;
  bias: Tensor;
}
interface Params {
  layers: Layer[];
  scale: Tensor;
}
interface Batch {
  x: Tensor;
  y: Tensor;
}

declare const params: Params;
declare const batch: Batch;
const loss = (p: Params, b: Batch): Tensor =>
  p.layers
    .reduce((x, l) => x.matmul(l.weight).add(l.bias), b.x)
    .sub(b.y)
    .mul(p.scale)
    .sum();

describe("transforms", () => {
  test("grad gives the type of the argument, interfaces included", () => {
    expectTypeOf(grad(loss)).toEqualTypeOf<(p: Params, b: Batch) => Params>();
    expectTypeOf(grad(loss)(params, batch).layers).toEqualTypeOf<Layer[]>();
    expectTypeOf(grad(loss, { argnums: 1 })(params, batch)).toEqualTypeOf<Batch>();
  });

  test("a list of argnums gives a tuple", () => {
    expectTypeOf(grad(loss, { argnums: [1, 0] })(params, batch)).toEqualTypeOf<[Batch, Params]>();
  });

  test("hasAux adds the aux, whatever it is", () => {
    const withAux = (p: Params, b: Batch): [Tensor, { logits: Tensor }] => [
      loss(p, b),
      { logits: b.x },
    ];
    expectTypeOf(grad(withAux, { hasAux: true })(params, batch)).toEqualTypeOf<
      [Params, { logits: Tensor }]
    >();
    expectTypeOf(valueAndGrad(withAux, { hasAux: true })(params, batch)).toEqualTypeOf<
      [[Tensor, { logits: Tensor }], Params]
    >();
    expectTypeOf(
      valueAndGrad(withAux, { hasAux: true, argnums: [0, 1] })(params, batch),
    ).toEqualTypeOf<[[Tensor, { logits: Tensor }], [Params, Batch]]>();
  });

  test("valueAndGrad", () => {
    expectTypeOf(valueAndGrad(loss)(params, batch)).toEqualTypeOf<[Tensor, Params]>();
  });

  test("jit(vmap(grad(loss), [null, 0])) needs no annotation", () => {
    const f = jit(vmap(grad(loss), [null, 0]));
    expectTypeOf(f(params, batch)).toEqualTypeOf<Params>();
    expectTypeOf(f).parameters.toEqualTypeOf<[p: Params, b: Batch]>();
    expectTypeOf(f.warmup(params, batch)).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error: a batch is no Params
    f(batch, batch);
  });

  test("numbers may be arguments beside tensors", () => {
    const step = jit((w: Tensor, lr: number) => w.sub(w.mul(lr)), { donateArgnums: 0 });
    expectTypeOf(step(array([1]), 0.1)).toEqualTypeOf<Tensor>();
  });

  test("jvp, vjp, linearize, hvp", () => {
    const f = (x: Tensor, p: Layer): { y: Tensor } => ({ y: x.matmul(p.weight) });
    const x = array([1]);
    const layer = params.layers[0]!;
    const both = jvp(f, [x, layer], [x, null]);
    expectTypeOf(both[0].y).toEqualTypeOf<Tensor>();
    expectTypeOf(both[1].y).toEqualTypeOf<Tensor>();
    const [out, pullback] = vjp(f, x, layer);
    expectTypeOf(out).toEqualTypeOf<{ y: Tensor }>();
    expectTypeOf(pullback(out)).toEqualTypeOf<[x: Tensor, p: Layer]>();
    const [, push] = linearize(f, x, layer);
    expectTypeOf(push(x, layer)).toEqualTypeOf<{ y: Tensor }>();
    expectTypeOf(hvp(loss, [params, batch], [params, null])[0]).toEqualTypeOf<Params>();
  });

  test("hessian of a tree is a tree of trees", () => {
    const h = hessian((l: Layer) => l.weight.mul(l.bias).sum())(params.layers[0]!);
    expectTypeOf(h.weight.bias).toEqualTypeOf<Tensor>();
  });

  test("Jacobians by the argument that argnums names, or by several", () => {
    const f = (x: Tensor, l: Layer): { y: Tensor } => ({ y: x.matmul(l.weight) });
    const [x, layer] = [array([1]), params.layers[0]!];
    for (const jacobian of [jacfwd, jacrev]) {
      expectTypeOf(jacobian(f)(x, layer)).toEqualTypeOf<{ y: Tensor }>();
      expectTypeOf(jacobian(f, { argnums: 1 })(x, layer).y).toEqualTypeOf<Layer>();
      expectTypeOf(jacobian(f, { argnums: [1, 0] })(x, layer).y).toEqualTypeOf<[Layer, Tensor]>();
    }
    // From the end: one of the arguments, TypeScript does not say which.
    expectTypeOf(jacfwd(f, { argnums: -1 })(x, layer).y).toEqualTypeOf<Tensor | Layer>();
    expectTypeOf(
      grad((a: Tensor, l: Layer) => f(a, l).y.sum(), { argnums: -1 }),
    ).returns.toEqualTypeOf<Tensor | Layer>();
    const h = hessian((a: Tensor, l: Layer) => f(a, l).y.sum(), { argnums: [0, 1] })(x, layer);
    expectTypeOf(h[1].bias[0]).toEqualTypeOf<Tensor>();
  });

  test("stopGradient keeps the type", () => {
    expectTypeOf(stopGradient(params)).toEqualTypeOf<Params>();
  });
});

describe("tree", () => {
  test("map to the same leaf type keeps T, and knows what a leaf is", () => {
    expectTypeOf(tree.map((x) => x.mul(2), params)).toEqualTypeOf<Params>();
    expectTypeOf(tree.map((x, y) => x.add(y), params, params)).toEqualTypeOf<Params>();
  });

  test("map to another type replaces leaves", () => {
    const shapes = tree.map((x) => x.shape.length, params);
    expectTypeOf(shapes.layers[0]!.weight).toEqualTypeOf<number>();
    expectTypeOf(shapes.scale).toEqualTypeOf<number>();
  });

  test("leaves, arithmetic, stack", () => {
    expectTypeOf(tree.leaves(params)).toEqualTypeOf<Tensor[]>();
    expectTypeOf(tree.leaves({ a: 1, b: [2] })).toEqualTypeOf<number[]>();
    expectTypeOf(tree.axpy(0.1, params, params)).toEqualTypeOf<Params>();
    expectTypeOf(tree.norm(params)).toEqualTypeOf<Tensor>();
    expectTypeOf(tree.stack([params, params])).toEqualTypeOf<Params>();
    expectTypeOf(tree.unstack(params)).toEqualTypeOf<Params[]>();
    const [flat, restore] = tree.ravel(params);
    expectTypeOf(restore(flat)).toEqualTypeOf<Params>();
    // @ts-expect-error: trees of one structure only
    tree.add(params, batch);
  });
});

describe("Tensor", () => {
  test("is nominal: an object of the same shape is none", () => {
    // @ts-expect-error: not a Tensor
    array([1]).add({ shape: [], dtype: "float32" });
    // @ts-expect-error: not a dtype
    array([1], { dtype: "float64" });
    // @ts-expect-error: strings are no data
    array(["1"]);
  });

  test("values", () => {
    const x = array([[1, 2]]);
    expectTypeOf(x.item()).toEqualTypeOf<Promise<number>>();
    expectTypeOf(x.shape).toEqualTypeOf<readonly number[]>();
    const [a] = x;
    expectTypeOf(a).toEqualTypeOf<Tensor | undefined>();
    for (const row of x) expectTypeOf(row).toEqualTypeOf<Tensor>();
  });
});

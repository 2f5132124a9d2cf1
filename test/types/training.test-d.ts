/** Types through models, losses, the sharpness family and Jacobians: checked by `npm run typecheck`. */
import {
  array,
  explain,
  grad,
  hessian,
  type JacobianOf,
  jacfwd,
  jacrev,
  jit,
  type Tensor,
  tree,
  valueAndGrad,
  vmap,
} from "dawngrad";
import {
  type DenseParams,
  dense,
  dropout,
  mlp,
  type ParamsOf,
  relu,
  residual,
  serial,
} from "dawngrad/nn";
import {
  accumulate,
  applyUpdates,
  type CrSamAux,
  chain,
  clipByGlobalNorm,
  crSam,
  type GradFn,
  gradientOf,
  type OptimizerState,
  type SamAux,
  sam,
  sgd,
} from "dawngrad/optim";
import { describe, expectTypeOf, test } from "vitest";

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}
interface Params {
  readonly w: Tensor;
  readonly layers: readonly { readonly weight: Tensor; readonly bias: Tensor | null }[];
}
declare const key: Tensor;
declare const batch: Batch;
declare const params: Params;

describe("transforms of transforms", () => {
  const predict = (p: Params, x: Tensor, scale: number): Tensor => x.matmul(p.w).mul(scale);

  test("arguments keep their names, interfaces and readonly", () => {
    const g = jit(
      vmap(
        grad((p: Params, x: Tensor, k: number) => predict(p, x, k).sum()),
        [null, 0, null],
      ),
    );
    expectTypeOf(g).parameters.toEqualTypeOf<[p: Params, x: Tensor, k: number]>();
    expectTypeOf(g(params, batch.x, 2)).toEqualTypeOf<Params>();
    expectTypeOf(jit(jit(vmap(predict)))(params, batch.x, 1)).toEqualTypeOf<Tensor>();
    expectTypeOf(explain(g)(params, batch.x, 1).dispatches).toEqualTypeOf<number>();
    // @ts-expect-error: an argument is missing
    g(params, batch.x);
    // @ts-expect-error: a string is no number
    g(params, batch.x, "2");
  });

  test("grad of grad, argnums of several kinds", () => {
    const f = (x: Tensor, p: Params): Tensor => x.mul(p.w).sum();
    expectTypeOf(grad((x: Tensor) => grad(f)(x, params).sum())(key)).toEqualTypeOf<Tensor>();
    expectTypeOf(valueAndGrad(f, { argnums: [1] })(key, params)).toEqualTypeOf<
      [Tensor, [Params]]
    >();
    expectTypeOf(valueAndGrad(f, { argnums: 1 })(key, params)).toEqualTypeOf<[Tensor, Params]>();
    // @ts-expect-error: the loss is a tree, and hasAux was not said
    grad((x: Tensor) => ({ loss: x.sum() }));
    // @ts-expect-error: with hasAux a pair is returned
    grad((x: Tensor) => x.sum(), { hasAux: true });
    // @ts-expect-error: a tensor is no function
    grad(key);
  });

  test("options are checked", () => {
    // @ts-expect-error: no such option
    jit((x: Tensor) => x, { donate: 0 });
    // @ts-expect-error: an axis is a number or null
    vmap((x: Tensor) => x, "0");
    // @ts-expect-error: strings are no axes within trees either
    vmap((x: Params) => x, [{ w: "0" }]);
  });
});

describe("Jacobians of trees", () => {
  const f = (p: { a: Tensor; b: [Tensor, Tensor] }) => ({ u: p.a, v: [p.b[0], p.b[1]] as const });
  const p = { a: array(1), b: [array(2), array(3)] as [Tensor, Tensor] };

  test("at each output leaf the tree of inputs", () => {
    for (const J of [jacfwd(f)(p), jacrev(f)(p)]) {
      expectTypeOf(J.u.a).toEqualTypeOf<Tensor>();
      expectTypeOf(J.u.b[1]).toEqualTypeOf<Tensor>();
      expectTypeOf(J.v[0].b).toEqualTypeOf<[Tensor, Tensor]>();
      // @ts-expect-error: no such input
      J.u.c;
    }
    expectTypeOf(jacfwd((x: Tensor) => x)(key)).toEqualTypeOf<Tensor>();
    expectTypeOf<JacobianOf<Tensor, Params>>().toEqualTypeOf<Params>();
  });

  test("a Hessian of an interface", () => {
    const h = hessian((q: Params) => q.w.sum())(params);
    expectTypeOf(h.w).toEqualTypeOf<Params>();
    expectTypeOf(h.layers[0]!.weight).toEqualTypeOf<Params>();
    expectTypeOf(h.layers[0]!.bias).toEqualTypeOf<Params | null>();
  });
});

describe("models", () => {
  const model = serial([dense(32), relu(), dropout(0.1), residual(serial([dense(32)])), dense(10)]);

  test("parameters of serial are a tuple, one entry a layer", () => {
    const { params: p, state } = model.init(key, [1, 784]);
    expectTypeOf(p[0]).toEqualTypeOf<DenseParams>();
    expectTypeOf(p[1]).toEqualTypeOf<null>();
    expectTypeOf(p[4].weight).toEqualTypeOf<Tensor>();
    expectTypeOf<ParamsOf<typeof model>>().toEqualTypeOf<typeof p>();
    const [y, next] = model.apply(p, state, key, { train: true, key });
    expectTypeOf(y).toEqualTypeOf<Tensor>();
    expectTypeOf(next).toEqualTypeOf<typeof state>();
    // @ts-expect-error: there are five layers
    p[5];
    // @ts-expect-error: relu has no parameters
    p[1].weight;
    expectTypeOf(mlp([32, 10]).init(key, [1, 4]).params).toEqualTypeOf<DenseParams[]>();
    expectTypeOf(tree.map((x) => x.mul(2), p)).toEqualTypeOf<typeof p>();
  });
});

describe("gradient functions", () => {
  const lossFn = (p: Params, state: null, b: Batch, _key: null) => ({
    loss: b.x.matmul(p.w).sub(b.y).mean(),
    state,
    aux: { accuracy: p.w.sum() },
  });
  const plain = (p: Params, state: null, b: Batch, _key: null) => ({
    loss: b.x.matmul(p.w).sum(),
    state,
  });

  test("gradientOf keeps params, state, batch, key and aux", () => {
    const g = gradientOf(lossFn);
    expectTypeOf(g).toEqualTypeOf<GradFn<Params, null, Batch, null, { accuracy: Tensor }>>();
    const r = g(params, null, batch, null);
    expectTypeOf(r.grads).toEqualTypeOf<Params>();
    expectTypeOf(r.state).toEqualTypeOf<null>();
    expectTypeOf(r.aux.accuracy).toEqualTypeOf<Tensor>();
    // @ts-expect-error: the arguments are in the wrong order
    g(null, params, batch, null);
  });

  test("the family composes", () => {
    const cr = crSam({ rho: 0.1 })(gradientOf(plain))(params, null, batch, null);
    expectTypeOf(cr.grads).toEqualTypeOf<Params>();
    expectTypeOf(cr.aux).toEqualTypeOf<CrSamAux>();
    const withAux = crSam({})(gradientOf(lossFn))(params, null, batch, null);
    expectTypeOf(withAux.aux.A).toEqualTypeOf<Tensor>();
    expectTypeOf(withAux.aux.inner.accuracy).toEqualTypeOf<Tensor>();
    const both = accumulate(sam({ rho: 0.1 })(gradientOf(plain)), { steps: 4 });
    expectTypeOf(both(params, null, batch, null).grads).toEqualTypeOf<Params>();
    expectTypeOf(
      sam({ rho: 0.1 })(accumulate(gradientOf(plain), { steps: 2 }))(params, null, batch, null).aux,
    ).toEqualTypeOf<SamAux>();
    // @ts-expect-error: no such variant
    crSam({ variant: "log" });
    // @ts-expect-error: sam needs rho
    sam({});
    // @ts-expect-error: a loss function is no gradient function
    sam({ rho: 0.1 })(plain)(params, null, batch, null).grads.w.sum();
    // @ts-expect-error: the loss is missing
    gradientOf((p: Params, state: null) => ({ state, p }));
  });

  test("a jitted step needs no annotation", () => {
    const optimizer = chain(clipByGlobalNorm(1), sgd({ learningRate: 0.1, momentum: 0.9 }));
    const gradient = crSam({ rho: 0.05, variant: "paper" })(gradientOf(plain));
    const step = jit(
      (p: Params, o: OptimizerState, b: Batch) => {
        const { grads, loss, aux } = gradient(p, null, b, null);
        const [updates, next] = optimizer.update(grads, o, p);
        return { params: applyUpdates(p, updates), optimizer: next, loss, curvature: aux.A };
      },
      { donateArgnums: [0, 1] },
    );
    const out = step(params, optimizer.init(params), batch);
    expectTypeOf(out.params).toEqualTypeOf<Params>();
    expectTypeOf(out.optimizer).toEqualTypeOf<OptimizerState>();
    expectTypeOf(out.curvature).toEqualTypeOf<Tensor>();
    // @ts-expect-error: no such result
    out.gradients;
  });
});

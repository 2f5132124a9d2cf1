/**
 * What runs on the device, counted there: every dispatchWorkgroups and every submit of a warm call
 * against what `explain` promised, the budgets of a training step, and memory that stands still.
 */
import {
  array,
  block,
  type Explanation,
  explain,
  grad,
  init,
  jit,
  memoryStats,
  random,
  type Tensor,
  tree,
  valueAndGrad,
  vmap,
} from "dawngrad";
import { mlp, softmaxCrossEntropy } from "dawngrad/nn";
import {
  adamw,
  applyUpdates,
  crSam,
  type GradFn,
  gradientOf,
  lion,
  rmsprop,
  sam,
  sgd,
  type Transformation,
} from "dawngrad/optim";
import { beforeAll, describe, expect, test } from "vitest";
import { currentGpu } from "../../src/device/index.js";
import { counters } from "../../src/runtime/index.js";
import { countDevice, type DeviceCounts, since } from "./device-counts.js";

let counted: Readonly<DeviceCounts>;

beforeAll(async () => {
  await init();
  counted = countDevice();
});

/** What the second call of `jit(f)` does, by the device's own count. */
function warm<A extends readonly unknown[]>(f: (...args: A) => unknown, ...args: A) {
  const jitted = jit(f);
  jitted(...args);
  const ran = since(counted);
  const said = { ...counters };
  jitted(...args);
  const { readbacks: _, ...out } = ran();
  expect(counters.dispatches - said.dispatches).toBe(out.dispatches);
  expect(counters.submits - said.submits).toBe(out.submits);
  return out;
}

function expectCounted<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  ...args: A
): Explanation {
  const plan = explain(f)(...args);
  expect(warm(f, ...args)).toEqual({ dispatches: plan.dispatches, submits: plan.submits });
  expect(plan.kernels.length).toBe(plan.dispatches);
  return plan;
}

interface Layer {
  weight: Tensor;
  bias: Tensor;
}
interface Batch {
  x: Tensor;
  y: Tensor;
}

function network(sizes: readonly number[], batchSize: number) {
  const [inputs, ...rest] = sizes;
  const model = mlp(rest);
  const params: Layer[] = model.init(random.key(0), [batchSize, inputs!]).params;
  const classes = sizes.at(-1)!;
  const batch: Batch = {
    x: random.normal(random.key(1), [batchSize, inputs!]),
    y: random.randint(random.key(2), [batchSize], 0, classes),
  };
  const lossFn = (p: Layer[], state: null, b: Batch) => {
    const [logits] = model.apply(p, null, b.x);
    return { loss: softmaxCrossEntropy(logits, b.y).mean(), state };
  };
  const loss = (p: Layer[], b: Batch) => lossFn(p, null, b).loss;
  return { params, batch, lossFn, loss };
}

const stepOf =
  <A>(gradFn: GradFn<Layer[], null, Batch, null, A>, optimizer: Transformation) =>
  (params: Layer[], state: ReturnType<Transformation["init"]>, batch: Batch) => {
    const { grads, loss } = gradFn(params, null, batch, null);
    const [updates, next] = optimizer.update(grads, state, params);
    return [applyUpdates(params, updates), next, loss] as const;
  };

const small = () => network([20, 16, 12, 5], 8);
const momentum = sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 1e-3 });

describe("explain and the device agree", () => {
  const x = () => random.normal(random.key(3), [16, 32]);

  test("an elementwise chain is one dispatch", () => {
    const plan = expectCounted((a: Tensor) => a.mul(2).add(1).exp().neg(), x());
    expect(plan.dispatches).toBe(1);
    expect(plan.kernels[0]!.fused).toEqual(expect.arrayContaining(["mul", "add", "exp", "neg"]));
  });

  test("softmax", () => {
    expect(expectCounted((a: Tensor) => a.softmax(), x()).dispatches).toBeLessThanOrEqual(2);
  });

  test("nothing to compute is nothing to dispatch", () => {
    const plan = expectCounted((a: Tensor) => [a, a.sum()].slice(0, 1), x());
    expect([plan.dispatches, plan.submits]).toEqual([0, 0]);
  });

  test("several results, reductions over the same operand together", () => {
    const plan = expectCounted(
      (a: Tensor, b: Tensor) => [a.mul(a).sum(), a.mul(b).sum()],
      x(),
      x(),
    );
    expect(plan.dispatches).toBeLessThanOrEqual(2);
  });

  test("valueAndGrad of an MLP", () => {
    const { params, batch, loss } = small();
    expectCounted(valueAndGrad(loss), params, batch);
  });

  test("Hessian-vector product, sort, cumsum and scatter", () => {
    const { params, batch, loss } = small();
    expectCounted(
      (p: Layer[], b: Batch) => tree.norm(grad((q: Layer[]) => tree.norm(grad(loss)(q, b)))(p)),
      params,
      batch,
    );
    expectCounted(
      (a: Tensor) =>
        a
          .sort()
          .cumsum(0)
          .take(array([3, 1], { dtype: "int32" })),
      x(),
    );
  });

  test.each([
    ["sgd", momentum],
    ["adamw", adamw({ learningRate: 0.01 })],
    ["lion", lion({ learningRate: 0.01 })],
    ["rmsprop", rmsprop({ learningRate: 0.01, momentum: 0.9 })],
  ])("a step of %s", (_, optimizer) => {
    const { params, batch, lossFn } = small();
    const plan = expectCounted(
      stepOf(gradientOf(lossFn), optimizer),
      params,
      optimizer.init(params),
      batch,
    );
    expect(plan.submits).toBe(1);
  });

  test.each([
    ["sam", sam({ rho: 0.1 })],
    ["crSam, code", crSam({ rho: 0.1 })],
    ["crSam, paper", crSam({ rho: 0.1, variant: "paper" })],
  ] as const)("a step of %s", (_, member) => {
    const { params, batch, lossFn } = small();
    const gradFn = member(gradientOf(lossFn)) as GradFn<Layer[], null, Batch, null, unknown>;
    const plan = expectCounted(stepOf(gradFn, momentum), params, momentum.init(params), batch);
    expect(plan.submits).toBe(1);
  });
});

describe("budgets of a training step", () => {
  const sizes = [784, 512, 256, 10] as const;
  const big = () => network(sizes, 128);

  test("SGD on the MLP 784-512-256-10: at most 12 dispatches, one submission", () => {
    const { params, batch, lossFn } = big();
    const step = stepOf(gradientOf(lossFn), momentum);
    const plan = explain(step, { donateArgnums: [0, 1] })(params, momentum.init(params), batch);
    expect(plan.dispatches).toBeLessThanOrEqual(12);
    expect(plan.submits).toBe(1);
  });

  test.each([
    ["small", small],
    ["784-512-256-10", big],
  ])(
    "both gradients at w ± rho v take as many dispatches as one, and 3 at most (%s)",
    (_, make) => {
      const { params, batch, loss } = make();
      const one = explain(valueAndGrad(loss))(params, batch).dispatches;
      const both = (p: Layer[], v: Layer[], b: Batch) =>
        vmap((sign: Tensor) => valueAndGrad(loss)(tree.axpy(sign, v, p), b))(array([0.1, -0.1]));
      const two = explain(both)(params, tree.scale(params, 0.01), batch).dispatches;
      expect(two).toBeLessThanOrEqual(one + 3);
    },
  );

  test.each([
    ["code", "small", small],
    ["paper", "small", small],
    ["code", "784-512-256-10", big],
    ["paper", "784-512-256-10", big],
  ] as const)(
    "CR-SAM (%s, %s): one submission, at most twice a gradient and 8",
    (variant, _, make) => {
      const { params, batch, loss, lossFn } = make();
      const one = explain(valueAndGrad(loss))(params, batch).dispatches;
      const step = stepOf(crSam({ rho: 0.1, variant })(gradientOf(lossFn)), momentum);
      const plan = explain(step, { donateArgnums: [0, 1] })(params, momentum.init(params), batch);
      expect(plan.submits).toBe(1);
      expect(plan.dispatches).toBeLessThanOrEqual(2 * one + 8);
    },
  );
});

describe("gradients at w ± rho v", () => {
  const isProduct = (k: Explanation["kernels"][number]) => k.fused.includes("dotGeneral");

  test.each([16, 128])(
    "go into the optimizer's step where they are summed up (batch %i): no more is written than by two passes",
    (examples) => {
      const { params, batch, lossFn } = network([784, 512, 256, 10], examples);
      const planBy = (lanes: "vmap" | "sequential") => {
        const step = stepOf(crSam({ rho: 0.1, lanes })(gradientOf(lossFn)), momentum);
        return explain(step, { donateArgnums: [0, 1] })(params, momentum.init(params), batch);
      };
      const [vmapped, sequential] = [planBy("vmap"), planBy("sequential")];
      const written = (plan: Explanation) => plan.kernels.reduce((n, k) => n + k.bytesWritten, 0);
      expect(written(vmapped)).toBeLessThan(written(sequential) - 4 * 784 * 512);
      expect(vmapped.dispatches).toBeLessThan(sequential.dispatches);
      // Momentum and weights of a layer are results of the product that makes its gradients.
      for (const { weight } of params) {
        const both = 8 * weight.size;
        expect(vmapped.kernels.filter((k) => isProduct(k) && k.bytesWritten === both)).toHaveLength(
          1,
        );
      }
    },
  );
});

describe("memory stands still", () => {
  test("from step 10 to step 1000, state donated, nothing awaited between", async () => {
    const { params, batch, lossFn } = small();
    const step = jit(stepOf(crSam({ rho: 0.1 })(gradientOf(lossFn)), momentum), {
      donateArgnums: [0, 1],
    });
    let state = tree.map((w) => w.add(0), params);
    let optimizer = momentum.init(params);
    const run = () => {
      const [next, nextOptimizer, loss] = step(state, optimizer, batch);
      state = next;
      optimizer = nextOptimizer;
      loss.dispose();
    };
    for (let i = 0; i < 10; i++) run();
    const created = () => currentGpu("test").pool.stats().created;
    const before = { ...memoryStats(), created: created() };
    for (let i = 10; i < 1000; i++) run();
    expect({ ...memoryStats(), created: created() }).toEqual(before);
    await block([state]);
    expect(created()).toBe(before.created);
    const values = await state[0]!.weight.data();
    expect(values.every(Number.isFinite)).toBe(true);
  });

  test("a thousand fresh closures neither compile nor leak", () => {
    const { params, batch, loss } = network([6, 4, 3], 4);
    const once = (scale: number) => {
      const g = grad((p: Layer[]) => loss(p, batch).mul(scale))(params);
      for (const x of tree.leaves(g)) x.dispose();
    };
    for (let i = 0; i < 3; i++) once(i);
    const { pipelines, pool } = currentGpu("test");
    const before = { ...memoryStats(), pipelines: pipelines.size, created: pool.stats().created };
    for (let i = 0; i < 1000; i++) once(2 + i / 7);
    const after = { ...memoryStats(), pipelines: pipelines.size, created: pool.stats().created };
    expect(after).toEqual(before);
  });
});

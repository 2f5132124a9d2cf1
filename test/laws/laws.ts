/**
 * The laws that every program obeys, as functions of a random program. The test suite runs each on
 * a fixed number of programs; `npm run fuzz` explores further. A law that a program cannot test
 * (too near a kink, values overflowed) calls `discard`.
 */
import { avalsEqual, showAval, sizeOf } from "../../src/core/aval.js";
import { isFloat } from "../../src/core/dtype.js";
import { type NdArray, ndarray } from "../../src/core/ndarray.js";
import { Builder, bind, buildGraph, withBuilder } from "../../src/ir/builder.js";
import { checkGraph } from "../../src/ir/check.js";
import { inlineGraph } from "../../src/ir/eval.js";
import type { Atom, Graph } from "../../src/ir/graph.js";
import { graphKey } from "../../src/ir/print.js";
import { optimise } from "../../src/optimise/index.js";
import { add, reduceSum } from "../../src/prims/index.js";
import { interpret, interpretWithKink } from "../../src/reference/interpret.js";
import { uniforms } from "../../src/reference/perturb.js";
import { checkpointP, customJvpP, customVjpP } from "../../src/structured/index.js";
import type { RandomProgram } from "../../src/testing/index.js";
import { checkGraphGrads, decodeProgram } from "../../src/testing/index.js";
import { trueJvp, trueVjp } from "../../src/testing/true-rules.js";
import { batchGraph, gradGraph, jvpGraph, vjpGraph, zeros } from "../../src/transform/index.js";

import { checkViews } from "./view-law.js";

export class Discard extends Error {}

export const discard = (why: string): never => {
  throw new Discard(why);
};

export interface Law {
  readonly name: string;
  check(p: RandomProgram): void | Promise<void>;
}

function fail(message: string): never {
  throw new Error(message);
}

/** Nearest a case may come to a kink: far above the step of a central difference. */
const KINK = 1e-3;

/** Evaluate, discarding programs whose values leave the range where derivatives mean something. */
function smooth(graph: Graph, inputs: readonly NdArray[]): NdArray[] {
  const { outputs, kink } = interpretWithKink(graph, inputs);
  if (kink < KINK) discard("near a kink");
  for (const y of outputs) {
    if (isFloat(y.dtype) && !y.data.every((v) => Math.abs(v) < 1e6)) discard("large values");
  }
  return outputs;
}

export function assertClose(
  what: string,
  got: readonly NdArray[],
  want: readonly NdArray[],
  relative: number,
): void {
  if (got.length !== want.length) fail(`${what}: ${got.length} outputs, expected ${want.length}`);
  want.forEach((w, k) => {
    const g = got[k]!;
    if (showAval(g) !== showAval(w))
      fail(`${what}: output ${k} is ${showAval(g)}, not ${showAval(w)}`);
    const scale = Math.max(1, ...Array.from(w.data, (v) => (Number.isFinite(v) ? Math.abs(v) : 0)));
    w.data.forEach((x, i) => {
      const y = g.data[i]!;
      const same = Object.is(x, y) || x === y || Math.abs(x - y) <= relative * scale;
      if (!same) fail(`${what}: output ${k} element ${i} is ${y}, expected ${x}`);
    });
  });
}

const floatMask = (p: RandomProgram): boolean[] => p.inputs.map((x) => isFloat(x.dtype));

const randomLike = (x: NdArray, random: () => number): NdArray =>
  ndarray(
    x.shape,
    x.dtype,
    Array.from(x.data, () => 2 * random() - 1),
  );

/** The sum of all float outputs, as a scalar loss. */
export const lossOf = (graph: Graph): Graph =>
  buildGraph(graph.inputAvals, (inputs) => {
    let total = zeros({ shape: [], dtype: "float32" });
    for (const y of inlineGraph(graph, inputs)) {
      if (!isFloat(y.aval.dtype)) continue;
      const axes = y.aval.shape.map((_, i) => i);
      total = add(total, axes.length === 0 ? y : reduceSum(y, axes));
    }
    return [total];
  });

const gradOnly = (graph: Graph, mask: readonly boolean[]): Graph => {
  const g = gradGraph(lossOf(graph), mask);
  return buildGraph(g.inputAvals, (inputs) => inlineGraph(g, inputs).slice(1));
};

/** The values of lane `i` of arrays whose lane axis is 0. */
const lane = (x: NdArray, i: number): NdArray => {
  const shape = x.shape.slice(1);
  const n = sizeOf(shape);
  return ndarray(shape, x.dtype, Array.from(x.data.slice(i * n, (i + 1) * n)));
};

const stack = (xs: readonly NdArray[]): NdArray =>
  ndarray(
    [xs.length, ...xs[0]!.shape],
    xs[0]!.dtype,
    xs.flatMap((x) => Array.from(x.data)),
  );

/** Lanes of inputs: lane 0 is the program's own, the others are different values. */
function lanes(p: RandomProgram, mask: readonly boolean[], size: number): NdArray[] {
  const random = uniforms(p.code.seed + 17);
  return p.inputs.map((x, i) => {
    if (!mask[i]) return x;
    const copies = Array.from({ length: size }, (_, k) =>
      k === 0
        ? x
        : ndarray(
            x.shape,
            x.dtype,
            Array.from(x.data, (v) =>
              isFloat(x.dtype)
                ? v * 0.75 + (Math.floor(random() * 17) - 8) / 16
                : x.dtype === "bool"
                  ? Math.floor(random() * 2)
                  : x.dtype === "int32"
                    ? Math.floor(random() * 9) - 4
                    : Math.floor(random() * 2 ** 32),
            ),
          ),
    );
    return stack(copies);
  });
}

/** Which inputs a program maps: every combination comes up, at least one is mapped. */
const laneMask = (p: RandomProgram): boolean[] => {
  const bits = 1 + (p.code.seed % (2 ** p.inputs.length - 1));
  return p.inputs.map((_, i) => ((bits >> i) & 1) === 1);
};

function expectBatched(what: string, graph: Graph, p: RandomProgram, tolerance: number): void {
  const mask = laneMask(p);
  const size = 1 + (p.code.seed % 3);
  const inputs = lanes(p, mask, size);
  const { graph: batched, outMapped } = batchGraph(graph, mask, size);
  checkGraph(batched);
  const got = interpret(batched, inputs);
  const perLane = Array.from({ length: size }, (_, i) =>
    interpret(
      graph,
      inputs.map((x, k) => (mask[k] ? lane(x, i) : x)),
    ),
  );
  graph.outputs.forEach((_, k) => {
    const want = outMapped[k] ? stack(perLane.map((outs) => outs[k]!)) : perLane[0]![k]!;
    if (want.data.every((v) => Number.isFinite(v))) {
      assertClose(what, [got[k]!], [want], tolerance);
    }
  });
}

export const laws: readonly Law[] = [
  {
    name: "1. optimising keeps types and values, and is idempotent",
    check(p) {
      checkGraph(p.graph);
      const once = optimise(p.graph);
      checkGraph(once);
      assertClose("optimise", interpret(once, p.inputs), interpret(p.graph, p.inputs), 1e-12);
      const twice = optimise(once);
      if (graphKey(twice) !== graphKey(once)) fail(`optimise twice differs:\n${once}\n${twice}`);
    },
  },
  {
    name: "1. simplifying keeps types and values",
    check({ code, inputs }) {
      // The same steps as a graph to which no rule has been applied yet.
      const plainly = <T>(f: () => T): T => withBuilder(new Builder(undefined, false), f);
      const plain = plainly(() => decodeProgram(code)).graph;
      const simple = buildGraph(plain.inputAvals, (ins) => inlineGraph(plain, ins));
      checkGraph(simple);
      const want = interpret(plain, inputs);
      assertClose("simplify", interpret(simple, inputs), want, 1e-12);
      // What differentiation makes is simplified on the way, or not at all.
      const mask = inputs.map((x) => isFloat(x.dtype));
      const gradient = interpret(
        plainly(() => gradOnly(plain, mask)),
        inputs,
      );
      if (gradient.every((x) => x.data.every((v) => Math.abs(v) < 1e6))) {
        assertClose("gradient", interpret(gradOnly(simple, mask), inputs), gradient, 1e-9);
      }
    },
  },
  {
    name: "1. index expressions of views, composed, find the reference's elements",
    check({ code, graph, inputs }) {
      checkViews(graph, inputs);
      const plain = withBuilder(new Builder(undefined, false), () => decodeProgram(code));
      checkViews(plain.graph, inputs);
      const all = inputs.map(() => true);
      const twice = inputs.map((x) => stack([x, x]));
      checkViews(batchGraph(graph, all, 2).graph, twice);
      const gradient = gradOnly(
        graph,
        inputs.map((x) => isFloat(x.dtype)),
      );
      checkViews(batchGraph(gradient, all, 2).graph, twice);
    },
  },
  {
    name: "2. jvp keeps the primal, and tangents have the primal's aval",
    check(p) {
      const { graph, outMask } = jvpGraph(p.graph, floatMask(p));
      checkGraph(graph);
      checkGraph(optimise(graph));
      const n = p.graph.outputs.length;
      const masked = p.graph.outputAvals.filter((_, i) => outMask[i]);
      masked.forEach((a, i) => {
        if (!isFloat(a.dtype)) fail(`an output ${showAval(a)} has a tangent`);
        if (!avalsEqual(graph.outputAvals[n + i]!, a)) {
          fail(`tangent of ${showAval(a)} is ${showAval(graph.outputAvals[n + i]!)}`);
        }
      });
      const random = uniforms(p.code.seed);
      const v = p.inputs.filter((x) => isFloat(x.dtype)).map((x) => randomLike(x, random));
      const got = interpret(graph, [...p.inputs, ...v]).slice(0, n);
      assertClose("primal", got, interpret(p.graph, p.inputs), 1e-12);
    },
  },
  {
    name: "3. jvp is linear in the tangent",
    check(p) {
      smooth(p.graph, p.inputs);
      const { graph } = jvpGraph(p.graph, floatMask(p));
      const n = p.graph.outputs.length;
      const random = uniforms(p.code.seed + 3);
      const floats = p.inputs.filter((x) => isFloat(x.dtype));
      const v = floats.map((x) => randomLike(x, random));
      const w = floats.map((x) => randomLike(x, random));
      const sum = v.map((x, i) => ({
        ...x,
        data: (x.data as Float64Array).map((a, k) => 2 * a - 3 * w[i]!.data[k]!),
      }));
      const push = (t: readonly NdArray[]) => interpret(graph, [...p.inputs, ...t]).slice(n);
      const [pv, pw, ps] = [push(v), push(w), push(sum)];
      const want = pv.map((x, k) => ({
        ...x,
        data: (x.data as Float64Array).map((a, i) => 2 * a - 3 * pw[k]!.data[i]!),
      }));
      const scale = Math.max(1, ...[...pv, ...pw].flatMap((x) => Array.from(x.data, Math.abs)));
      assertClose("linearity", ps, want, 1e-9 * scale);
    },
  },
  {
    name: "3, 4. jvp = central difference, <J v, u> = <v, J' u>",
    check(p) {
      smooth(p.graph, p.inputs);
      checkGraphGrads(p.graph, p.inputs, { order: 1, seed: p.code.seed, tolerance: 1e-5 });
    },
  },
  {
    name: "4. <J v, u> = <v, J' u> of the derivative itself (second order)",
    check(p) {
      if (p.graph.eqns.length > 60) discard("large for second order");
      smooth(p.graph, p.inputs);
      checkGraphGrads(p.graph, p.inputs, { order: 2, seed: p.code.seed, tolerance: 1e-4 });
    },
  },
  {
    name: "5. vmap(f) = stack(map f)",
    check(p) {
      expectBatched("vmap", p.graph, p, 1e-11);
    },
  },
  {
    name: "5. vmap(vmap(f)) = stack of stacks",
    check(p) {
      const mask = laneMask(p);
      const inner = batchGraph(p.graph, mask, 2);
      const inputs = lanes(p, mask, 2);
      const outerMask = mask.map((m, i) => m !== (i === 0));
      if (!outerMask.some((m) => m)) discard("nothing mapped");
      const { graph, outMapped } = batchGraph(inner.graph, outerMask, 3);
      checkGraph(graph);
      const outer = inputs.map((x, i) => (outerMask[i] ? stack([x, x, x]) : x));
      const got = interpret(graph, outer);
      const want = interpret(inner.graph, inputs);
      want.forEach((w, k) => {
        if (!w.data.every((v) => Number.isFinite(v))) return;
        assertClose("vmap of vmap", [got[k]!], [outMapped[k] ? stack([w, w, w]) : w], 1e-11);
      });
    },
  },
  {
    name: "6. vmap(grad f) = stack(grad f)",
    check(p) {
      const g = gradOnly(p.graph, floatMask(p));
      expectBatched("vmap of grad", g, p, 1e-9);
    },
  },
  {
    name: "6. grad(sum(vmap f)) over mapped inputs = vmap(grad f)",
    check(p) {
      const mask = laneMask(p).map((m, i) => m && isFloat(p.inputs[i]!.dtype));
      if (!mask.some((m) => m)) discard("no float input is mapped");
      smooth(p.graph, p.inputs);
      const size = 2;
      const inputs = lanes(p, mask, size);
      const loss = lossOf(p.graph);
      const vg = batchGraph(gradGraph(loss, mask), mask, size);
      const batched = batchGraph(loss, mask, size);
      if (!batched.outMapped[0]) discard("the loss does not depend on the mapped inputs");
      const total = buildGraph(batched.graph.inputAvals, (ins) => [
        reduceSum(inlineGraph(batched.graph, ins)[0]!, [0]),
      ]);
      const got = interpret(gradGraph(total, mask), inputs).slice(1);
      const want = interpret(vg.graph, inputs).slice(1);
      want.forEach((w, k) => {
        const full = vg.outMapped[k + 1] ? w : stack(Array.from({ length: size }, () => w));
        if (full.data.every((v) => Math.abs(v) < 1e6)) {
          assertClose("grad of vmap", [got[k]!], [full], 1e-9);
        }
      });
    },
  },
  {
    name: "6. jvp(vmap f) = vmap(jvp f)",
    check(p) {
      const mask = laneMask(p);
      const floats = floatMask(p);
      const random = uniforms(p.code.seed + 5);
      const inputs = lanes(p, mask, 2);
      const tangents = inputs.filter((_, i) => floats[i]).map((x) => randomLike(x, random));
      const b = batchGraph(p.graph, mask, 2);
      const one = jvpGraph(b.graph, floats);
      const j = jvpGraph(p.graph, floats);
      const both = [...mask, ...mask.filter((_, i) => floats[i])];
      const two = batchGraph(j.graph, both, 2);
      const x = interpret(one.graph, [...inputs, ...tangents]);
      const y = interpret(two.graph, [...inputs, ...tangents]);
      const n = p.graph.outputs.length;
      let nx = n;
      let ny = n;
      p.graph.outputs.forEach((_, k) => {
        const tx = one.outMask[k] ? x[nx++]! : null;
        const hasY = j.outMask[k];
        const iy = ny;
        if (hasY) ny++;
        if (!tx || !hasY) return;
        const ty = y[iy]!;
        const wide = two.outMapped[iy] === b.outMapped[k] ? ty : stack([ty, ty]);
        if (wide.data.every((v) => Math.abs(v) < 1e6) && showAval(tx) === showAval(wide)) {
          assertClose("jvp of vmap", [tx], [wide], 1e-9);
        }
      });
    },
  },
  {
    name: "7. v'Hu = u'Hv, and forward-over-reverse = reverse-over-forward",
    check(p) {
      if (p.graph.eqns.length > 60) discard("large for second order");
      smooth(p.graph, p.inputs);
      const mask = floatMask(p);
      const g = gradOnly(p.graph, mask);
      const random = uniforms(p.code.seed + 7);
      const floats = p.inputs.filter((x) => isFloat(x.dtype));
      const u = floats.map((x) => randomLike(x, random));
      const v = floats.map((x) => randomLike(x, random));
      const n = g.outputs.length;
      const { graph: forward, outMask } = jvpGraph(g, mask);
      const hess = (t: readonly NdArray[]): (NdArray | null)[] => {
        const outs = interpret(forward, [...p.inputs, ...t]).slice(n);
        let next = 0;
        return g.outputs.map((_, i) => (outMask[i] ? outs[next++]! : null));
      };
      const dot = (a: readonly (NdArray | null)[], b: readonly NdArray[]): number =>
        a.reduce((s, x, k) => {
          let t = s;
          x?.data.forEach((value, i) => {
            t += value * b[k]!.data[i]!;
          });
          return t;
        }, 0);
      const [hu, hv] = [hess(u), hess(v)];
      const size = Math.max(
        1,
        ...[...hu, ...hv].flatMap((x) => (x ? Array.from(x.data, Math.abs) : [])),
      );
      if (!(size < 1e6)) discard("large second derivatives");
      const [a, b] = [dot(hu, v), dot(hv, u)];
      if (!(Math.abs(a - b) <= 1e-9 * size * 100)) fail(`v'Hu = ${a} but u'Hv = ${b}`);
      // Reverse over forward: the gradient of x -> <grad f(x), u>, which is H u.
      const { graph: jf, outMask: jm } = jvpGraph(lossOf(p.graph), mask);
      if (!jm[0]) return;
      const directional = buildGraph(jf.inputAvals, (ins) => [inlineGraph(jf, ins)[1]!]);
      const rof = interpret(
        gradGraph(
          directional,
          directional.inputs.map((_, i) => mask[i] ?? false),
        ),
        [...p.inputs, ...u],
      ).slice(1);
      hu.forEach((h, k) => {
        const want = h ?? ndarray(rof[k]!.shape, "float32", 0);
        assertClose("reverse over forward", [rof[k]!], [want], 1e-8);
      });
    },
  },
  {
    name: "4. vjp is linear in the cotangent, and its forward pass keeps the primal",
    check(p) {
      const { forward, backward, outMask, residuals } = vjpGraph(p.graph, floatMask(p));
      checkGraph(forward);
      checkGraph(backward);
      const n = p.graph.outputs.length;
      const outs = interpret(forward, p.inputs);
      assertClose("vjp primal", outs.slice(0, n), interpret(p.graph, p.inputs), 1e-12);
      if (outs.length !== n + residuals) fail("residuals");
      const random = uniforms(p.code.seed + 11);
      const like = p.graph.outputAvals
        .filter((_, i) => outMask[i])
        .map((a) => ndarray(a.shape, a.dtype, 0));
      const u = like.map((x) => randomLike(x, random));
      const twice = u.map((x) => ({ ...x, data: (x.data as Float64Array).map((a) => 2 * a) }));
      const pull = (c: readonly NdArray[]) => interpret(backward, [...outs.slice(n), ...c]);
      const once = pull(u);
      if (!once.every((x) => x.data.every((v) => Math.abs(v) < 1e6))) discard("large values");
      const doubled = once.map((x) => ({
        ...x,
        data: (x.data as Float64Array).map((a) => 2 * a),
      }));
      assertClose("pullback", pull(twice), doubled, 1e-12);
    },
  },
  {
    name: "9. custom rules that say what is true, and checkpoints, change no derivative",
    check(p) {
      if (p.graph.eqns.length > 40) discard("large for second order");
      smooth(p.graph, p.inputs);
      const loss = lossOf(p.graph);
      const wrappers: readonly ((ins: readonly Atom[]) => readonly Atom[])[] = [
        (ins) => bind(customJvpP, ins, trueJvp("p", loss)),
        (ins) => bind(customVjpP, ins, trueVjp("p", loss)),
        (ins) => bind(checkpointP, ins, { body: loss, policy: "nothing" }),
      ];
      const which = p.code.seed % 3;
      const wrapped = buildGraph(loss.inputAvals, wrappers[which]!);
      const mask = laneMask(p);
      const floats = floatMask(p);
      const inputs = lanes(p, mask, 2);
      const grads = (g: Graph) =>
        buildGraph(g.inputAvals, (ins) => inlineGraph(gradGraph(g, floats), ins).slice(1));
      const sum = (g: Graph): Graph => {
        const b = batchGraph(g, mask, 2).graph;
        return buildGraph(b.inputAvals, (ins) => {
          const y = inlineGraph(b, ins)[0]!;
          // A loss that is the same for both lanes counts twice.
          return [y.aval.shape.length > 0 ? reduceSum(y, [0]) : add(y, y)];
        });
      };
      const twice = (g: Graph): Graph => grads(lossOf(grads(g)));
      const derivatives: [string, (g: Graph) => NdArray[]][] = [
        ["grad", (g) => interpret(optimise(grads(g)), p.inputs)],
        ["vmap of grad", (g) => interpret(batchGraph(grads(g), mask, 2).graph, inputs)],
        ["grad of vmap", (g) => interpret(grads(sum(g)), inputs)],
      ];
      if (loss.eqns.length <= 20) {
        derivatives.push(["grad of grad", (g) => interpret(optimise(twice(g)), p.inputs)]);
      }
      // One wrapper and one derivative a program: all pairs come up.
      const [what, derivative] = derivatives[Math.floor(p.code.seed / 3) % derivatives.length]!;
      const want = derivative(loss);
      if (want.every((x) => x.data.every((v) => Math.abs(v) < 1e6))) {
        assertClose(`${what}, wrapper ${which}`, derivative(wrapped), want, 1e-9);
      }
    },
  },
];

/** Convolutions over any number of spatial dimensions, in both layouts. */
import { type Aval, showAval } from "../../core/aval.js";
import { ShapeError } from "../../core/errors.js";
import type { Atom } from "../../ir/graph.js";
import * as prims from "../../prims/index.js";
import type { Tensor, TensorLike } from "../../trace/tensor.js";
import { productOf } from "./linalg.js";
import {
  extent,
  imageAxes,
  type Layout,
  layoutText,
  type Padding,
  type PerDimension,
  paddingPairs,
  perDimension,
  samePadding,
  windowDim,
} from "./spatial.js";

export interface ConvOptions {
  /** Steps of the window. Default 1. */
  readonly strides?: PerDimension;
  /** Default "VALID". */
  readonly padding?: Padding;
  /** Steps between the window's elements. Default 1. */
  readonly dilation?: PerDimension;
  /** Channels fall into so many groups that do not see each other; as many as channels: depthwise. */
  readonly groups?: number;
  /** Of `x` and the result; it decides the order of the weights' axes too. Default "NHWC". */
  readonly layout?: Layout;
}

const range = (n: number, from: number): number[] => Array.from({ length: n }, (_, i) => from + i);

/** Where the axes of weights stand: HWIO beside NHWC, OIHW beside NCHW. */
interface WeightAxes {
  readonly input: number;
  readonly output: number;
  readonly spatial: readonly number[];
  readonly text: string;
}

function weightAxes(layout: Layout, rank: number): WeightAxes {
  const spatial = (first: number) => range(rank - 2, first);
  return layout === "NHWC"
    ? { input: rank - 2, output: rank - 1, spatial: spatial(0), text: "HWIO [...window, in, out]" }
    : { input: 1, output: 0, spatial: spatial(2), text: "OIHW [out, in, ...window]" };
}

function fail(op: string, x: Aval, w: Aval, layout: Layout, why: string): ShapeError {
  return new ShapeError(
    `${op}: x ${showAval(x)} (layout ${layoutText(layout)}) and w ${showAval(w)} ` +
      `(${weightAxes(layout, w.shape.length).text}): ${why}`,
  );
}

/** Checked operands of a convolution, with a group axis beside the channels where there are groups. */
interface Grouped {
  readonly x: Atom;
  readonly w: Atom;
  readonly lhs: prims.ConvAxes;
  readonly rhs: prims.ConvAxes;
  /** Canonical result axes in the result's order, before groups and channels are merged. */
  readonly out: readonly number[];
  readonly merge: (result: Atom) => Atom;
}

/** An axis split into [groups, size / groups]. */
function split(x: Atom, axis: number, groups: number): Atom {
  const { shape } = x.aval;
  return prims.reshape(x, [
    ...shape.slice(0, axis),
    groups,
    shape[axis]! / groups,
    ...shape.slice(axis + 1),
  ]);
}

/**
 * The roles of the axes. `contracted` and `produced` are the weights' axes that meet x's channels and
 * that give the result's; the groups lie in `groupedAxis`, one of the two.
 */
function grouped(
  x: Atom,
  w: Atom,
  layout: Layout,
  groups: number,
  axes: { contracted: number; produced: number; groupedAxis: number },
): Grouped {
  const image = imageAxes("conv", x.aval, layout);
  const weights = weightAxes(layout, w.aval.shape.length);
  const n = image.spatial.length;
  const { contracted, produced, groupedAxis } = axes;
  if (groups === 1) {
    const order = (batch: number, spatial: number[], channels: number) =>
      layout === "NHWC" ? [batch, ...spatial, channels] : [batch, channels, ...spatial];
    return {
      x,
      w,
      lhs: { batch: [], free: [0], contract: [image.channels], spatial: image.spatial },
      rhs: { batch: [], free: [produced], contract: [contracted], spatial: weights.spatial },
      out: order(0, range(n, 1), n + 1),
      merge: (result) => result,
    };
  }
  // The group axis stands before the axis that it was split from.
  const inX = (axis: number) => (axis >= image.channels ? axis + 1 : axis);
  const inW = (axis: number) => (axis >= groupedAxis ? axis + 1 : axis);
  const spatial = range(n, 2);
  return {
    x: split(x, image.channels, groups),
    w: split(w, groupedAxis, groups),
    lhs: {
      batch: [image.channels],
      free: [0],
      contract: [inX(image.channels)],
      spatial: image.spatial.map(inX),
    },
    rhs: {
      batch: [groupedAxis],
      free: [inW(produced)],
      contract: [inW(contracted)],
      spatial: weights.spatial.map(inW),
    },
    out: layout === "NHWC" ? [1, ...spatial, 0, n + 2] : [1, 0, n + 2, ...spatial],
    merge(result) {
      const { shape } = result.aval;
      const at = layout === "NHWC" ? n + 1 : 1;
      return prims.reshape(result, [
        ...shape.slice(0, at),
        shape[at]! * shape[at + 1]!,
        ...shape.slice(at + 2),
      ]);
    },
  };
}

function checkOperands(
  op: string,
  x: Aval,
  w: Aval,
  layout: Layout,
  groups: number,
  meets: "input" | "output",
): void {
  const image = imageAxes(op, x, layout);
  if (w.shape.length !== x.shape.length) {
    throw fail(op, x, w, layout, "w needs as many axes as x: two beside the window's");
  }
  if (!Number.isInteger(groups) || groups < 1) {
    throw fail(op, x, w, layout, `groups is ${groups}; give a positive integer`);
  }
  const axes = weightAxes(layout, w.shape.length);
  const channels = x.shape[image.channels]!;
  // The weights' grouped axis counts all groups, the other one a single group.
  const takes = meets === "input" ? w.shape[axes.input]! * groups : w.shape[axes.output]!;
  if (takes !== channels) {
    const other = layout === "NHWC" ? "NCHW" : "NHWC";
    const otherwise = x.shape[layout === "NHWC" ? 1 : x.shape.length - 1] === takes;
    const shown =
      meets === "input" && groups > 1
        ? `${takes / groups} for each of ${groups} groups`
        : `${takes}`;
    throw fail(
      op,
      x,
      w,
      layout,
      `x has ${channels} channels at axis ${image.channels} but w takes ${shown} at axis ` +
        `${meets === "input" ? axes.input : axes.output}; ` +
        (otherwise
          ? `if x has its channels at axis ${layout === "NHWC" ? 1 : x.shape.length - 1}, give layout: "${other}" (and w in its order)`
          : "give w of that many input channels"),
    );
  }
  if (channels % groups !== 0 || w.shape[axes.output]! % groups !== 0) {
    throw fail(op, x, w, layout, `${groups} groups must divide the input and the output channels`);
  }
}

/**
 * Convolution (lax.conv_general_dilated: a cross-correlation, the window is not reversed) of `x`
 * [batch, ...spatial, in] with `w` [...window, in / groups, out], or in layout "NCHW" of
 * [batch, in, ...spatial] with [out, in / groups, ...window], for any number of spatial dimensions.
 *
 * @throws ShapeError where channels, groups or window do not fit; it names the assumed layout.
 *
 * ```ts
 * const image = arange(16).reshape([1, 4, 4, 1]);
 * const y = conv(image, ones([3, 3, 1, 2]), { padding: "SAME", strides: 2 });
 * y.shape; // [1, 2, 2, 2]
 * await index(y, 0, 0, 0, 0).item(); // 45
 * ```
 */
export function conv(x: TensorLike, w: TensorLike, options: ConvOptions = {}): Tensor {
  const { strides = 1, padding = "VALID", dilation = 1, groups = 1, layout = "NHWC" } = options;
  return productOf("conv", x, w, (a, b) => {
    checkOperands("conv", a.aval, b.aval, layout, groups, "input");
    const { spatial } = imageAxes("conv", a.aval, layout);
    const weights = weightAxes(layout, b.aval.shape.length);
    const n = spatial.length;
    const steps = perDimension("conv", "strides", strides, n);
    const gaps = perDimension("conv", "dilation", dilation, n);
    const sizes = spatial.map((axis) => a.aval.shape[axis]!);
    const window = weights.spatial.map((axis) => b.aval.shape[axis]!);
    const pairs = paddingPairs("conv", padding, n, (i) =>
      samePadding(sizes[i]!, window[i]!, steps[i]!, gaps[i]!),
    );
    const dims = spatial.map((axis, i) =>
      windowDim("conv", a.aval, axis, {
        window: window[i]!,
        stride: steps[i]!,
        dilation: gaps[i]!,
        padding: pairs[i]!,
      }),
    );
    const g = grouped(a, b, layout, groups, {
      contracted: weights.input,
      produced: weights.output,
      groupedAxis: weights.output,
    });
    return g.merge(prims.conv(g.x, g.w, { lhs: g.lhs, rhs: g.rhs, out: g.out, dims }));
  });
}

export interface ConvTransposeOptions extends ConvOptions {
  /**
   * Default false: `w` is as for `conv` of the dilated input, [...window, in / groups, out]. True: `w` is
   * that of the convolution whose gradient this is, [...window, out / groups, in] (in "NCHW" [in,
   * out / groups, ...window], PyTorch's ConvTranspose), read backwards.
   */
  readonly transposeKernel?: boolean;
}

/**
 * Transposed ("fractionally strided") convolution, lax.conv_transpose: a convolution of `x` with
 * `strides - 1` zeros between its elements. "SAME" gives size · stride, "VALID" (the default) all places
 * that see an element; explicit padding is that of the dilated input. PyTorch's
 * ConvTranspose(padding p, output_padding q) is `transposeKernel: true` with padding
 * [d·(k − 1) − p, d·(k − 1) − p + q].
 *
 * @throws ShapeError as `conv`.
 *
 * ```ts
 * const y = convTranspose(ones([1, 2, 2, 1]), ones([2, 2, 1, 1]), { strides: 2 });
 * y.shape; // [1, 4, 4, 1]
 * ```
 */
export function convTranspose(
  x: TensorLike,
  w: TensorLike,
  options: ConvTransposeOptions = {},
): Tensor {
  const { strides = 1, padding = "VALID", dilation = 1, groups = 1, layout = "NHWC" } = options;
  const { transposeKernel = false } = options;
  const op = "convTranspose";
  return productOf(op, x, w, (a, b) => {
    checkOperands(op, a.aval, b.aval, layout, groups, transposeKernel ? "output" : "input");
    const { spatial } = imageAxes(op, a.aval, layout);
    const weights = weightAxes(layout, b.aval.shape.length);
    const n = spatial.length;
    const steps = perDimension(op, "strides", strides, n);
    const gaps = perDimension(op, "dilation", dilation, n);
    const window = weights.spatial.map((axis) => b.aval.shape[axis]!);
    const reach = window.map((k, i) => extent(k, gaps[i]!));
    const pairs = paddingPairs(
      op,
      padding,
      n,
      (i) => {
        const total = reach[i]! + steps[i]! - 2;
        const before = steps[i]! > reach[i]! - 1 ? reach[i]! - 1 : Math.ceil(total / 2);
        return [before, total - before];
      },
      (i) => {
        const total = reach[i]! + steps[i]! - 2 + Math.max(reach[i]! - steps[i]!, 0);
        return [reach[i]! - 1, total - reach[i]! + 1];
      },
    );
    const dims = spatial.map((axis, i) => {
      const d = windowDim(op, a.aval, axis, {
        window: window[i]!,
        stride: 1,
        dilation: gaps[i]!,
        padding: pairs[i]!,
        base: steps[i]!,
      });
      // Read backwards: offset k takes the place of K − 1 − k.
      return transposeKernel ? { ...d, dilation: -d.dilation, lo: d.lo - reach[i]! + 1 } : d;
    });
    const [contracted, produced] = transposeKernel
      ? [weights.output, weights.input]
      : [weights.input, weights.output];
    const g = grouped(a, b, layout, groups, {
      contracted,
      produced,
      groupedAxis: weights.output,
    });
    return g.merge(prims.conv(g.x, g.w, { lhs: g.lhs, rhs: g.rhs, out: g.out, dims }));
  });
}

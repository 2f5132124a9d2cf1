/** A convolution 3×3 written out by hand, and the small passes around its gradients. */

export interface ConvSize {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly ci: number;
  readonly co: number;
}

const tile = 16;

/**
 * y [n, h, w, co] of x [n, h, w, ci] and weights [3, 3, ci, co], zero padding: the pixels are the
 * rows of a matrix product, 16 of them and 4 channels a lane for a subgroup.
 */
export function convText({ n, h, w, ci, co }: ConvSize, lanes: number): string {
  const loads = tile / lanes;
  const each = (f: (i: number) => string) =>
    Array.from({ length: loads }, (_, i) => f(i)).join("\n");
  return `
enable subgroups;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
const lanes = ${lanes}u;
const ci4 = ${ci / 4}u;
const co4 = ${co / 4}u;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let first = group.y * ${tile}u;
  let column = group.x * lanes + local.x;
  var sum: array<vec4f, ${tile}>;
  for (var tap = 0u; tap < 9u; tap++) {
    let dy = i32(tap / 3u) - 1;
    let dx = i32(tap % 3u) - 1;
${each(
  (i) => `    let pixel${i} = i32(first + ${i * lanes}u + local.x);
    let row${i} = (pixel${i} / ${w}) % ${h} + dy;
    let place${i} = pixel${i} % ${w} + dx;
    let inside${i} = row${i} >= 0 && row${i} < ${h} && place${i} >= 0 && place${i} < ${w} && pixel${i} < ${n * h * w};
    let at${i} = u32(select(0, pixel${i} + dy * ${w} + dx, inside${i})) * ci4;`,
)}
    for (var c = 0u; c < ci4; c++) {
      let k = (tap * ci4 + c) * 4u * co4 + column;
      let w0 = weights[k];
      let w1 = weights[k + co4];
      let w2 = weights[k + 2u * co4];
      let w3 = weights[k + 3u * co4];
${each(
  (i) => `      let own${i} = select(vec4f(0), x[at${i} + c], inside${i});
      for (var i = 0u; i < lanes; i++) {
        let v = subgroupShuffle(own${i}, i);
        sum[${i * lanes}u + i] = fma(vec4f(v.w), w3, fma(vec4f(v.z), w2, fma(vec4f(v.y), w1, fma(vec4f(v.x), w0, sum[${i * lanes}u + i]))));
      }`,
)}
    }
  }
  for (var i = 0u; i < ${tile}u; i++) { y[(first + i) * co4 + column] = sum[i]; }
}`;
}

export const convGrid = ({ n, h, w, co }: ConvSize, lanes: number): [number, number] => [
  co / 4 / lanes,
  (n * h * w) / tile,
];

export const convFits = ({ n, h, w, ci, co }: ConvSize, lanes: number): boolean =>
  lanes >= 4 &&
  tile % lanes === 0 &&
  (n * h * w) % tile === 0 &&
  ci % 4 === 0 &&
  co % (4 * lanes) === 0;

/** Weights [3, 3, ci, co] as the input's gradient needs them: taps reversed, [3, 3, co, ci]. */
export const flipText = ({ ci, co }: ConvSize): string => `
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> flipped: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tap = id.x / ${ci * co}u;
  let o = (id.x / ${ci}u) % ${co}u;
  let i = id.x % ${ci}u;
  flipped[id.x] = weights[(8u - tap) * ${ci * co}u + i * ${co}u + o];
}`;

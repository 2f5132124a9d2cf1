/** A matmul written out by hand: what a plain good shader reaches. */
import type { Values } from "../harness/values.js";
import type { RawWork } from "./raw.js";

const tile = 16;

/**
 * C [m, n] = A [m, k] · B [k, n]: a subgroup takes 16 rows by 4 columns a lane, and its lanes share
 * what they load of A by shuffling. n is a multiple of four times the lanes, k of 4; rows beyond m
 * are read as the last row and not written.
 */
export function matmulText([m, k, n]: readonly [number, number, number], lanes: number): string {
  return `
enable subgroups;
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;
const m = ${m}u;
const k4 = ${k / 4}u;
const n4 = ${n / 4}u;
const lanes = ${lanes}u;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = group.y * ${tile}u;
  let column = group.x * lanes + local.x;
  var sum: array<vec4f, ${tile}>;
  for (var k = 0u; k < k4; k++) {
    let b0 = b[(k * 4u) * n4 + column];
    let b1 = b[(k * 4u + 1u) * n4 + column];
    let b2 = b[(k * 4u + 2u) * n4 + column];
    let b3 = b[(k * 4u + 3u) * n4 + column];
    for (var p = 0u; p < ${tile}u; p += lanes) {
      let own = a[min(row + p + local.x, m - 1u) * k4 + k];
      for (var i = 0u; i < lanes; i++) {
        let v = subgroupShuffle(own, i);
        sum[p + i] = fma(vec4f(v.w), b3, fma(vec4f(v.z), b2, fma(vec4f(v.y), b1, fma(vec4f(v.x), b0, sum[p + i]))));
      }
    }
  }
  for (var i = 0u; i < min(${tile}u, m - row); i++) { c[(row + i) * n4 + column] = sum[i]; }
}`;
}

/** The plain text as a contestant, where subgroups are to be had and the shape fits. */
export function plainMatmul(
  [m, k, n]: readonly [number, number, number],
  [a, b]: readonly [Values, Values],
  lanes: number,
): RawWork | undefined {
  if (lanes < 4 || lanes > tile || k % 4 !== 0 || n % (4 * lanes) !== 0) return undefined;
  return {
    name: "plain WGSL",
    inputs: { a, b },
    made: { c: [m, n] },
    passes: [
      {
        wgsl: matmulText([m, k, n], lanes),
        grid: [n / 4 / lanes, Math.ceil(m / tile)],
        buffers: ["a", "b", "c"],
      },
    ],
    outputs: ["c"],
  };
}

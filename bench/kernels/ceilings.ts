/** What the adapter can do at best: arithmetic without memory, and memory without arithmetic. */

export const fmaThreads = 8192;
export const fmaLoops = 2048;
const accumulators = 3;
const unrolled = 4;
/** Two for each component of each accumulator. */
export const fmaFlops = fmaThreads * fmaLoops * unrolled * accumulators * 4 * 2;

const names = Array.from({ length: accumulators }, (_, i) => `x${i}`);

/**
 * Chains x = x·a + b in registers; a = b = 1 come from a buffer, so that nothing can be known ahead
 * and the result is a count that float32 holds exactly.
 */
export const fmaText = `
@group(0) @binding(0) var<storage, read> constants: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = constants[0];
  let b = constants[1];
${names.map((x, i) => `  var ${x} = constants[${i + 2}];`).join("\n")}
  for (var i = 0u; i < ${fmaLoops}u; i++) {
${Array.from({ length: unrolled }, () => names.map((x) => `    ${x} = fma(${x}, a, b);`).join("\n")).join("\n")}
  }
  result[id.x] = ${names.join(" + ")};
}`;

/** b, b, and starts that differ from chain to chain: 0, 1, 2, … */
export const fmaConstants: readonly number[] = [1, 1, ...names.map((_, i) => i)].flatMap((v) => [
  v,
  v,
  v,
  v,
]);
export const fmaResult =
  names.reduce((sum, _, i) => sum + i, 0) + accumulators * unrolled * fmaLoops;

/** Vectors of a thread of the streaming shaders. */
export const perThread = 512;

/**
 * Streams: each subgroup goes through memory of its own, from beginning to end. `lanes` of them side by side;
 * workgroups of one subgroup, which is the fastest on CPU drivers.
 */
const stream = (lanes: number, buffers: string, body: string, end: string): string => `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
${buffers}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.x * ${lanes * perThread}u + lane;
  var sum = vec4f(0);
  // From a zero that no compiler can tell, so that the loop stays one.
  for (var i = group.x / 4294967295u; i < ${perThread}u; i++) {
    let at = first + i * ${lanes}u;
    let x = source[at];
${body}
  }
${end}
}`;

const written = "@group(0) @binding(1) var<storage, read_write> target_: array<vec4f>;";

export const copyText = (lanes: number): string =>
  stream(lanes, written, "    target_[at] = x;", "");

/** Reads everything; each thread writes the sum of what it read. */
export const readText = (lanes: number): string =>
  stream(lanes, written, "    sum += x;", `  target_[group.x * ${lanes}u + lane] = sum;`);

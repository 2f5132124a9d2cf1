// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], where the lanes of a subgroup share A.
//
// A workgroup is one subgroup of SG lanes and computes 16 rows by 4*SG columns. Every lane loads
// other rows of A and its own four columns of B; the rows of A then go round the subgroup. No barriers
// and no workgroup memory: the fast way on CPU drivers. More rows would not fit the instruction cache.
//
// load_a, load_b and epilogue stand for themselves here; generated code replaces them.
enable subgroups;

override SG: u32 = 8u;  // lanes of a subgroup, at most 16
override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
override TILES_M: u32 = 4u;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// Row m of A at k..k+3; zero where k is out of range.
fn load_a(batch: u32, m: u32, k: u32) -> vec4f {
  return a[((batch * M + m) * K + k) / 4u];
}

// Rows k..k+3 of B, each at n..n+3; zero where k is out of range.
fn load_b(batch: u32, k: u32, n: u32) -> mat4x4f {
  let at = ((batch * K + k) * N + n) / 4u;
  return mat4x4f(b[at], b[at + N / 4u], b[at + 2u * (N / 4u)], b[at + 3u * (N / 4u)]);
}

// Elements n..n+3 of a row of the product, once they are complete.
fn epilogue(batch: u32, m: u32, n: u32, value: vec4f) {
  c[((batch * M + m) * N + n) / 4u] = value;
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = w.y / TILES_M;
  let row = (w.y % TILES_M) * 16u;
  let n = (w.x * SG + lane) * 4u;
  var acc: array<vec4f, 16>;
  for (var k = 0u; k < K; k += 4u) {
    let y = load_b(batch, k, n);
    for (var p = 0u; p < 16u; p += SG) {
      let x = load_a(batch, row + p + lane, k);
      for (var i = 0u; i < SG; i++) {
        let s = subgroupShuffle(x, i);
        let j = p + i;
        acc[j] = fma(vec4f(s.w), y[3], fma(vec4f(s.z), y[2], fma(vec4f(s.y), y[1], fma(vec4f(s.x), y[0], acc[j]))));
      }
    }
  }
  if (n >= N) { return; }
  // A loop that no compiler unrolls: the epilogue is compiled once, not once for each row.
  var done: array<vec4f, 16>;
  for (var i = 0u; i < 16u; i++) { done[i] = acc[i]; }
  let end = min(row + 16u, M);
  for (var m = row; m < end; m++) { epilogue(batch, m, n, done[m % 16u]); }
}

// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], where the lanes of a subgroup share A.
//
// A workgroup is one subgroup of SG lanes and computes 4*SG rows by 4*SG columns. Every lane loads
// another 4x4 block of A (its four rows) and of B (its four columns); the block of A then goes round
// the subgroup. No barriers and no workgroup memory: the fast way on CPU drivers.
//
// load_a, load_b and epilogue stand for themselves here; generated code replaces them.
enable subgroups;

override SG: u32 = 8u;  // lanes of a subgroup, at most 8
override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
override TILES_M: u32 = 2u;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// Rows m..m+3 of A, each at k..k+3; zero where k is out of range.
fn load_a(batch: u32, m: u32, k: u32) -> mat4x4f {
  let at = ((batch * M + m) * K + k) / 4u;
  return mat4x4f(a[at], a[at + K / 4u], a[at + 2u * (K / 4u)], a[at + 3u * (K / 4u)]);
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
  let row = (w.y % TILES_M) * SG * 4u;
  let n = (w.x * SG + lane) * 4u;
  let m = row + lane * 4u;
  var acc: array<vec4f, 32>;
  for (var k = 0u; k < K; k += 4u) {
    let x = load_a(batch, m, k);
    let y = load_b(batch, k, n);
    for (var i = 0u; i < SG; i++) {
      for (var r = 0u; r < 4u; r++) {
        let s = subgroupShuffle(x[r], i);
        let j = i * 4u + r;
        acc[j] = fma(vec4f(s.w), y[3], fma(vec4f(s.z), y[2], fma(vec4f(s.y), y[1], fma(vec4f(s.x), y[0], acc[j]))));
      }
    }
  }
  if (n >= N) { return; }
  for (var i = 0u; i < SG * 4u; i++) {
    if (row + i < M) { epilogue(batch, row + i, n, acc[i]); }
  }
}

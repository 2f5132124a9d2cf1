// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], a tile in the registers of every thread.
//
// A thread computes 8 rows by 4 columns, from eight vectors of A and a 4x4 block of B at a time. No barriers, no
// workgroup memory, no subgroups: for adapters that lack or are slow at all of them.
//
// load_a, load_b and epilogue stand for themselves here; generated code replaces them.
override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
override TILES_M: u32 = 8u;

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

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = w.y / TILES_M;
  let m = (w.y % TILES_M) * 8u;
  let n = (w.x * 8u + lane) * 4u;
  if (n >= N) { return; }
  var acc: array<vec4f, 8>;
  for (var k = 0u; k < K; k += 4u) {
    let y = load_b(batch, k, n);
    for (var i = 0u; i < 8u; i++) {
      let s = load_a(batch, m + i, k);
      acc[i] = fma(vec4f(s.w), y[3], fma(vec4f(s.z), y[2], fma(vec4f(s.y), y[1], fma(vec4f(s.x), y[0], acc[i]))));
    }
  }
  // A loop that no compiler unrolls: the epilogue is compiled once, not once for each row.
  var done: array<vec4f, 8>;
  for (var i = 0u; i < 8u; i++) { done[i] = acc[i]; }
  let end = min(m + 8u, M);
  for (var r = m; r < end; r++) { epilogue(batch, r, n, done[r % 8u]); }
}

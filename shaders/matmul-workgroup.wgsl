// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], tiles of A and B in workgroup memory.
//
// A workgroup of 16x8 threads computes 64 rows by 64 columns: each thread 8 rows by 4 columns. The
// classic scheme of GPUs: every element of A and B is read from memory once for a tile.
//
// load_a, load_b and epilogue stand for themselves here; generated code replaces them.
override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
override TILES_M: u32 = 1u;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// 64 rows of A by 16 deep (four vectors along k a row), and 16 deep by 64 columns of B.
var<workgroup> tile_a: array<vec4f, 256>;
var<workgroup> tile_b: array<vec4f, 256>;

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

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) t: u32) {
  let batch = w.y / TILES_M;
  let row = (w.y % TILES_M) * 64u;
  let column = w.x * 64u;
  let tx = t % 16u;  // four columns
  let ty = t / 16u;  // eight rows
  var acc: array<vec4f, 8>;
  for (var k = 0u; k < K; k += 16u) {
    // The first 64 threads fetch A, four vectors each; the others B, one 4x4 block each.
    let u = t % 64u;
    if (t < 64u) {
      for (var r = 0u; r < 4u; r++) {
        let to = u + r * 64u;
        tile_a[to] = load_a(batch, row + to / 4u, k + (to % 4u) * 4u);
      }
    } else {
      let part = load_b(batch, k + (u / 16u) * 4u, column + (u % 16u) * 4u);
      let at = (u / 16u) * 64u + u % 16u;
      for (var r = 0u; r < 4u; r++) {
        let to = at + r * 16u;
        tile_b[to] = part[r];
      }
    }
    workgroupBarrier();
    for (var q = 0u; q < 4u; q++) {
      let y0 = tile_b[(q * 4u) * 16u + tx];
      let y1 = tile_b[(q * 4u + 1u) * 16u + tx];
      let y2 = tile_b[(q * 4u + 2u) * 16u + tx];
      let y3 = tile_b[(q * 4u + 3u) * 16u + tx];
      for (var r = 0u; r < 8u; r++) {
        let s = tile_a[(ty * 8u + r) * 4u + q];
        acc[r] = fma(vec4f(s.w), y3, fma(vec4f(s.z), y2, fma(vec4f(s.y), y1, fma(vec4f(s.x), y0, acc[r]))));
      }
    }
    workgroupBarrier();
  }
  let n = column + tx * 4u;
  if (n >= N) { return; }
  for (var r = 0u; r < 8u; r++) {
    let m = row + ty * 8u + r;
    if (m < M) { epilogue(batch, m, n, acc[r]); }
  }
}

// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], tiles of A and B in workgroup memory.
//
// A workgroup of 16x8 threads computes 64 rows by 64 columns: each thread 8 rows by 4 columns. The
// classic scheme of GPUs: every element of A and B is read from memory once for a tile.
//
// row_a, load_a, column_b, load_b and epilogue stand for themselves here; generated code replaces them.
const INSIDE: u32 = 1u;  // products that share a tile, the epilogue among them
const SUMS: u32 = 8u;  // of a thread, in one product
const ALL: u32 = INSIDE * SUMS;
alias Done = array<vec4f, ALL>;
override M: u32 = 64u;
override N: u32 = 64u;
override KO: u32 = 1u;   // the depth is KO outer steps
override KI: u32 = 64u;  // of KI inner ones
override TILES_M: u32 = 1u;  // tiles above each other in one product,
override TILES: u32 = 1u;    // in all of them,
override GRID_Y: u32 = 1u;   // and in one layer of workgroups
override GRID_X: u32 = 1u;   // tiles side by side in one layer,
override LAYERS_X: u32 = 1u; // and layers side by side

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// 64 rows of A by 16 deep (four vectors along k a row), and 16 deep by 64 columns of B.
var<workgroup> tile_a: array<vec4f, 256>;
var<workgroup> tile_b: array<vec4f, 256>;

// What the loads of a row of A have in common at the outer step t.
fn row_a(batch: u32, m: u32, t: u32) -> vec4u {
  return vec4u((((batch * M + m) * KO + t) * KI) / 4u, 1u, 0u, 0u);
}

// The row at k..k+3; zero where k is out of range.
fn load_a(at: vec4u, k: u32) -> vec4f {
  return a[at.x + k / 4u];
}

// What the loads of columns n..n+3 of B have in common at the outer step t.
fn column_b(batch: u32, n: u32, t: u32) -> vec4u {
  return vec4u((((batch * KO + t) * KI) * N + n) / 4u, 1u, 0u, 0u);
}

// Rows k..k+3 of B, each at four columns; zero where k is out of range.
fn load_b(at: vec4u, k: u32) -> mat4x4f {
  let i = at.x + k * (N / 4u);
  return mat4x4f(b[i], b[i + N / 4u], b[i + 2u * (N / 4u)], b[i + 3u * (N / 4u)]);
}

// Elements n..n+3 of a row of all products inside, once they are complete: of the i-th one, done[i * SUMS + at].
fn epilogue(batch: u32, m: u32, n: u32, done: ptr<function, Done>, at: u32) {
  for (var i = 0u; i < INSIDE; i++) {
    c[(((i * (TILES / TILES_M) + batch) * M + m) * N + n) / 4u] = (*done)[i * SUMS + at];
  }
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) thread: u32) {
  let tile = w.y + w.z / LAYERS_X * GRID_Y;
  let across = w.x + w.z % LAYERS_X * GRID_X;
  if (tile >= TILES) { return; }
  let batch = tile / TILES_M;
  let row = (tile % TILES_M) * 64u;
  let column = across * 64u;
  let tx = thread % 16u;  // four columns
  let ty = thread / 16u;  // eight rows
  // The first 64 threads fetch A, four vectors each (a depth of their own, every 16th row); the others
  // B, one 4x4 block each.
  let u = thread % 64u;
  let fetches_a = thread < 64u;
  let to_b = (u / 16u) * 64u + u % 16u;
  let depth = select((u / 16u) * 4u, (u % 4u) * 4u, fetches_a);
  var done: Done;
  for (var l = 0u; l < INSIDE; l++) {  // unroll
    let product = l * (TILES / TILES_M) + batch;
    var acc: array<vec4f, SUMS>;
    for (var t = 0u; t < KO; t++) {
      var source: array<vec4u, 4>;
      if (fetches_a) {
        for (var r = 0u; r < 4u; r++) { source[r] = row_a(product, row + u / 4u + r * 16u, t); }
      } else {
        source[0] = column_b(product, column + (u % 16u) * 4u, t);
      }
      for (var k = 0u; k < KI; k += 16u) {
        if (fetches_a) {
          for (var r = 0u; r < 4u; r++) { tile_a[u + r * 64u] = load_a(source[r], k + depth); }
        } else {
          let part = load_b(source[0], k + depth);
          for (var r = 0u; r < 4u; r++) { tile_b[to_b + r * 16u] = part[r]; }
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
    }
    for (var i = 0u; i < SUMS; i++) { done[l * SUMS + i] = acc[i]; }
  }
  let n = column + tx * 4u;
  if (n >= N) { return; }
  for (var r = 0u; r < 8u; r++) {
    let m = row + ty * 8u + r;
    if (m < M) { epilogue(batch, m, n, &done, r); }
  }
}

// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], a tile in the registers of every thread.
//
// A thread computes ROWS rows by 4 columns, from as many vectors of A and a 4x4 block of B at a time; a
// workgroup is LANES threads side by side. No barriers, no workgroup memory, no subgroups: for adapters
// that lack or are slow at all of them.
//
// row_a, load_a, column_b, load_b and epilogue stand for themselves here; generated code replaces them.
const ROWS: u32 = 8u;
const LANES: u32 = 8u;
const INSIDE: u32 = 1u;  // products that share a tile, the epilogue among them
override M: u32 = 64u;
override N: u32 = 64u;
override KO: u32 = 1u;   // the depth is KO outer steps
override KI: u32 = 64u;  // of KI inner ones
override TILES_M: u32 = 8u;  // tiles above each other in one product,
override TILES: u32 = 8u;    // in all of them,
override GRID_Y: u32 = 8u;   // and in one layer of workgroups
override GRID_X: u32 = 1u;   // tiles side by side in one layer,
override LAYERS_X: u32 = 1u; // and layers side by side

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

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

const SUMS: u32 = ROWS;  // of a lane, in one product
const ALL: u32 = INSIDE * SUMS;
alias Done = array<vec4f, ALL>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = w.y + w.z / LAYERS_X * GRID_Y;
  let across = w.x + w.z % LAYERS_X * GRID_X;
  if (tile >= TILES) { return; }
  // Zero, which no compiler can tell: loops from it are not unrolled.
  let zero = tile / TILES;
  let batch = tile / TILES_M;
  let row = (tile % TILES_M) * ROWS;
  let n = (across * LANES + lane) * 4u;
  if (n >= N) { return; }
  // What the epilogue reads, in a loop that no compiler unrolls: it is compiled once, not once for each row.
  var done: Done;
  for (var l = 0u; l < INSIDE; l++) {  // unroll
    let product = l * (TILES / TILES_M) + batch;
    var acc: array<vec4f, ROWS>;
    for (var t = zero; t < KO; t++) {
      var rows: array<vec4u, ROWS>;
      for (var i = 0u; i < ROWS; i++) { rows[i] = row_a(product, row + i, t); }
      let columns = column_b(product, n, t);
      for (var k = zero; k < KI; k += 4u) {
        let y = load_b(columns, k);
        for (var i = 0u; i < ROWS; i++) {  // unroll
          let s = load_a(rows[i], k);
          acc[i] = fma(vec4f(s.w), y[3], fma(vec4f(s.z), y[2], fma(vec4f(s.y), y[1], fma(vec4f(s.x), y[0], acc[i]))));
        }
      }
    }
    for (var i = 0u; i < SUMS; i++) { done[l * SUMS + i] = acc[i]; }
  }
  let end = min(row + ROWS, M);
  for (var m = row; m < end; m++) { epilogue(batch, m, n, &done, m - row); }
}

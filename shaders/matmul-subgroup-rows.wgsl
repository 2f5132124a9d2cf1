// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], where the lanes of a subgroup share B: for few columns.
//
// A workgroup is one subgroup of SG lanes. Every lane computes ROWS rows of 4*FOURS columns from its own rows
// of A; lane i loads the i-th four columns of B for all of them. As many values are loaded as for a tile of
// matmul-subgroup, and none twice where there are fewer than 4*SG columns.
//
// row_a, load_a, column_b, load_b and epilogue stand for themselves here; generated code replaces them.
enable subgroups;

const ROWS: u32 = 4u;
const FOURS: u32 = 4u;   // at most SG
const INSIDE: u32 = 1u;  // products that share a tile, the epilogue among them
override SG: u32 = 8u;   // lanes of a subgroup
override M: u32 = 64u;
override N: u32 = 16u;
override KO: u32 = 1u;   // the depth is KO outer steps
override KI: u32 = 64u;  // of KI inner ones
override TILES_M: u32 = 2u;  // tiles above each other in one product,
override TILES: u32 = 2u;    // in all of them,
override GRID_Y: u32 = 2u;   // and in one layer of workgroups
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

const SUMS: u32 = ROWS * FOURS;  // of a lane, in one product
const ALL: u32 = INSIDE * SUMS;
alias Done = array<vec4f, ALL>;

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = w.y + w.z / LAYERS_X * GRID_Y;
  let across = w.x + w.z % LAYERS_X * GRID_X;
  if (tile >= TILES) { return; }
  // Zero, which no compiler can tell: loops from it are not unrolled.
  let zero = tile / TILES;
  let batch = tile / TILES_M;
  let row = (tile % TILES_M) * (ROWS * SG) + lane;  // and every SG-th after it
  let n = across * (4u * FOURS);
  // What the epilogue reads, in a loop that no compiler unrolls: it is compiled once, not once for each row.
  var done: Done;
  for (var l = 0u; l < INSIDE; l++) {  // unroll
    let product = l * (TILES / TILES_M) + batch;
    var acc: array<vec4f, SUMS>;
    for (var t = zero; t < KO; t++) {
      var rows: array<vec4u, ROWS>;
      for (var r = 0u; r < ROWS; r++) { rows[r] = row_a(product, row + r * SG, t); }
      let columns = column_b(product, n + (lane % FOURS) * 4u, t);
      for (var k = zero; k < KI; k += 4u) {
        var x: array<vec4f, ROWS>;
        for (var r = 0u; r < ROWS; r++) {  // unroll
          x[r] = load_a(rows[r], k);
        }
        var part: mat4x4f;
        if (lane < FOURS) { part = load_b(columns, k); }
        for (var i = 0u; i < FOURS; i++) {  // unroll
          let y0 = subgroupShuffle(part[0], i);
          let y1 = subgroupShuffle(part[1], i);
          let y2 = subgroupShuffle(part[2], i);
          let y3 = subgroupShuffle(part[3], i);
          for (var r = 0u; r < ROWS; r++) {  // unroll
            let s = x[r];
            let j = r * FOURS + i;
            acc[j] = fma(vec4f(s.w), y3, fma(vec4f(s.z), y2, fma(vec4f(s.y), y1, fma(vec4f(s.x), y0, acc[j]))));
          }
        }
      }
    }
    for (var i = 0u; i < SUMS; i++) { done[l * SUMS + i] = acc[i]; }
  }
  let fours = min(FOURS, (N - n + 3u) / 4u);
  for (var r = zero; r < ROWS; r++) {
    let m = row + r * SG;
    if (m < M) {
      for (var i = zero; i < fours; i++) { epilogue(batch, m, n + i * 4u, &done, r * FOURS + i); }
    }
  }
}

// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], where the rows of A are windows that slide: what a row
// sees at the tap u of an outer step is what the row u further on sees at tap 0.
//
// As matmul-subgroup-rows, but what is loaded of A at tap 0 serves all taps: it moves on from lane to lane.
//
// row_a, load_a, tap_a, column_b, load_b and epilogue stand for themselves here; generated code replaces them.
enable subgroups;

const ROWS: u32 = 4u;
const FOURS: u32 = 4u;   // at most SG
const TAPS: u32 = 3u;    // of an outer step, at most SG
const DEEP: u32 = 4u;    // depths at a time, at most 4
const FLIP: u32 = 0u;    // 1 where rows further on see earlier taps
const SHORT: u32 = 0u;   // 1 where an outer step is little work: it is not worth loops
const INSIDE: u32 = 1u;  // products that share a tile, the epilogue among them
override SG: u32 = 8u;   // lanes of a subgroup
override M: u32 = 64u;
override N: u32 = 16u;
override KO: u32 = 3u;   // the depth is KO outer steps of TAPS taps
override KI: u32 = 16u;  // of KI inner ones
override TILES_M: u32 = 2u;  // tiles above each other in one product,
override TILES: u32 = 2u;    // in all of them,
override GRID_Y: u32 = 2u;   // and in one layer of workgroups
override GRID_X: u32 = 1u;   // tiles side by side in one layer,
override LAYERS_X: u32 = 1u; // and layers side by side

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

// Where a row of A starts at the first tap of the outer step t, and what says which taps there are.
fn row_a(batch: u32, m: u32, t: u32) -> vec4u {
  return vec4u(((batch * M + m + t * 32u) * KI) / 4u, 1u, 0u, 0u);
}

// The row at k..k+3, whether it is there or not; zero where k is out of range.
fn load_a(at: vec4u, k: u32) -> vec4f {
  return a[at.x + k / 4u];
}

// What a row sees at the tap u: zero where there is nothing.
fn tap_a(at: vec4u, u: u32, value: vec4f) -> vec4f {
  return select(vec4f(0f), value, at.y != 0u);
}

// What the loads of columns n..n+3 of B have in common at the step t.
fn column_b(batch: u32, n: u32, t: u32) -> vec4u {
  return vec4u((((batch * KO * TAPS + t) * KI) * N + n) / 4u, 1u, 0u, 0u);
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
const SEEN: u32 = ROWS + 1u;

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = w.y + w.z / LAYERS_X * GRID_Y;
  let across = w.x + w.z % LAYERS_X * GRID_X;
  if (tile >= TILES) { return; }
  // Zero, which no compiler can tell: loops from it are not unrolled.
  let zero = tile / TILES;
  let first = select(zero, 0u, SHORT == 1u);
  let batch = tile / TILES_M;
  let row = (tile % TILES_M) * (ROWS * SG) + lane;  // and every SG-th after it
  let n = across * (4u * FOURS);
  // What the epilogue reads, in a loop that no compiler unrolls: it is compiled once, not once for each row.
  var done: Done;
  for (var l = 0u; l < INSIDE; l++) {  // unroll
    let product = l * (TILES / TILES_M) + batch;
    var acc: array<vec4f, SUMS>;
    for (var t = zero; t < KO; t++) {
      var rows: array<vec4u, SEEN>;
      for (var r = 0u; r < SEEN; r++) { rows[r] = row_a(product, row + r * SG, t); }
      for (var k = first; k < KI; k += 4u) {
        var seen: array<vec4f, SEEN>;
        for (var r = 0u; r < ROWS; r++) {  // unroll
          seen[r] = load_a(rows[r], k);
        }
        // Of the rows beyond the last, as many as its taps see.
        if (lane + 1u < TAPS) { seen[ROWS] = load_a(rows[ROWS], k); }
        for (var u = first; u < TAPS; u++) {
          var x: array<vec4f, ROWS>;
          for (var r = 0u; r < ROWS; r++) {  // unroll
            x[r] = tap_a(rows[r], u, subgroupShuffle(select(seen[r], seen[r + 1u], lane < u), (lane + u) % SG));
          }
          let columns = column_b(product, n + (lane % FOURS) * 4u, t * TAPS + select(u, TAPS - 1u - u, FLIP == 1u));
          var part: mat4x4f;
          if (lane < FOURS) { part = load_b(columns, k); }
          for (var i = 0u; i < FOURS; i++) {  // unroll
            for (var j = 0u; j < DEEP; j++) {  // unroll
              let y = subgroupShuffle(part[j], i);
              for (var r = 0u; r < ROWS; r++) {  // unroll
                acc[r * FOURS + i] = fma(vec4f(x[r][j]), y, acc[r * FOURS + i]);
              }
            }
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

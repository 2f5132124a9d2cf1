// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], where the lanes of a subgroup share A.
//
// A workgroup is one subgroup of SG lanes. Its lanes stand side by side over 4*LANES columns, and
// SG / LANES times one above the other: each such team computes ROWS rows. Every lane loads other rows of
// A and its own four columns of B; the rows of A then go round the team. No barriers and no workgroup
// memory: the fast way on CPU drivers. More rows would not fit the instruction cache.
//
// row_a, load_a, column_b, load_b and epilogue stand for themselves here; generated code replaces them.
enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u;   // divides ROWS and SG
const PARTS: u32 = 2u;   // ROWS / LANES
const TEAMS: u32 = 1u;   // SG / LANES
const INSIDE: u32 = 1u;  // products that share a tile, the epilogue among them
override SG: u32 = 8u;   // lanes of a subgroup
override M: u32 = 64u;
override N: u32 = 64u;
override KO: u32 = 1u;   // the depth is KO outer steps
override KI: u32 = 64u;  // of KI inner ones
override TILES_M: u32 = 4u;  // tiles above each other in one product,
override TILES: u32 = 4u;    // in all of them,
override GRID_Y: u32 = 4u;   // and in one layer of workgroups
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

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = w.y + w.z / LAYERS_X * GRID_Y;
  let across = w.x + w.z % LAYERS_X * GRID_X;
  if (tile >= TILES) { return; }
  // Zero, which no compiler can tell: loops from it are not unrolled.
  let zero = tile / TILES;
  let batch = tile / TILES_M;
  let column = select(lane % LANES, lane, TEAMS == 1u);
  let first = select(lane - column, 0u, TEAMS == 1u);  // known where there is one team
  let row = ((tile % TILES_M) * TEAMS + lane / LANES) * ROWS;
  let n = (across * LANES + column) * 4u;
  // What the epilogue reads, in a loop that no compiler unrolls: it is compiled once, not once for each row.
  var done: Done;
  for (var l = 0u; l < INSIDE; l++) {  // unroll
    let product = l * (TILES / TILES_M) + batch;
    var acc: array<vec4f, ROWS>;
    for (var t = zero; t < KO; t++) {
      var rows: array<vec4u, PARTS>;
      for (var p = 0u; p < PARTS; p++) { rows[p] = row_a(product, row + p * LANES + column, t); }
      let columns = column_b(product, n, t);
      for (var k = zero; k < KI; k += 4u) {
        let y = load_b(columns, k);
        for (var p = 0u; p < PARTS; p++) {  // unroll
          let x = load_a(rows[p], k);
          for (var i = 0u; i < LANES; i++) {  // unroll
            let s = subgroupShuffle(x, first + i);
            let j = p * LANES + i;
            acc[j] = fma(vec4f(s.w), y[3], fma(vec4f(s.z), y[2], fma(vec4f(s.y), y[1], fma(vec4f(s.x), y[0], acc[j]))));
          }
        }
      }
    }
    for (var i = 0u; i < SUMS; i++) { done[l * SUMS + i] = acc[i]; }
  }
  if (n >= N) { return; }
  let end = min(row + ROWS, M);
  for (var m = row; m < end; m++) { epilogue(batch, m, n, &done, m - row); }
}

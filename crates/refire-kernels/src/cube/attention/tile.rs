//! Products of tiles: what all kernels of attention are made of.
//!
//! A cube of 256 units works on 64 rows of its own and meets others, 32 at a time, in two kinds of
//! product: each own row with each of the others over the width of a head, and a weighted sum of the
//! others for each own row. Both read chunks of rows that the units fetch together.

use crate::cube::memory::UNITS;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Numbers of a vector.
pub(super) const LANES: usize = 4;
/// Rows that a cube owns.
pub(super) const ROWS: usize = 64;
/// Rows that it meets at a time.
pub(super) const OTHERS: usize = 32;
/// Own rows for which a unit sums.
pub(super) const PART: usize = 4;

/// A row that isn't there.
pub(super) const NOTHING: u32 = u32::MAX;

/// Vectors of a chunk in a product over the width, and how far apart its rows lie: not a multiple
/// of what the banks of shared memory hold.
const CHUNK: usize = 4;
const STRIDE: usize = 5;
/// Vectors of a chunk in a weighted sum.
pub(super) const WIDE: usize = 16;
/// Vectors of the memory for chunks, and of that for weights.
pub(super) const CHUNKS: usize = OTHERS * WIDE;
pub(super) const WEIGHTS: usize = ROWS * WEIGHT_STRIDE;
/// How far apart a row's weights lie, in vectors.
pub(super) const WEIGHT_STRIDE: usize = OTHERS / LANES + 1;

pub(super) type Four<F> = Vector<F, Const<4>>;

/// Shapes that a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Dims {
    pub heads: usize,
    pub kv: usize,
    /// Vectors of a head.
    pub vectors: usize,
    /// Whether scores are capped.
    pub capped: bool,
}

/// Numbers that a unit sums up in [`mix`].
pub(super) fn mixed(vectors: usize) -> usize {
    vectors.div_ceil(WIDE) * PART
}

/// Fetches vectors `first..first + width` of rows that begin where `rows` says.
#[cube]
fn fetch<F: Float>(
    source: &[Four<F>],
    rows: &Shared<[u32]>,
    chunks: &mut Shared<[Four<f32>]>,
    first: usize,
    #[comptime] vectors: usize,
    #[comptime] shape: [usize; 4],
) {
    let count = comptime!(shape[0]);
    let width = comptime!(shape[1]);
    let stride = comptime!(shape[2]);
    let at = comptime!(shape[3]);
    #[unroll]
    for step in 0..comptime!((count * width).div_ceil(UNITS)) {
        let index = UNIT_POS as usize + step * UNITS;
        if index < count * width {
            let row = index / width;
            let vector = index % width;
            let begin = rows[row];
            let mut value = Four::<f32>::new(0.0);
            if begin != NOTHING && first + vector < vectors {
                value = Four::<f32>::cast_from(source[begin as usize + first + vector]);
            }
            chunks[at + row * stride + vector] = value;
        }
    }
}

/// The products of this unit's two own rows with four of the others, see [`own_row`] and
/// [`other_row`]. Ends before all units have read: synchronise before chunks are written.
#[cube]
pub(super) fn products<F: Float>(
    own: &[Four<F>],
    own_rows: &Shared<[u32]>,
    other: &[Four<F>],
    other_rows: &Shared<[u32]>,
    chunks: &mut Shared<[Four<f32>]>,
    sums: &mut Array<f32>,
    #[comptime] vectors: usize,
) {
    let row = UNIT_POS as usize / 8 * 2;
    let col = UNIT_POS as usize % 8;
    let others = comptime!(ROWS * STRIDE);
    let mut parts = Array::<Four<f32>>::new(8usize);
    #[unroll]
    for i in 0..8usize {
        parts[i] = Four::<f32>::new(0.0);
    }
    for chunk in 0..comptime!(vectors.div_ceil(CHUNK)) {
        let first = chunk * CHUNK;
        sync_cube();
        fetch::<F>(own, own_rows, chunks, first, vectors, comptime!([ROWS, CHUNK, STRIDE, 0]));
        fetch::<F>(
            other,
            other_rows,
            chunks,
            first,
            vectors,
            comptime!([OTHERS, CHUNK, STRIDE, ROWS * STRIDE]),
        );
        sync_cube();
        #[unroll]
        for vector in 0..CHUNK {
            let a = chunks[row * STRIDE + vector];
            let b = chunks[(row + 1) * STRIDE + vector];
            #[unroll]
            for j in 0..4usize {
                let c = chunks[others + (col + 8 * j) * STRIDE + vector];
                parts[j] += a * c;
                parts[4 + j] += b * c;
            }
        }
    }
    #[unroll]
    for i in 0..8usize {
        sums[i] = across(parts[i]);
    }
}

/// The sum of a vector's numbers.
#[cube]
pub(super) fn across(four: Four<f32>) -> f32 {
    (four.extract(0usize) + four.extract(1usize)) + (four.extract(2usize) + four.extract(3usize))
}

/// Own row `i` (of two) of this unit's products.
#[cube]
pub(super) fn own_row(#[comptime] i: usize) -> u32 {
    UNIT_POS / 8 * 2 + comptime!(i as u32)
}

/// Other row `j` (of four) of this unit's products.
#[cube]
pub(super) fn other_row(#[comptime] j: usize) -> u32 {
    UNIT_POS % 8 + comptime!(8 * j as u32)
}

/// Hands over this unit's eight weights, in the order of [`products`].
#[cube]
pub(super) fn write_weights(weights: &mut Shared<[Four<f32>]>, values: &Array<f32>) {
    #[unroll]
    for i in 0..2usize {
        let mut four = Four::<f32>::new(0.0);
        #[unroll]
        for j in 0..4usize {
            four.insert(j, values[i * 4 + j]);
        }
        let row = UNIT_POS as usize / 8 * 2 + i;
        weights[row * WEIGHT_STRIDE + UNIT_POS as usize % 8] = four;
    }
}

/// Adds to this unit's part of its four own rows the others, weighted. Ends before all units have
/// read: synchronise before chunks or weights are written.
#[cube]
pub(super) fn mix<F: Float>(
    other: &[Four<F>],
    other_rows: &Shared<[u32]>,
    weights: &Shared<[Four<f32>]>,
    chunks: &mut Shared<[Four<f32>]>,
    sums: &mut Array<Four<f32>>,
    #[comptime] vectors: usize,
) {
    let row = UNIT_POS as usize / WIDE * PART;
    let col = UNIT_POS as usize % WIDE;
    #[unroll]
    for chunk in 0..comptime!(vectors.div_ceil(WIDE)) {
        sync_cube();
        fetch::<F>(
            other,
            other_rows,
            chunks,
            chunk * WIDE,
            vectors,
            comptime!([OTHERS, WIDE, WIDE, 0]),
        );
        sync_cube();
        for four in 0..comptime!(OTHERS / LANES) {
            let a = weights[row * WEIGHT_STRIDE + four];
            let b = weights[(row + 1) * WEIGHT_STRIDE + four];
            let c = weights[(row + 2) * WEIGHT_STRIDE + four];
            let d = weights[(row + 3) * WEIGHT_STRIDE + four];
            #[unroll]
            for j in 0..LANES {
                let value = chunks[(four + 8 * j) * WIDE + col];
                sums[chunk * PART] += Four::<f32>::new(a.extract(j)) * value;
                sums[chunk * PART + 1] += Four::<f32>::new(b.extract(j)) * value;
                sums[chunk * PART + 2] += Four::<f32>::new(c.extract(j)) * value;
                sums[chunk * PART + 3] += Four::<f32>::new(d.extract(j)) * value;
            }
        }
    }
}

/// Writes this unit's part of its four own rows, those that are there.
#[cube]
pub(super) fn write_rows<F: Float>(
    target: &mut [Four<F>],
    rows: &Shared<[u32]>,
    sums: &Array<Four<f32>>,
    #[comptime] vectors: usize,
) {
    let row = UNIT_POS as usize / WIDE * PART;
    let col = UNIT_POS as usize % WIDE;
    #[unroll]
    for chunk in 0..comptime!(vectors.div_ceil(WIDE)) {
        let vector = chunk * WIDE + col;
        #[unroll]
        for i in 0..PART {
            let begin = rows[row + i];
            if begin != NOTHING && vector < vectors {
                target[begin as usize + vector] = Four::<F>::cast_from(sums[chunk * PART + i]);
            }
        }
    }
}

/// A score as it enters the softmax.
#[cube]
pub(super) fn score(product: f32, scale: f32, cap: f32, #[comptime] capped: bool) -> f32 {
    let mut score = product * scale;
    if comptime!(capped) {
        score = cap * (score / cap).tanh();
    }
    score
}

/// Whether a query sees a key, by their positions.
#[cube]
pub(super) fn sees(query: u32, key: u32, reach: u32) -> bool {
    key <= query && query - key < reach
}

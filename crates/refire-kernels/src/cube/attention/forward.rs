//! Results `[n, heads, d]`, with a running maximum and sum for each query (FlashAttention, Dao et
//! al., arXiv 2205.14135), over the 32 keys that come next:
//!
//! ```text
//! m' = max(m, max_j s_j)     l' = l exp(m - m') + sum_j exp(s_j - m')
//! o' = o exp(m - m') + sum_j exp(s_j - m') v_j          L = m + log l     y = o / l
//! ```

use super::map::ENTRY;
use super::tile::{
    CHUNKS, Dims, Four, NOTHING, OTHERS, PART, ROWS, WEIGHT_STRIDE, WEIGHTS, WIDE, mix, mixed,
    other_row, own_row, products, score, sees, write_rows, write_weights,
};
use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Stands for the score of a key that isn't seen.
pub(super) const UNSEEN: f32 = -1e30;

/// One cube for each tile of queries and each head.
#[cube(launch)]
pub(super) fn forward<F: Float>(
    q: &[Four<F>],
    k: &[Four<F>],
    v: &[Four<F>],
    map: &[u32],
    result: &mut [Four<F>],
    log_sums: &mut [f32],
    scale: f32,
    cap: f32,
    reach: u32,
    #[comptime] dims: Dims,
    #[define(F)] _format: ElemType,
) {
    let heads = comptime!(dims.heads as u32);
    let kv = comptime!(dims.kv as u32);
    let vectors = comptime!(dims.vectors);
    let width = comptime!(dims.vectors as u32);
    let entry = CUBE_POS_X as usize * ENTRY;
    let first = map[entry];
    let count = map[entry + 1];
    let position = map[entry + 2];
    let places = map[entry + 3];
    let head = CUBE_POS_Y;
    let kv_head = head / comptime!(dims.heads as u32 / dims.kv as u32);

    let mut own = Shared::<[u32]>::new_slice(ROWS);
    let mut other = Shared::<[u32]>::new_slice(OTHERS);
    let mut factors = Shared::<[f32]>::new_slice(ROWS);
    let mut chunks = Shared::<[Four<f32>]>::new_slice(CHUNKS);
    let mut weights = Shared::<[Four<f32>]>::new_slice(WEIGHTS);
    let mut sums = Array::<f32>::new(8usize);
    let mut out = Array::<Four<f32>>::new(comptime!(mixed(vectors)));
    #[unroll]
    for i in 0..comptime!(mixed(vectors)) {
        out[i] = Four::<f32>::new(0.0);
    }
    if UNIT_POS < comptime!(ROWS as u32) {
        own[UNIT_POS as usize] = row_of(first, UNIT_POS, count, heads, head, width);
    }
    // Of own row `UNIT_POS`, kept by the first units.
    let mut most = f32::new(UNSEEN);
    let mut total = f32::new(0.0);

    let mut start = oldest(position, reach);
    let end = position + count;
    while start < end {
        sync_cube();
        if UNIT_POS < comptime!(OTHERS as u32) {
            other[UNIT_POS as usize] = key_row(map, places, start, end, kv, kv_head, width);
        }
        products::<F>(q, &own, k, &other, &mut chunks, &mut sums, vectors);
        #[unroll]
        for i in 0..2usize {
            let query = position + own_row(i);
            #[unroll]
            for j in 0..4usize {
                let key = start + other_row(j);
                let mut value = f32::new(UNSEEN);
                if own_row(i) < count && sees(query, key, reach) {
                    value = score(sums[i * 4 + j], scale, cap, dims.capped);
                }
                sums[i * 4 + j] = value;
            }
        }
        write_weights(&mut weights, &sums);
        sync_cube();
        if UNIT_POS < comptime!(ROWS as u32) {
            let row = UNIT_POS as usize * WEIGHT_STRIDE;
            let before = most;
            for four in 0..comptime!(OTHERS / 4) {
                let scores = weights[row + four];
                #[unroll]
                for j in 0..4usize {
                    most = max(most, scores.extract(j));
                }
            }
            let factor = (before - most).exp();
            factors[UNIT_POS as usize] = factor;
            total *= factor;
            for four in 0..comptime!(OTHERS / 4) {
                let scores = weights[row + four];
                let mut exps = Four::<f32>::new(0.0);
                #[unroll]
                for j in 0..4usize {
                    let mut e = f32::new(0.0);
                    if scores.extract(j) != UNSEEN {
                        e = (scores.extract(j) - most).exp();
                    }
                    total += e;
                    exps.insert(j, e);
                }
                weights[row + four] = exps;
            }
        }
        sync_cube();
        rescale(&factors, &mut out, vectors);
        mix::<F>(v, &other, &weights, &mut chunks, &mut out, vectors);
        start += comptime!(OTHERS as u32);
    }
    if UNIT_POS < comptime!(ROWS as u32) {
        factors[UNIT_POS as usize] = 1.0 / total;
        if UNIT_POS < count {
            log_sums[((first + UNIT_POS) * heads + head) as usize] = most + total.ln();
        }
    }
    sync_cube();
    rescale(&factors, &mut out, vectors);
    write_rows::<F>(result, &own, &out, vectors);
}

/// Where the vectors of row `row` of a tile begin.
#[cube]
pub(super) fn row_of(first: u32, row: u32, count: u32, heads: u32, head: u32, width: u32) -> u32 {
    let mut begin = NOTHING.runtime();
    if row < count {
        begin = ((first + row) * heads + head) * width;
    }
    begin
}

/// Where the vectors of this unit's key begin.
#[cube]
pub(super) fn key_row(
    map: &[u32],
    places: u32,
    start: u32,
    end: u32,
    kv: u32,
    kv_head: u32,
    width: u32,
) -> u32 {
    let position = start + UNIT_POS;
    let mut begin = NOTHING.runtime();
    if position < end {
        begin = (map[(places + position) as usize] * kv + kv_head) * width;
    }
    begin
}

/// The first position that a query at this one sees.
#[cube]
pub(super) fn oldest(position: u32, reach: u32) -> u32 {
    let mut start = 0u32.runtime();
    if position >= reach {
        start = position + 1 - reach;
    }
    start
}

/// This unit's part of its rows, each by its factor.
#[cube]
fn rescale(factors: &Shared<[f32]>, out: &mut Array<Four<f32>>, #[comptime] vectors: usize) {
    #[unroll]
    for i in 0..PART {
        let factor = Four::<f32>::new(factors[UNIT_POS as usize / WIDE * PART + i]);
        #[unroll]
        for chunk in 0..comptime!(mixed(vectors) / PART) {
            out[chunk * PART + i] *= factor;
        }
    }
}

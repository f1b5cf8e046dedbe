//! Gradients (FlashAttention 2, Dao, arXiv 2307.08691). Weights are made again from the logarithms
//! `L` `[n, heads]` of sums that the forward pass has left:
//!
//! ```text
//! p_ij = exp(s_ij - L_i)      D_i = sum(o_i do_i)      ds_ij = p_ij (do_i v_j - D_i) ds/dx
//! dq_i = sum_j ds_ij k_j      dk_j = sum_i ds_ij q_i   dv_j = sum_i p_ij do_i
//! ```

use super::forward::{key_row, oldest, row_of};
use super::map::ENTRY;
use super::tile::{
    CHUNKS, Dims, Four, OTHERS, ROWS, WEIGHTS, across, mix, mixed, other_row, own_row, products,
    score, sees, write_rows, write_weights,
};
use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// `D_i`, one query of one head by each unit.
#[cube(launch)]
pub(super) fn dots<F: Float>(
    result: &[Four<F>],
    grad: &[Four<F>],
    dots: &mut [f32],
    rows: u32,
    #[comptime] vectors: usize,
    #[define(F)] _format: ElemType,
) {
    let row = ABSOLUTE_POS;
    if row < rows as usize {
        let mut sum = Four::<f32>::new(0.0);
        for vector in 0..vectors {
            let at = row * vectors + vector;
            sum += Four::<f32>::cast_from(result[at]) * Four::<f32>::cast_from(grad[at]);
        }
        dots[row] = across(sum);
    }
}

/// Gradients of queries: one cube for each tile of them and each head.
#[cube(launch)]
pub(super) fn query_grads<F: Float>(
    q: &[Four<F>],
    k: &[Four<F>],
    v: &[Four<F>],
    grad: &[Four<F>],
    log_sums: &[f32],
    dots: &[f32],
    map: &[u32],
    result: &mut [Four<F>],
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
    let mut chunks = Shared::<[Four<f32>]>::new_slice(CHUNKS);
    let mut weights = Shared::<[Four<f32>]>::new_slice(WEIGHTS);
    let mut sums = Array::<f32>::new(8usize);
    let mut grads = Array::<f32>::new(8usize);
    let mut out = Array::<Four<f32>>::new(comptime!(mixed(vectors)));
    #[unroll]
    for i in 0..comptime!(mixed(vectors)) {
        out[i] = Four::<f32>::new(0.0);
    }
    if UNIT_POS < comptime!(ROWS as u32) {
        own[UNIT_POS as usize] = row_of(first, UNIT_POS, count, heads, head, width);
    }

    let mut start = oldest(position, reach);
    let end = position + count;
    while start < end {
        sync_cube();
        if UNIT_POS < comptime!(OTHERS as u32) {
            other[UNIT_POS as usize] = key_row(map, places, start, end, kv, kv_head, width);
        }
        products::<F>(q, &own, k, &other, &mut chunks, &mut sums, vectors);
        products::<F>(grad, &own, v, &other, &mut chunks, &mut grads, vectors);
        #[unroll]
        for i in 0..2usize {
            let row = own_row(i);
            #[unroll]
            for j in 0..4usize {
                let key = start + other_row(j);
                let mut value = f32::new(0.0);
                if row < count && sees(position + row, key, reach) {
                    let at = ((first + row) * heads + head) as usize;
                    let s = score(sums[i * 4 + j], scale, cap, dims.capped);
                    let p = (s - log_sums[at]).exp();
                    value = p * (grads[i * 4 + j] - dots[at]) * slope(s, scale, cap, dims.capped);
                }
                sums[i * 4 + j] = value;
            }
        }
        write_weights(&mut weights, &sums);
        mix::<F>(k, &other, &weights, &mut chunks, &mut out, vectors);
        start += comptime!(OTHERS as u32);
    }
    write_rows::<F>(result, &own, &out, vectors);
}

/// Gradients of keys and values: one cube for each tile of them and each head of theirs.
#[cube(launch)]
pub(super) fn key_grads<F: Float>(
    q: &[Four<F>],
    k: &[Four<F>],
    v: &[Four<F>],
    grad: &[Four<F>],
    log_sums: &[f32],
    dots: &[f32],
    map: &[u32],
    k_result: &mut [Four<F>],
    v_result: &mut [Four<F>],
    scale: f32,
    cap: f32,
    reach: u32,
    #[comptime] dims: Dims,
    #[define(F)] _format: ElemType,
) {
    let heads = comptime!(dims.heads as u32);
    let kv = comptime!(dims.kv as u32);
    let groups = comptime!(dims.heads as u32 / dims.kv as u32);
    let vectors = comptime!(dims.vectors);
    let width = comptime!(dims.vectors as u32);
    let entry = CUBE_POS_X as usize * ENTRY;
    let first = map[entry];
    let count = map[entry + 1];
    let position = map[entry + 2];
    let from = map[entry + 4];
    let to = map[entry + 5];
    let kv_head = CUBE_POS_Y;

    let mut own = Shared::<[u32]>::new_slice(ROWS);
    let mut other = Shared::<[u32]>::new_slice(OTHERS);
    let mut chunks = Shared::<[Four<f32>]>::new_slice(CHUNKS);
    let mut weights = Shared::<[Four<f32>]>::new_slice(WEIGHTS);
    let mut sums = Array::<f32>::new(8usize);
    let mut grads = Array::<f32>::new(8usize);
    let mut k_out = Array::<Four<f32>>::new(comptime!(mixed(vectors)));
    let mut v_out = Array::<Four<f32>>::new(comptime!(mixed(vectors)));
    #[unroll]
    for i in 0..comptime!(mixed(vectors)) {
        k_out[i] = Four::<f32>::new(0.0);
        v_out[i] = Four::<f32>::new(0.0);
    }
    if UNIT_POS < comptime!(ROWS as u32) {
        own[UNIT_POS as usize] = row_of(first, UNIT_POS, count, kv, kv_head, width);
    }

    // Tiles that see this one, in halves, for each head that reads this head of keys.
    for index in from..to {
        let seeing = map[index as usize] as usize * ENTRY;
        let begin = map[seeing];
        let rows = map[seeing + 1];
        let at_position = map[seeing + 2];
        // The newest key is the one that the window keeps longest.
        let newest = position + count - 1;
        let within = at_position < newest || sees(at_position, newest, reach);
        if within {
            for half in 0..comptime!((ROWS / OTHERS) as u32) {
                let skip = half * comptime!(OTHERS as u32);
                for group in 0..groups {
                    let head = kv_head * groups + group;
                    sync_cube();
                    if UNIT_POS < comptime!(OTHERS as u32) {
                        other[UNIT_POS as usize] =
                            row_of(begin, skip + UNIT_POS, rows, heads, head, width);
                    }
                    products::<F>(k, &own, q, &other, &mut chunks, &mut sums, vectors);
                    products::<F>(v, &own, grad, &other, &mut chunks, &mut grads, vectors);
                    #[unroll]
                    for i in 0..2usize {
                        let row = own_row(i);
                        #[unroll]
                        for j in 0..4usize {
                            let query = skip + other_row(j);
                            let mut weight = f32::new(0.0);
                            let mut value = f32::new(0.0);
                            let seen = sees(at_position + query, position + row, reach);
                            if row < count && query < rows && seen {
                                let at = ((begin + query) * heads + head) as usize;
                                let s = score(sums[i * 4 + j], scale, cap, dims.capped);
                                weight = (s - log_sums[at]).exp();
                                value = weight
                                    * (grads[i * 4 + j] - dots[at])
                                    * slope(s, scale, cap, dims.capped);
                            }
                            sums[i * 4 + j] = weight;
                            grads[i * 4 + j] = value;
                        }
                    }
                    write_weights(&mut weights, &sums);
                    mix::<F>(grad, &other, &weights, &mut chunks, &mut v_out, vectors);
                    sync_cube();
                    write_weights(&mut weights, &grads);
                    mix::<F>(q, &other, &weights, &mut chunks, &mut k_out, vectors);
                }
            }
        }
    }
    write_rows::<F>(k_result, &own, &k_out, vectors);
    write_rows::<F>(v_result, &own, &v_out, vectors);
}

/// Derivative of a score by the product it is made of.
#[cube]
fn slope(score: f32, scale: f32, cap: f32, #[comptime] capped: bool) -> f32 {
    let mut slope = scale;
    if comptime!(capped) {
        let part = score / cap;
        slope = scale * (1.0 - part * part);
    }
    slope
}

//! One new token of each sequence, as in every step of decoding: `q` `[sequences, heads, d]`, a store
//! `[places, kv_heads, d]` read by place. Splits of the keys are joined by their greatest scores and
//! sums (Flash-Decoding, Dao and others, 2023):
//!
//! ```text
//! m = max_s m_s      o = sum_s exp(m_s - m) o_s / sum_s exp(m_s - m) l_s
//! ```

use super::forward::{UNSEEN, key_row, oldest};
use super::map::ENTRY;
use super::tile::{Dims, Four, NOTHING, across, score, sees};
use crate::cube::memory::UNITS;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Units that look for the greatest score of a head together.
const SEEKERS: usize = 16;

/// One cube for each token, each `dims.group` heads that share keys, and each split of the keys.
///
/// Each unit makes the scores of one key in 256; then those that hold the same vector of a head sum
/// over the keys. With one split the result is whole; with several, `combine` makes it of their
/// unfinished sums, greatest scores and sums of exponentials.
#[cube(launch)]
pub(super) fn newest<F: Float, O: Float>(
    q: &[Four<F>],
    k: &[Four<F>],
    v: &[Four<F>],
    map: &[u32],
    result: &mut [Four<O>],
    stats: &mut [f32],
    scale: f32,
    cap: f32,
    reach: u32,
    #[comptime] dims: Dims,
    #[comptime] group: usize,
    #[comptime] split: bool,
    #[define(F, O)] _formats: [ElemType; 2],
) {
    let heads = comptime!(dims.heads as u32);
    let kv = comptime!(dims.kv as u32);
    let vectors = comptime!(dims.vectors);
    let width = comptime!(dims.vectors as u32);
    let slices = comptime!(UNITS / dims.vectors);
    let entry = CUBE_POS_X as usize * ENTRY;
    let first = map[entry];
    let position = map[entry + 2];
    let places = map[entry + 3];
    let head = CUBE_POS_Y * comptime!(group as u32);
    let kv_head = head / comptime!(dims.heads as u32 / dims.kv as u32);
    let unit = UNIT_POS as usize;
    let slice = unit / vectors;
    let vector = unit % vectors;

    let mut queries = Shared::<[Four<f32>]>::new_slice(comptime!(group * dims.vectors));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(group * UNITS));
    let mut rows = Shared::<[u32]>::new_slice(UNITS);
    let mut found = Shared::<[f32]>::new_slice(comptime!(group * SEEKERS));
    let mut parts = Shared::<[Four<f32>]>::new_slice(UNITS);
    let mut most = Array::<f32>::new(group);
    let mut total = Array::<f32>::new(group);
    let mut out = Array::<Four<f32>>::new(group);
    #[unroll]
    for g in 0..group {
        most[g] = f32::new(UNSEEN);
        total[g] = f32::new(0.0);
        out[g] = Four::<f32>::new(0.0);
    }
    let begin = ((first * heads + head) * width) as usize;
    #[unroll]
    for step in 0..comptime!((group * dims.vectors).div_ceil(UNITS)) {
        let index = unit + step * UNITS;
        if index < comptime!(group * dims.vectors) {
            queries[index] = Four::<f32>::cast_from(q[begin + index]);
        }
    }
    sync_cube();

    let mut start = oldest(position, reach) + CUBE_POS_Z * comptime!(UNITS as u32);
    let end = position + 1;
    while start < end {
        let key = start + UNIT_POS;
        let row = key_row(map, places, start, end, kv, kv_head, width);
        rows[unit] = row;
        let mut sums = Array::<Four<f32>>::new(group);
        #[unroll]
        for g in 0..group {
            sums[g] = Four::<f32>::new(0.0);
        }
        if row != NOTHING {
            for at in 0..vectors {
                let value = Four::<f32>::cast_from(k[row as usize + at]);
                #[unroll]
                for g in 0..group {
                    sums[g] += queries[g * vectors + at] * value;
                }
            }
        }
        #[unroll]
        for g in 0..group {
            let mut value = f32::new(UNSEEN);
            if row != NOTHING && sees(position, key, reach) {
                value = score(across(sums[g]), scale, cap, dims.capped);
            }
            weights[g * UNITS + unit] = value;
        }
        sync_cube();
        if unit < comptime!(group * SEEKERS) {
            let scores = unit / SEEKERS * UNITS + unit % SEEKERS;
            let mut greatest = f32::new(UNSEEN);
            for i in 0..comptime!(UNITS / SEEKERS) {
                greatest = max(greatest, weights[scores + i * SEEKERS]);
            }
            found[unit] = greatest;
        }
        sync_cube();
        #[unroll]
        for g in 0..group {
            let mut greatest = most[g];
            for i in 0..SEEKERS {
                greatest = max(greatest, found[g * SEEKERS + i]);
            }
            let factor = (most[g] - greatest).exp();
            most[g] = greatest;
            total[g] *= factor;
            out[g] *= Four::<f32>::new(factor);
            let mut weight = f32::new(0.0);
            if weights[g * UNITS + unit] != UNSEEN {
                weight = (weights[g * UNITS + unit] - greatest).exp();
            }
            weights[g * UNITS + unit] = weight;
        }
        sync_cube();
        if slice < slices {
            let mut limit = end - start;
            if limit > comptime!(UNITS as u32) {
                limit = comptime!(UNITS as u32).runtime();
            }
            let mut at = slice;
            while at < limit as usize {
                let value = Four::<f32>::cast_from(v[rows[at] as usize + vector]);
                #[unroll]
                for g in 0..group {
                    let weight = weights[g * UNITS + at];
                    total[g] += weight;
                    out[g] += Four::<f32>::new(weight) * value;
                }
                at += slices;
            }
        }
        sync_cube();
        start += CUBE_COUNT_Z * comptime!(UNITS as u32);
    }

    #[unroll]
    for g in 0..group {
        if slice < slices {
            parts[unit] = out[g];
            if vector == 0 {
                weights[slice] = total[g];
            }
        }
        sync_cube();
        if unit < vectors {
            let mut sum = Four::<f32>::new(0.0);
            let mut whole = f32::new(0.0);
            for i in 0..slices {
                sum += parts[i * vectors + unit];
                whole += weights[i];
            }
            let row = first * heads + head + comptime!(g as u32);
            if comptime!(split) {
                let row = (row * CUBE_COUNT_Z + CUBE_POS_Z) as usize;
                result[row * vectors + unit] = Four::<O>::cast_from(sum);
                if unit == 0 {
                    stats[row * 2] = most[g];
                    stats[row * 2 + 1] = whole;
                }
            } else {
                let sum = sum / Four::<f32>::new(whole);
                result[row as usize * vectors + unit] = Four::<O>::cast_from(sum);
            }
        }
        sync_cube();
    }
}

/// The result of splits, one vector by each unit.
#[cube(launch)]
pub(super) fn combine<F: Float>(
    parts: &[Four<f32>],
    stats: &[f32],
    result: &mut [Four<F>],
    splits: u32,
    total: u32,
    #[comptime] vectors: usize,
    #[define(F)] _format: ElemType,
) {
    let index = ABSOLUTE_POS;
    if index < total as usize {
        let row = index / vectors * splits as usize;
        let vector = index % vectors;
        let mut most = f32::new(UNSEEN);
        for split in 0..splits as usize {
            most = max(most, stats[(row + split) * 2]);
        }
        let mut sum = Four::<f32>::new(0.0);
        let mut whole = f32::new(0.0);
        for split in 0..splits as usize {
            let weight = (stats[(row + split) * 2] - most).exp();
            whole += weight * stats[(row + split) * 2 + 1];
            sum += Four::<f32>::new(weight) * parts[(row + split) * vectors + vector];
        }
        result[index] = Four::<F>::cast_from(sum / Four::<f32>::new(whole));
    }
}

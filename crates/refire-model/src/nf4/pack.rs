//! Quantising on the host, block by block.

use super::book::{NF4, dynamic, nearest};
use rayon::prelude::*;

/// Weights that share a scale.
pub(super) const BLOCK: usize = 64;
/// Scales that share a scale of theirs.
pub(super) const SCALES: usize = 256;
/// 4-bit codes in a word.
pub(super) const CODES: usize = 8;

/// A matrix's codes, as words.
pub(super) struct Codes {
    /// Eight codes in each, the first in the lowest bits; whole blocks.
    pub(super) codes: Vec<i32>,
    /// Codes of the blocks' scales, four in each word.
    pub(super) scales: Vec<i32>,
    /// The scales' own scales.
    pub(super) second: Vec<f32>,
    /// The scales' mean.
    pub(super) mean: f32,
}

/// Quantises values in the order of rows.
pub(super) fn pack(values: &[f32]) -> Codes {
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    let scales: Vec<f32> = values.par_chunks(BLOCK).map(largest).collect();
    let blocks = values.par_chunks(BLOCK).zip(&scales);
    let codes = blocks.flat_map_iter(|(values, scale)| words(values, *scale)).collect();
    let mean = scales.iter().map(|s| f64::from(*s)).sum::<f64>() / scales.len().max(1) as f64;
    let mean = mean as f32;
    let (book, mut second, mut bytes) = (dynamic(), Vec::new(), Vec::with_capacity(scales.len()));
    for group in scales.chunks(SCALES) {
        let group: Vec<f32> = group.iter().map(|scale| scale - mean).collect();
        let scale = largest(&group);
        bytes.extend(group.iter().map(|x| nearest(&book, relative(*x, scale)) as u8));
        second.push(scale);
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let words = bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Codes { codes, scales: words.collect(), second, mean }
}

fn relative(x: f32, scale: f32) -> f32 {
    if scale > 0.0 { x / scale } else { 0.0 }
}

/// A block's codes; what it lacks at the end of a matrix is filled up with codes of 0.
fn words(values: &[f32], scale: f32) -> [i32; BLOCK / CODES] {
    let mut words = [0_u32; BLOCK / CODES];
    for place in 0..BLOCK {
        let x = values.get(place).map_or(0.0, |value| relative(*value, scale));
        words[place / CODES] |= (nearest(&NF4, x) as u32) << (4 * (place % CODES));
    }
    words.map(|word| word as i32)
}

/// The blocks' scales.
pub(super) fn scales(codes: &[i32], second: &[f32], mean: f32, blocks: usize) -> Vec<f32> {
    let book = dynamic();
    let bytes = codes.iter().flat_map(|word| word.to_le_bytes()).take(blocks);
    bytes.enumerate().map(|(i, byte)| book[byte as usize] * second[i / SCALES] + mean).collect()
}

/// The reverse of [`pack`], into `count` values.
pub(super) fn unpack(codes: &[i32], scales: &[f32], count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    let blocks = codes.par_chunks(BLOCK / CODES).zip(scales);
    values.par_chunks_mut(BLOCK).zip(blocks).with_min_len(256).for_each(
        |(values, (words, scale))| {
            let book = NF4.map(|value| value * scale);
            for (values, word) in values.chunks_mut(CODES).zip(words) {
                let mut rest = *word as u32;
                for value in values {
                    *value = book[(rest & 15) as usize];
                    rest >>= 4;
                }
            }
        },
    );
    values
}

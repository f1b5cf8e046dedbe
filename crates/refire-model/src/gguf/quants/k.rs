//! Blocks of 256 values in parts that have quantised scales of their own.

use super::half;

pub(super) fn q4_k(block: &[u8], y: &mut [f32]) {
    let scales = Scales::new(block);
    let parts = block[16..].chunks_exact(32).zip(y.chunks_exact_mut(64));
    for (pair, (bytes, y)) in parts.enumerate() {
        let (low, high) = y.split_at_mut(32);
        let [first, second] = [scales.part(2 * pair), scales.part(2 * pair + 1)];
        for (i, byte) in bytes.iter().enumerate() {
            low[i] = first.value(byte & 15);
            high[i] = second.value(byte >> 4);
        }
    }
}

pub(super) fn q5_k(block: &[u8], y: &mut [f32]) {
    let scales = Scales::new(block);
    let fifth = &block[16..48];
    let parts = block[48..].chunks_exact(32).zip(y.chunks_exact_mut(64));
    for (pair, (bytes, y)) in parts.enumerate() {
        let (low, high) = y.split_at_mut(32);
        let [first, second] = [scales.part(2 * pair), scales.part(2 * pair + 1)];
        for (i, byte) in bytes.iter().enumerate() {
            let bit = |part: usize| (fifth[i] >> part & 1) << 4;
            low[i] = first.value((byte & 15) | bit(2 * pair));
            high[i] = second.value((byte >> 4) | bit(2 * pair + 1));
        }
    }
}

pub(super) fn q6_k(block: &[u8], y: &mut [f32]) {
    let d = half(&block[208..]);
    let halves = block[..128].chunks_exact(64).zip(block[128..192].chunks_exact(32));
    let halves = halves.zip(block[192..208].chunks_exact(8)).zip(y.chunks_exact_mut(128));
    for (((low, high), scales), y) in halves {
        for i in 0..32 {
            for part in 0..4 {
                let four = low[i + part % 2 * 32] >> (part / 2 * 4) & 15;
                let two = high[i] >> (2 * part) & 3;
                let q = f32::from(four | two << 4) - 32.0;
                let scale = f32::from(scales[2 * part + i / 16].cast_signed());
                y[part * 32 + i] = d * scale * q;
            }
        }
    }
}

/// Scales and minima of the eight parts of a block, 6 bits each in 12 bytes.
struct Scales<'a> {
    d: f32,
    min: f32,
    packed: &'a [u8],
}

/// Scale and minimum of one part.
struct Part {
    scale: f32,
    min: f32,
}

impl<'a> Scales<'a> {
    fn new(block: &'a [u8]) -> Self {
        Self { d: half(block), min: half(&block[2..]), packed: &block[4..16] }
    }

    fn part(&self, part: usize) -> Part {
        let p = self.packed;
        let (scale, min) = match part {
            0..4 => (p[part] & 63, p[part + 4] & 63),
            _ => (
                (p[part + 4] & 15) | (p[part - 4] >> 6) << 4,
                (p[part + 4] >> 4) | (p[part] >> 6) << 4,
            ),
        };
        Part { scale: self.d * f32::from(scale), min: self.min * f32::from(min) }
    }
}

impl Part {
    fn value(&self, q: u8) -> f32 {
        self.scale * f32::from(q) - self.min
    }
}

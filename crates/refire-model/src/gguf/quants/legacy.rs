//! Blocks of 32 values. The low halves of 16 bytes are the first 16 values, the high halves the
//! others.

use super::half;

pub(super) fn q4_0(block: &[u8], y: &mut [f32]) {
    let d = half(block);
    for (i, byte) in block[2..].iter().enumerate() {
        y[i] = (f32::from(byte & 15) - 8.0) * d;
        y[i + 16] = (f32::from(byte >> 4) - 8.0) * d;
    }
}

pub(super) fn q4_1(block: &[u8], y: &mut [f32]) {
    let (d, m) = (half(block), half(&block[2..]));
    for (i, byte) in block[4..].iter().enumerate() {
        y[i] = f32::from(byte & 15) * d + m;
        y[i + 16] = f32::from(byte >> 4) * d + m;
    }
}

pub(super) fn q5_0(block: &[u8], y: &mut [f32]) {
    let d = half(block);
    five_bits(&block[2..], y);
    y.iter_mut().for_each(|q| *q = (*q - 16.0) * d);
}

pub(super) fn q5_1(block: &[u8], y: &mut [f32]) {
    let (d, m) = (half(block), half(&block[2..]));
    five_bits(&block[4..], y);
    y.iter_mut().for_each(|q| *q = *q * d + m);
}

pub(super) fn q8_0(block: &[u8], y: &mut [f32]) {
    let d = half(block);
    y.iter_mut().zip(&block[2..]).for_each(|(y, byte)| *y = f32::from(byte.cast_signed()) * d);
}

/// Four bytes hold the fifth bits of all values, 16 bytes the other four.
fn five_bits(bytes: &[u8], y: &mut [f32]) {
    let high = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let fifth = |i: usize| if high >> i & 1 == 1 { 16_u8 } else { 0 };
    for (i, byte) in bytes[4..].iter().enumerate() {
        y[i] = f32::from((byte & 15) | fifth(i));
        y[i + 16] = f32::from((byte >> 4) | fifth(i + 16));
    }
}

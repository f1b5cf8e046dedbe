//! Formats of quantised weights: blocks of values with scales of their own.

mod k;
mod legacy;
#[cfg(test)]
mod tests;

use half::{bf16, f16};

/// How the values of a GGUF tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GgufType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// bfloat16.
    Bf16,
    /// 4 bits: `d (q - 8)`, blocks of 32.
    Q4_0,
    /// 4 bits: `d q + m`, blocks of 32.
    Q4_1,
    /// 5 bits: `d (q - 16)`, blocks of 32.
    Q5_0,
    /// 5 bits: `d q + m`, blocks of 32.
    Q5_1,
    /// 8 bits: `d q`, blocks of 32.
    Q8_0,
    /// 4 bits: `d s q - d' m`, blocks of 256 with scales `s` and minima `m` for each 32.
    Q4K,
    /// 5 bits, as `Q4K`.
    Q5K,
    /// 6 bits: `d s (q - 32)`, blocks of 256 with scales for each 16.
    Q6K,
}

impl GgufType {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    /// Number in the file, ggml's name, values in a block and bytes of a block.
    fn facts(self) -> (u32, &'static str, usize, usize) {
        match self {
            Self::F32 => (0, "F32", 1, 4),
            Self::F16 => (1, "F16", 1, 2),
            Self::Q4_0 => (2, "Q4_0", 32, 18),
            Self::Q4_1 => (3, "Q4_1", 32, 20),
            Self::Q5_0 => (6, "Q5_0", 32, 22),
            Self::Q5_1 => (7, "Q5_1", 32, 24),
            Self::Q8_0 => (8, "Q8_0", 32, 34),
            Self::Q4K => (12, "Q4_K", 256, 144),
            Self::Q5K => (13, "Q5_K", 256, 176),
            Self::Q6K => (14, "Q6_K", 256, 210),
            Self::Bf16 => (30, "BF16", 1, 2),
        }
    }

    /// ggml's name.
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// Values in a block.
    pub fn block_len(self) -> usize {
        self.facts().2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.facts().3
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.facts().0 == number)
    }

    /// The values of whole blocks, with the roundings of ggml's reference code.
    pub(super) fn dequantize(self, bytes: &[u8]) -> Vec<f32> {
        let (size, len) = (self.block_bytes(), self.block_len());
        let mut values = vec![0.0; bytes.len() / size * len];
        let decode: fn(&[u8], &mut [f32]) = match self {
            Self::F32 => {
                |b: &[u8], y: &mut [f32]| y[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]])
            }
            Self::F16 => |b: &[u8], y: &mut [f32]| y[0] = half(b),
            Self::Bf16 => {
                |b: &[u8], y: &mut [f32]| y[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32()
            }
            Self::Q4_0 => legacy::q4_0,
            Self::Q4_1 => legacy::q4_1,
            Self::Q5_0 => legacy::q5_0,
            Self::Q5_1 => legacy::q5_1,
            Self::Q8_0 => legacy::q8_0,
            Self::Q4K => k::q4_k,
            Self::Q5K => k::q5_k,
            Self::Q6K => k::q6_k,
        };
        let blocks = bytes.chunks_exact(size).zip(values.chunks_exact_mut(len));
        blocks.for_each(|(block, values)| decode(block, values));
        values
    }
}

/// A 16-bit float at the beginning of some bytes.
fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

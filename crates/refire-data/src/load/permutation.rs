use crate::text::mix;
use refire_core::{Purpose, Stream};

const ROUNDS: usize = 8;

/// A permutation of `0..n` keyed by (seed, epoch) that is computed, not stored: any position in
/// constant time and memory.
///
/// A Feistel network of eight rounds over the next power of four, walked until it falls into
/// `0..n` (four steps at most on average). Its bits depend on the key alone, so they are the same
/// on every machine.
///
/// ```
/// use refire_data::Permutation;
/// let order = Permutation::new(5, 7, 0);
/// let mut all: Vec<u64> = (0..5).map(|i| order.at(i)).collect();
/// all.sort_unstable();
/// assert_eq!(all, [0, 1, 2, 3, 4]);
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..n` for a seed and an epoch.
    pub fn new(n: u64, seed: u64, epoch: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let mut stream = Stream::new(seed, Purpose::named("permutation"), epoch, 0, 0);
        let keys = std::array::from_fn(|_| stream.bits());
        Self { n, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Number of items.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// True without items.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The item at a position; positions from `n` on stay as they are.
    pub fn at(&self, position: u64) -> u64 {
        if position >= self.n {
            return position;
        }
        let mut item = self.network(position);
        while item >= self.n {
            item = self.network(item);
        }
        item
    }

    fn network(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

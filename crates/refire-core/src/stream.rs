use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What a random draw is for; different purposes never share a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Purpose(u64);

impl Purpose {
    /// Drawing tokens in training rollouts.
    pub const ROLLOUT: Self = Self::named("rollout");
    /// Drawing tokens in evaluation.
    pub const EVALUATION: Self = Self::named("evaluation");
    /// Initial weights.
    pub const INIT: Self = Self::named("init");
    /// Order of data.
    pub const DATA: Self = Self::named("data");

    /// A purpose of your own, by name (64-bit FNV-1a of it).
    pub const fn named(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (mut hash, mut i) = (0xcbf2_9ce4_8422_2325_u64, 0);
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
            i += 1;
        }
        Self(hash)
    }
}

/// A counter-based random stream: the draw at a position depends on its key and on nothing else.
///
/// The key is (seed, purpose, visit, id) as a ChaCha8 key, the sample index as its nonce and the
/// position as its block counter. So a run resumes bit for bit, and results don't depend on batch
/// composition, order or threads.
///
/// ```
/// use refire_core::{Purpose, Stream};
/// let draw = |position| Stream::new(1, Purpose::ROLLOUT, 0, 42, 3).at(position).uniform();
/// assert_eq!(draw(17), draw(17));
/// assert_ne!(draw(17), draw(18));
/// ```
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

/// 32-bit words of a ChaCha block: each position owns one block, 8 draws of 64 bits.
const BLOCK_WORDS: u128 = 16;

impl Stream {
    /// The stream of one key, at position 0.
    pub fn new(seed: u64, purpose: Purpose, visit: u64, id: u64, sample: u64) -> Self {
        let mut key = [0_u8; 32];
        for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose.0, visit, id]) {
            part.copy_from_slice(&value.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(sample);
        Self(rng)
    }

    /// Moves to a position. Eight draws belong to each; more run into the next one's.
    pub fn at(mut self, position: u64) -> Self {
        self.0.set_word_pos(u128::from(position) * BLOCK_WORDS);
        self
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `0..n`, without bias; 0 for `n = 0`.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let bits = self.bits();
            if bits < limit {
                return (bits % n) as usize;
            }
        }
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_matters() {
        let first = |s, p, v, i, n| Stream::new(s, p, v, i, n).bits();
        let base = first(1, Purpose::ROLLOUT, 2, 3, 4);
        assert_ne!(base, first(9, Purpose::ROLLOUT, 2, 3, 4));
        assert_ne!(base, first(1, Purpose::DATA, 2, 3, 4));
        assert_ne!(base, first(1, Purpose::ROLLOUT, 9, 3, 4));
        assert_ne!(base, first(1, Purpose::ROLLOUT, 2, 9, 4));
        assert_ne!(base, first(1, Purpose::ROLLOUT, 2, 3, 9));
    }

    #[test]
    fn draws_are_the_same_on_every_machine() {
        let mut stream = Stream::new(1, Purpose::DATA, 0, 0, 0);
        let again = Stream::new(1, Purpose::DATA, 0, 0, 0).at(1).bits();
        let first: Vec<u64> = (0..9).map(|_| stream.bits()).collect();
        assert_eq!(first[8], again, "a position owns eight draws");
        assert_eq!(first[0], 9_725_447_123_265_267_368);
    }

    #[test]
    fn normals_and_bounded_draws_have_their_moments() {
        let mut stream = Stream::new(5, Purpose::INIT, 0, 0, 0);
        let n = 20_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = stream.normal();
            sum += x;
            square += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.03);
        assert!((square / f64::from(n) - 1.0).abs() < 0.05);
        let mut counts = [0; 5];
        (0..n).for_each(|_| counts[stream.below(5)] += 1);
        assert!(counts.iter().all(|c| (3_700..4_300).contains(c)), "{counts:?}");
    }
}

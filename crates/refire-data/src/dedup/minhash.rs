use super::Lsh;
use crate::text::{fold, mix};

/// Hash functions computed together: one wide register, or several.
const LANES: usize = 16;

/// MinHash signatures: for each of `lsh.hashes()` functions the least hash of a text's n-grams.
/// Two texts agree in a function with the probability of their Jaccard similarity.
///
/// Function `i` maps the upper 32 bits `x` of an n-gram's hash to `a_i x + b_i mod 2^32` with odd
/// `a_i`: a permutation, cheap in vector registers (8 or 16 at a time where the processor has
/// them; the values don't depend on it). Coefficients follow from the seed alone.
///
/// ```
/// use refire_data::{Lsh, MinHash};
/// let minhash = MinHash::new(Lsh::default(), 1);
/// assert_eq!(minhash.signature(&[1 << 40, 2 << 40]).len(), 112);
/// ```
#[derive(Debug, Clone)]
pub struct MinHash {
    lsh: Lsh,
    factors: Vec<[u32; LANES]>,
    offsets: Vec<[u32; LANES]>,
}

impl MinHash {
    /// The functions of a seed.
    pub fn new(lsh: Lsh, seed: u64) -> Self {
        let blocks = lsh.hashes().div_ceil(LANES);
        let draw = |index: usize| mix(fold(seed, index as u64));
        let (mut factors, mut offsets) = (Vec::new(), Vec::new());
        for block in 0..blocks {
            let bits: [u64; LANES] = std::array::from_fn(|lane| draw(block * LANES + lane));
            factors.push(bits.map(|bits| (bits >> 32) as u32 | 1));
            offsets.push(bits.map(|bits| bits as u32));
        }
        Self { lsh, factors, offsets }
    }

    /// Bands and rows.
    pub fn lsh(&self) -> Lsh {
        self.lsh
    }

    /// The minima over a text's n-grams; all `u32::MAX` for a text without any.
    pub fn signature(&self, grams: &[u64]) -> Vec<u32> {
        let grams: Vec<u32> = grams.iter().map(|gram| (gram >> 32) as u32).collect();
        self.signature_of(&grams)
    }

    pub(crate) fn signature_of(&self, grams: &[u32]) -> Vec<u32> {
        let mut minima = vec![[u32::MAX; LANES]; self.factors.len()];
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for ((minimum, factor), offset) in
                    minima.iter_mut().zip(&self.factors).zip(&self.offsets)
                {
                    let (mut least, factor, offset) = (*minimum, *factor, *offset);
                    for gram in grams {
                        for lane in 0..LANES {
                            let hash = gram.wrapping_mul(factor[lane]).wrapping_add(offset[lane]);
                            least[lane] = least[lane].min(hash);
                        }
                    }
                    *minimum = least;
                }
            },
        );
        let mut signature = minima.into_flattened();
        signature.truncate(self.lsh.hashes());
        signature
    }

    /// One key a band: equal keys, equal bands.
    pub fn band_keys(&self, signature: &[u32]) -> Vec<u64> {
        let bands = signature.chunks_exact(self.lsh.rows.max(1)).enumerate();
        let key = |(band, rows): (usize, &[u32])| {
            rows.iter().fold(mix(band as u64), |key, row| fold(key, u64::from(*row)))
        };
        bands.map(key).collect()
    }
}

use super::{fold, mix};

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes of the n-grams of a list of word hashes, by rolling: a polynomial in the words, and a
/// finaliser. A text of fewer than `n` words (but at least one) gives one gram of all its words, so
/// short texts are not invisible. `n = 0` counts as 1.
///
/// ```
/// use refire_data::{Words, ngrams};
/// let words = Words::default().hashes("to be or not to be");
/// assert_eq!(ngrams(&words, 5).len(), 2);
/// assert_eq!(ngrams(&words[..2], 5).len(), 1);
/// ```
pub fn ngrams(words: &[u64], n: usize) -> Vec<u64> {
    let n = n.max(1);
    let mut grams = Vec::with_capacity(words.len().saturating_sub(n) + 1);
    for_ngrams(words, n, |_, gram| grams.push(gram));
    if grams.is_empty() && !words.is_empty() {
        let short = words.iter().fold(words.len() as u64, |hash, word| fold(hash, *word));
        grams.push(short);
    }
    grams
}

/// Calls `gram` with the first word's index and the hash of each n-gram; never for shorter texts.
#[inline(always)]
pub(crate) fn for_ngrams(words: &[u64], n: usize, mut gram: impl FnMut(usize, u64)) {
    if n == 0 || words.len() < n {
        return;
    }
    // BASE^(n-1), by which the word that leaves was multiplied.
    let leaving = (1..n).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0_u64;
    for word in &words[..n] {
        hash = hash.wrapping_mul(BASE).wrapping_add(*word);
    }
    gram(0, mix(hash));
    for (at, (old, new)) in words.iter().zip(&words[n..]).enumerate() {
        hash = hash.wrapping_sub(old.wrapping_mul(leaving)).wrapping_mul(BASE).wrapping_add(*new);
        gram(at + 1, mix(hash));
    }
}

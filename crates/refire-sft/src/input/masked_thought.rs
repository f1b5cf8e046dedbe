//! Masked thought: some tokens that the model reads are replaced, and all are still to be predicted.
//!
//! Chen et al., "Masked Thought: Simply Masking Partial Reasoning Steps Can Improve Mathematical
//! Reasoning Learning of Language Models" (2024); DAMO-ConvAI/MaskedThought. Its code counts the hits
//! of a coin per candidate and then draws that many candidates without replacement, which is the same
//! distribution as the coin itself: here each token has its coin, keyed by (seed, visit, row,
//! position), so that a row's edit doesn't depend on its company. The loss sees all completion
//! tokens. Draw again at every visit.

use crate::SftError;
use crate::error::unless;
use refire_core::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// What stands in a replaced token's place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Replacement {
    /// One token for all, new to the model.
    Token {
        /// Its id.
        id: u32,
    },
    /// Any token of the vocabulary, each as likely.
    Random {
        /// Size of the vocabulary.
        vocab: u32,
    },
    /// A random token with some probability, the mask token otherwise.
    Mixed {
        /// Id of the mask token.
        id: u32,
        /// Size of the vocabulary.
        vocab: u32,
        /// Probability of a random token, from 0 to 1.
        random: f64,
    },
}

/// Which tokens are replaced, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskedThoughtConfig {
    /// Probability of each candidate, from 0 to 1; 0.2 to 0.4 in the paper.
    pub rate: f64,
    /// What takes its place.
    pub replacement: Replacement,
}

impl MaskedThoughtConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        let (vocab, random) = match self.replacement {
            Replacement::Token { .. } => (1, 0.0),
            Replacement::Random { vocab } => (vocab, 0.0),
            Replacement::Mixed { vocab, random, .. } => (vocab, random),
        };
        [
            unless(unit(self.rate), "rate", self.rate, "from 0 to 1"),
            unless(unit(random), "random", random, "from 0 to 1"),
            unless(vocab > 0, "vocab", vocab, "the size of the vocabulary"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The row as the model is to read it. `candidates` shows which tokens may be replaced: usually
    /// the completion's, without its end token.
    ///
    /// ```
    /// use refire_sft::input::{MaskedThoughtConfig, Replacement};
    /// let config =
    ///     MaskedThoughtConfig { rate: 1.0, replacement: Replacement::Token { id: 9 } };
    /// let edited = config.edit(&[1, 2, 3], &[false, true, true], 0, 0, 42)?;
    /// assert_eq!(edited, [1, 9, 9]);
    /// # Ok::<(), refire_sft::SftError>(())
    /// ```
    ///
    /// # Errors
    /// When tokens and candidates differ in length.
    pub fn edit(
        &self,
        tokens: &[u32],
        candidates: &[bool],
        seed: u64,
        visit: u64,
        row: u64,
    ) -> Result<Vec<u32>, SftError> {
        if tokens.len() != candidates.len() {
            let (found, expected) = (candidates.len(), tokens.len());
            return Err(SftError::Count { what: "candidates", found, expected });
        }
        let stream = Stream::new(seed, Purpose::named("masked thought"), visit, row, 0);
        let read = |(position, (token, candidate)): (usize, (&u32, &bool))| {
            let mut draws = stream.clone().at(position as u64);
            if !*candidate || draws.uniform() >= self.rate {
                return *token;
            }
            match self.replacement {
                Replacement::Token { id } => id,
                Replacement::Random { vocab } => draws.below(vocab as usize) as u32,
                Replacement::Mixed { id, vocab, random } => {
                    if draws.uniform() < random {
                        draws.below(vocab as usize) as u32
                    } else {
                        id
                    }
                }
            }
        };
        Ok(tokens.iter().zip(candidates).enumerate().map(read).collect())
    }
}

//! What filters and duplicate search see of a text: words as hashes, n-grams, sentences.

mod hash;
mod ngrams;
mod normalise;
mod sentences;
mod words;

pub use ngrams::ngrams;
pub use words::{Numbers, Split, Words};

pub(crate) use hash::{KeyMap, KeySet, fold, mix};
pub(crate) use ngrams::for_ngrams;
pub(crate) use sentences::sentences;

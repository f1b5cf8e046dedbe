//! Duplicates: equal texts, nearly equal texts, equal parts, equal meaning.

mod buckets;
mod clusters;
mod embedding;
mod exact;
mod grams;
mod lsh;
mod minhash;
mod near;
mod renumbered;
mod run;
mod sentence;
mod signatures;
mod spill;
mod substring;
mod table;
mod template;

pub use clusters::clusters;
pub use embedding::{EmbeddingConfig, EmbeddingDuplicate, Keep, embedding_duplicates};
pub use exact::ExactDedup;
pub use lsh::Lsh;
pub use minhash::MinHash;
pub use near::{Duplicate, Fingerprint, NearConfig, NearDedup, candidate_pairs, near_duplicates};
pub use renumbered::renumbered;
pub use sentence::{SentenceConfig, SentenceDedup};
pub use signatures::{read_signatures, write_signatures};
pub use substring::{Cut, SubstringDedup};
pub use template::{TemplateGroup, TemplateIndex, template_duplicates};

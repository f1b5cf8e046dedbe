//! Decoding: on the CPU by kernels that read the learner's weights in place and write caches in
//! place, elsewhere of burn's operations.

mod attend;
mod cache;
mod check;
mod copilot;
mod device;
mod dots;
mod host;
mod kernel;
mod layer;
mod place;
mod product;
mod round;
mod run;
mod slice;
mod store;
mod turns;

pub use cache::{KvCache, KvPrefix};
pub use device::DeviceDecoder;
pub use host::HostDecoder;
pub use place::DecodeOn;

use crate::ModelError;

/// New tokens of one sequence, its cache, and room for the logits after its last token.
#[derive(Debug)]
pub struct Work<'a> {
    /// Tokens to read, at least one; they follow what the cache holds.
    pub tokens: &'a [u32],
    /// Keys and values of the sequence; grows by the tokens.
    pub cache: &'a mut KvCache,
    /// `[vocab]`: the logits after the last token.
    pub logits: &'a mut [f32],
}

/// A decoder that generates token by token.
///
/// On the CPU ([`HostDecoder`]) the logits of a sequence have the same bits whatever other sequences
/// are in the call, in whatever order, and on however many threads.
pub trait Decode: Send + Sync {
    /// Number of logits.
    fn vocab(&self) -> usize;

    /// Longest sequence.
    fn context(&self) -> usize;

    /// Memory of a cache, in bytes per token.
    fn cache_bytes_per_token(&self) -> usize;

    /// An empty cache with room for `capacity` tokens after the prefix.
    fn cache(&self, prefix: Option<KvPrefix>, capacity: usize) -> KvCache;

    /// Whether caches stay good when a decoder is made anew, of other weights of the same shape.
    fn keeps_caches(&self) -> bool;

    /// Reads new tokens of many sequences.
    ///
    /// # Errors
    /// For token ids beyond the embedding, and for sequences beyond their cache or the context.
    fn forward(&self, work: &mut [Work<'_>]) -> Result<(), ModelError>;
}

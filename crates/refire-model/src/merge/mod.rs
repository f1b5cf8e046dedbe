//! Models made of the weights of others: averages, interpolations, sums of task vectors, and two
//! ways back to a safe model after fine-tuning.
//!
//! All methods read Hugging Face folders of one shape and write another: `config.json`, tokenizer
//! and templates of the first one named, and weights. Tensors are merged one after another as they
//! are written, so that one tensor of each model is in memory at a time. Sums are made in 64 bits.
//!
//! ```
//! use burn::tensor::Device;
//! use refire_core::BoxError;
//! use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama, merge};
//! use refire_objective::{Dtype, Policy};
//!
//! let root = tempfile::tempdir()?;
//! let [first, second, mean] = ["first", "second", "mean"].map(|name| root.path().join(name));
//! for (seed, dir) in [(1, &first), (2, &second)] {
//!     let decoder = Decoder::init(&TinyLlama::default().config(), seed, &Device::flex());
//!     Learner::new(decoder, LearnerConfig::default()).export(dir, Dtype::F32)?;
//! }
//! merge::average(&[&first, &second], &mean, &merge::MergeOptions::default())?;
//! assert!(mean.join("model.safetensors").exists());
//! # Ok::<(), BoxError>(())
//! ```

mod alignment;
mod folders;
mod linear;
mod safe_lora;
mod safe_merge;
mod slerp;
mod task_vectors;
#[cfg(test)]
mod tests;

pub use alignment::{Alignment, Projection, SafeFolders};
pub use folders::MergeOptions;
pub use linear::{average, linear};
pub use safe_lora::{SafeLora, safe_lora};
pub use safe_merge::{SafeMerge, safe_merge};
pub use slerp::slerp;
pub use task_vectors::add_task_vectors;

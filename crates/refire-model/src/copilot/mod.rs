//! A copilot: a small head that has learned from the pilot's logged mistakes, and rectifies its
//! logits while it decodes.
//!
//! Transformer Copilot, arXiv 2505.16270. While the pilot is fine-tuned, a [`MistakeLog`] keeps its
//! hidden states `h` and how far its distribution `p` was from the label `y`, and a [`Copilot`]
//! learns to foresee that from `h` alone:
//!
//! ```text
//! mistake      l = onehot(y) - p
//! copilot      f(h) = U silu(D h)                          D [width, hidden], U [vocab, width]
//! its loss     sqrt(mean over tokens |f(h) - l|^2)
//! decoding     logits + lambda f(h),  or the log of p + lambda f(h)
//! ```
//!
//! The paper's copilot is a transformer of a few layers that reads the pilot's hidden states of all
//! earlier tokens; this one reads the last layer's at the present token, which have seen them.

mod head;
mod learner;
mod log;

pub(crate) use head::LEAST;
pub use head::{Copilot, CopilotConfig, Rectification};
pub use learner::{CopilotLearner, CopilotTraining};
pub use log::MistakeLog;

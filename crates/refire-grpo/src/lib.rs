//! The policy-gradient family: GRPO, DAPO, Dr.GRPO and what they are made of.
//!
//! A method is a choice of parts, and each part is one file:
//!
//! | part | turns | into |
//! |---|---|---|
//! | [`advantage`] | scores of a step | advantages |
//! | [`loss`] | log-probabilities and advantages | a loss per token |
//! | [`correction`] | what trainer and sampler say of a token | weights |
//! | [`mask`] | what is known of tokens and rows | which of them take part |
//! | [`filter`] | a scored group | whether to train on it |
//! | [`control`] | what a step measured | the next step's coefficients |
//! | [`preset`] | the name of a paper | the choice it made |
//! | [`compat`] | the name of a library | what it does where formulas are silent |
//! | [`explain`] | a batch | why each token learns or doesn't |
//!
//! There are two ways in. The functions are plain arithmetic on `[batch, time]` tensors and host
//! vectors, for somebody's own training loop; [`PolicyLoss`] and the types with a `build` wrap
//! them as the traits that trainers take.
//!
//! A loop of one's own, with a table of logits as the model:
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor, activation::log_softmax};
//! use refire_grpo::advantage::{GroupNorm, group_norm};
//! use refire_grpo::loss::{ClipRange, ppo_clip};
//! use refire_grpo::{Aggregation, Counts};
//!
//! let device = Device::flex().autodiff();
//! let mut logits = Tensor::<2>::zeros([1, 3], &device).require_grad();
//!
//! // One group of four completions of one token each; token 2 is the right answer.
//! let tokens = Tensor::<2, Int>::from_data([[0], [2], [1], [2]], &device);
//! let rewards = [0.0, 1.0, 0.0, 1.0].map(Some);
//! let advantages = group_norm(&rewards, &[7, 7, 7, 7], &GroupNorm::default())?;
//! let advantages: Vec<f32> = advantages.iter().map(|a| *a as f32).collect();
//! let advantages = Tensor::<1>::from_floats(advantages.as_slice(), &device).reshape([4, 1]);
//! let mask = Tensor::<2>::ones([4, 1], &device);
//!
//! let logprobs = |logits: Tensor<2>| {
//!     log_softmax(logits, 1).repeat(&[4, 1]).gather(1, tokens.clone())
//! };
//! let old_logprobs = logprobs(logits.clone()).inner();
//! let counts = Counts::of([[true]; 4], 2);
//!
//! for _ in 0..3 {
//!     // Two micro-batches, whose gradients add up to that of the whole step.
//!     let mut gradient = Tensor::<2>::zeros([1, 3], &device).inner();
//!     for rows in [0..2, 2..4] {
//!         let part = |t: Tensor<2>| t.slice([rows.clone()]);
//!         let now = part(logprobs(logits.clone()));
//!         let (old, adv) = (part(old_logprobs.clone()), part(advantages.clone()));
//!         let per_token = ppo_clip(now, old, adv, ClipRange::default());
//!         let loss = Aggregation::TokenMean.reduce(per_token, part(mask.clone()), Some(&counts));
//!         gradient = gradient + logits.grad(&loss.backward()).expect("the logits are a leaf");
//!     }
//!     logits = Tensor::from_inner(logits.inner() - gradient * 0.5).require_grad();
//! }
//! let probs = log_softmax(logits.inner(), 1).exp().into_data().to_vec::<f32>()?;
//! assert!(probs[2] > 0.4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod advantage;
pub mod compat;
mod config;
pub mod control;
pub mod correction;
mod error;
pub mod explain;
pub mod filter;
pub mod loss;
pub mod mask;
mod objective;
pub mod preset;
mod recipe;

pub use config::{KlBase, PolicyLossConfig};
pub use error::GrpoError;
pub use objective::{Chord, ChordConfig, PolicyLoss, PolicyStep};
pub use recipe::{OverlongConfig, Recipe, SoftOverlongConfig};
// What tier one needs beside this crate, so that a loop of one's own names no other.
pub use refire_objective::{Aggregation, Counts, KlClamp, KlEstimator, RowCount};

//! Adapters: a few trained weights beside a network that stays as it is.
//!
//! With `x` a layer's input, `W` its weight `[out, in]`, `A` `[r, in]` and `B` `[out, r]`:
//!
//! ```text
//! LoRA    y = x W^T + s (x A^T) B^T           s = alpha / r,  rank-stabilised: alpha / sqrt(r)
//! DoRA    y = c (x W^T + s (x A^T) B^T)       c = m / |W + s B A| row by row, |.| without gradient
//! ```
//!
//! Both are computed as two thin products: no matrix of `W`'s size is formed, in neither direction.
//! An embedding looks up columns of `A` instead, and the head reads `s x A^T` beside its hidden
//! states.

mod attach;
mod config;
mod dora;
mod dropout;
mod export;
mod init;
mod linears;
mod lora;
mod merge;
mod names;
mod options;
mod patterns;
mod peft;
mod saved;
mod targets;

pub use config::{AdapterInit, Bias, LoraConfig, TargetModules};
pub(crate) use dropout::DropoutTokens;
pub(crate) use linears::linears;
pub use lora::Lora;
pub use patterns::Patterns;
pub(crate) use saved::Adapted;

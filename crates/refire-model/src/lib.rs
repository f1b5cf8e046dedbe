//! Decoder language models: weights, tokenizer, chat template, decoding and training.
//!
//! - [`ModelConfig`] reads `config.json` of a Hugging Face folder, old style and new.
//! - [`Decoder`] is the network, with Hugging Face names for every parameter.
//! - [`Pretrained`] opens a folder: configuration, weights, tokenizer, chat template.
//! - [`Learner`] makes a [`Policy`](refire_objective::Policy) of a decoder: statistics through
//!   the chunked head, gradient accumulation, clipping by the global norm, AdamW, and
//!   [Muon](MuonConfig) for the matrices of the blocks.
//! - [`Decoder::pooled`] and [`FrozenDecoder::pooled`] make one vector of each row.
//! - [`ModelReward`] and [`SimilarityReward`] are rewards over a model.
//! - [`LoraConfig`] describes an adapter, read and written as PEFT does; [`Nf4`] puts the weights
//!   beside it in 4 bits.
//! - [`QatConfig`] trains a network for few bits: rounding that gradients pass through, and
//!   rotations that spread outliers first.
//! - [`Copilot`] learns from a log of a pilot's mistakes, and rectifies its logits.
//! - [`HostDecoder`] generates on the CPU from the learner's weights in place, with one reduction
//!   order whatever rows are present; [`DeviceDecoder`] where the weights are.
//! - [`merge`] makes models of the weights of others.
//! - The feature `gguf` reads llama.cpp's files, which [`Pretrained::open`] takes too.

mod adapter;
mod config;
mod copilot;
mod decode;
mod decoder;
mod error;
#[cfg(feature = "gguf")]
mod gguf;
pub mod merge;
mod nf4;
mod nn;
mod pretrained;
mod qat;
mod reward;
mod text;
mod train;
mod weights;

pub use adapter::{AdapterInit, Bias, Lora, LoraConfig, Patterns, TargetModules};
pub use config::{
    Activation, AttentionSpec, Family, LayerSpec, MlpSpec, ModelConfig, MoeSpec, NormPlacement,
    QkNorm, Rope, RopeScaling, TinyLlama,
};
pub use copilot::{
    Copilot, CopilotConfig, CopilotLearner, CopilotTraining, MistakeLog, Rectification,
};
pub use decode::{Decode, DecodeOn, DeviceDecoder, HostDecoder, KvCache, KvPrefix, Work};
pub use decoder::{Decoder, Pooling, PoolingKind, Rows};
pub use error::ModelError;
#[cfg(feature = "gguf")]
pub use gguf::{GgufFile, GgufTensor, GgufType, GgufValue};
pub use nf4::Nf4;
pub use nn::{Attention, Embedding, Expert, Layer, Linear, LinearWeight, Mlp, RmsNorm, Routing};
pub use pretrained::Pretrained;
pub use qat::{QatConfig, RotationChoice, RotationKind, Rotations, SiteError};
pub use refire_objective::Dtype;
pub use reward::{ModelReward, ModelRewardConfig, SimilarityConfig, SimilarityReward};
pub use text::{
    ChatTemplate, ChatValue, DateTime, DecodeStream, GenerationConfig, MarkedText, ModelEncoder,
    RenderOptions, TextCodec, Tokenizer,
};
pub use train::{
    AdamWConfig, FrozenDecoder, Learner, LearnerConfig, MovingDecoder, MuonConfig, MuonScale,
    ScoreModel, ValueLearner, WeightHandle,
};
pub use weights::{
    load_weights, load_weights_as, load_weights_in_4_bits, save_weights, save_weights_in_shards,
};

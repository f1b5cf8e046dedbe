#![doc = include_str!("../../../README.md")]

pub use burn;
pub use refire_core as core;
#[cfg(feature = "data")]
pub use refire_data as data;
pub use refire_dpo as dpo;
pub use refire_grpo as grpo;
pub use refire_kernels as kernels;
pub use refire_math as math;
pub use refire_model as model;
pub use refire_objective as objective;
pub use refire_reward as reward;
pub use refire_sample as sample;
pub use refire_sandbox as sandbox;
pub use refire_sft as sft;
pub use refire_tasks as tasks;
pub use refire_train as train;

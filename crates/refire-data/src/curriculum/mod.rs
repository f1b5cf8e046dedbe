//! What to ask next: prompt sources with a memory, which they save.

mod arms;
mod bandit;
mod drive;
mod dynamic;
mod hard_buffer;
mod mixture;
mod pool;
mod predictor;
mod prioritised;
mod replay;
mod staged;
mod targeted;
mod tarot;
mod uniform;
mod variance;
mod warm_up;

pub use bandit::{Bandit, BanditConfig};
pub use drive::{Drive, DriveConfig};
pub use dynamic::{DynamicSampling, GroupCounts};
pub use hard_buffer::HardBuffer;
pub use mixture::{Exhausted, Mixture, mixture_weights};
pub use pool::Pool;
pub use predictor::KernelPredictor;
pub use prioritised::{Prioritised, PrioritisedConfig};
pub use replay::{ReplayBuffer, ReplayConfig, Replayed};
pub use staged::{CurriculumStage, Staged, Until};
pub use targeted::{Targeted, TargetedConfig};
pub use tarot::{Schedule, Tarot, Tier, TierWeights};
pub use uniform::UniformPrompts;
pub use variance::{VarianceConfig, VarianceSampling};
pub use warm_up::WarmUpRollouts;

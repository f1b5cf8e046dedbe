//! New data written by a model: each recipe asks a [`RolloutEngine`](refire_core::RolloutEngine)
//! through an [`Asker`], and what comes back are records with their history. A [`SynthesisStage`]
//! makes a recipe one of a pipeline's stages.

mod ask;
mod critique;
mod document_qa;
mod draft_revise;
mod guidance;
mod rationale;
mod stage;
mod weak_to_strong;

pub use ask::Asker;
pub use critique::{Critique, Revised};
pub use document_qa::{DocumentQa, passages};
pub use draft_revise::DraftRevise;
pub use guidance::Guidance;
pub use rationale::{RationaleMemory, Step as RationaleStep};
pub use stage::{Made, Recipe, SynthesisStage};
pub use weak_to_strong::{Keep as KeepTraces, WeakToStrong};

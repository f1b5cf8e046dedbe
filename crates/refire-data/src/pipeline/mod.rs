//! Stages one after another, with books of what each kept, changed and removed, and why.

mod cut;
mod decontaminate;
mod dedup;
mod html;
mod quality;
mod report;
mod run;
mod stage;
mod template;

pub use cut::{SentenceStage, SubstringStage};
pub use decontaminate::DecontaminateStage;
pub use dedup::{ExactStage, NearStage, Part};
pub use quality::QualityStage;
pub use report::{PipelineReport, Shown, StageReport};
pub use run::{Pipeline, Progress};
pub use stage::{Passed, Removed, Stage, filter_map_stage, filter_stage};
pub use template::TemplateStage;

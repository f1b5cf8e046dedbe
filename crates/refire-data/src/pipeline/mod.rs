//! Stages one after another, with books of what each kept, changed and removed, and why.

mod html;
mod report;
mod run;
mod stage;
mod stages;

pub use report::{PipelineReport, Shown, StageReport};
pub use run::{Pipeline, Progress};
pub use stage::{Passed, Removed, Stage, filter_map_stage, filter_stage};
pub use stages::{
    DecontaminateStage, ExactStage, NearStage, Part, QualityStage, SentenceStage, SubstringStage,
};

//! Data for post-training, in a form a training run can trust: every removal has its reason, every
//! order can be resumed exactly, and nothing is dropped in silence.
//!
//! - **Records**: [`Record`] holds an [`Example`] of one [`Kind`], its tools, its further columns and
//!   its history; [`Reader`] and [`Writer`] stream them from and to files, [`Format`] says what
//!   columns mean, and a broken row is an error with its place or goes to a file of rejects.
//! - **Duplicates**: [`ExactDedup`], [`NearDedup`] (MinHash), [`SentenceDedup`], [`SubstringDedup`],
//!   [`embedding_duplicates`], and [`template_duplicates`] for problems that differ in numbers only.
//! - **Leaks**: [`Decontaminator`] finds what stands in a benchmark, and where.
//! - **Quality**: the rules of [`Cot`] for reasoning traces, and those for web pages, as
//!   [`Profile`]s.
//! - **Selection**: [`PassRate`], [`RejectionSampling`], [`pairs`], [`VarianceScore`],
//!   [`select_to_reason`], [`ifd`], [`GainWeight`] and more, over verified [`Attempts`].
//! - **Curricula**: prompt sources over a [`Pool`] that learn from what they observe and save all
//!   they know: [`Staged`], [`Bandit`], [`VarianceSampling`], [`Targeted`], [`Prioritised`],
//!   [`Drive`], [`Tarot`], [`HardBuffer`], [`WarmUpRollouts`], [`Mixture`]; beside them
//!   [`ReplayBuffer`] and [`DynamicSampling`].
//! - **Transformations**: [`mask_thought`], [`perturb`], [`backtracking_trace`], [`flawed_prefix`],
//!   [`intervene`], [`plan_execute`], [`into_turns`], [`two_targets`], [`TemplatePool`].
//! - **Synthesis** over any engine, through an [`Asker`]: [`DraftRevise`], [`Critique`],
//!   [`DocumentQa`], [`Guidance`], [`RationaleMemory`], [`WeakToStrong`]; a [`SynthesisStage`] puts
//!   any of them into a pipeline.
//! - **Tokens**: [`encode_rows`], [`encode_preferences`] and [`encode_prompts`] make training rows, pairs
//!   and prompts of records, through a model's tokenizer and chat template.
//! - **Loading**: [`pack`], [`group_by_length`], [`token_budget`], [`balance`], [`Shuffle`],
//!   [`Prefetch`].
//! - **Pipelines**: [`Pipeline`] runs [`Stage`]s over a reader and keeps the books. For data beyond
//!   one machine the feature `datafusion` has the stages as functions of a query engine.
//!
//! Hashes that are written to files, and random draws, are the same on every machine and for every
//! number of threads.

mod curriculum;
mod decontaminate;
mod dedup;
mod encode;
mod error;
mod example;
mod import;
mod io;
mod load;
mod pack;
mod pipeline;
mod quality;
mod select;
#[cfg(feature = "datafusion")]
mod sql;
mod synthesis;
mod text;
mod transform;

pub use curriculum::{
    Bandit, BanditConfig, CurriculumStage, Drive, DriveConfig, DynamicSampling, Exhausted,
    GroupCounts, HardBuffer, KernelPredictor, Mixture, Pool, Prioritised, PrioritisedConfig,
    ReplayBuffer, ReplayConfig, Replayed, Schedule, Staged, Targeted, TargetedConfig, Tarot, Tier,
    TierWeights, UniformPrompts, Until, VarianceConfig, VarianceSampling, WarmUpRollouts,
    mixture_weights,
};
pub use decontaminate::{
    Contamination, DecontaminationConfig, DecontaminationReport, Decontaminator, Pass,
};
pub use dedup::{
    Cut, Duplicate, EmbeddingConfig, EmbeddingDuplicate, ExactDedup, Fingerprint, Keep, Lsh,
    MinHash, NearConfig, NearDedup, SentenceConfig, SentenceDedup, SubstringDedup, TemplateGroup,
    TemplateIndex, candidate_pairs, clusters, embedding_duplicates, near_duplicates,
    read_signatures, renumbered, template_duplicates, write_signatures,
};
pub use encode::{
    EncodeConfig, EncodeReport, Encoded, Learn, LeftOut, TooLong, encode_preferences,
    encode_prompts, encode_rows,
};
pub use error::DataError;
pub use example::{
    ColumnMap, Content, Converted, Example, Kind, Origin, Record, RecordId, content_id,
};
pub use import::Format;
#[cfg(feature = "parquet")]
pub use io::ParquetWriter;
pub use io::{OnBad, ReadConfig, ReadReport, Reader, Writer, find_files};
pub use load::{Permutation, Prefetch, Shuffle, ShuffledRows};
pub use pack::{
    Balance, PackedRow, Piece, Plan, Strategy, balance, group_by_length, pack, pack_rows,
    token_budget,
};
pub use pipeline::{
    DecontaminateStage, ExactStage, NearStage, Part, Passed, Pipeline, PipelineReport, Progress,
    QualityStage, Removed, SentenceStage, Shown, Stage, StageReport, SubstringStage, TemplateStage,
    filter_map_stage, filter_stage,
};
pub use quality::{
    C4, Cot, FineWeb, Gopher, Loop, Profile, QuestionKind, Rejection, Repetition, Think, Trace,
    find_loop, foreign_share, language, question_kind, split_thought,
};
pub use select::{
    Attempt, Attempts, Distinct, GainWeight, LabelledTrace, Normalise, Order, Pair, PairRule,
    PassRate, RejectionSampling, SourceQuality, Success, VarianceScore, distinct_n, edit_distance,
    equations, gradient_bearing, ifd, long_to_short, mean_edit_distance, min_max, pairs, pass_at_k,
    perplexity, retain_negatives, sample_without_replacement, select_to_reason, self_bleu,
    source_quality, target_probabilities, top_share,
};
#[cfg(feature = "datafusion")]
pub use sql::SqlStages;
pub use synthesis::{
    Asker, Critique, DocumentQa, DraftRevise, Guidance, KeepTraces, Made, RationaleMemory,
    RationaleStep, Recipe, Revised, SynthesisStage, WeakToStrong, passages,
};
pub use text::{Numbers, Split, Words, ngrams};
pub use transform::{
    AnswerTurn, Flaw, FlawedPrefix, Intervention, MaskSchedule, Perturbation, PlanExecute,
    SearchTrace, SearchVerdict, Template, TemplatePool, TwoTargets, backtracking_trace,
    first_error, flawed_prefix, intervene, into_turns, mask_thought, perturb, plan_execute,
    split_steps, steps_of, two_targets,
};

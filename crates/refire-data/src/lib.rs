//! Data for post-training: read, check, deduplicate, decontaminate, filter, select, schedule, pack.

mod curriculum;
mod decontaminate;
mod dedup;
mod error;
mod example;
mod import;
mod io;
mod load;
mod pack;
mod quality;
mod select;
mod synthesis;
mod text;
mod transform;

pub use curriculum::{
    Bandit, BanditConfig, Drive, DriveConfig, DynamicSampling, Exhausted, GroupCounts, HardBuffer,
    KernelPredictor, Mixture, Pool, Prioritised, PrioritisedConfig, ReplayBuffer, ReplayConfig,
    Replayed, Schedule, Stage, Staged, Targeted, TargetedConfig, Tarot, Tier, TierWeights,
    UniformPrompts, Until, VarianceConfig, VarianceSampling, WarmUpRollouts, mixture_weights,
};
pub use decontaminate::{
    Contamination, DecontaminationConfig, DecontaminationReport, Decontaminator, Pass,
};
pub use dedup::{
    Cut, Duplicate, EmbeddingConfig, EmbeddingDuplicate, ExactDedup, Fingerprint, Keep, Lsh,
    MinHash, NearConfig, NearDedup, SentenceConfig, SentenceDedup, SubstringDedup, TemplateGroup,
    candidate_pairs, clusters, embedding_duplicates, near_duplicates, read_signatures,
    template_duplicates, write_signatures,
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
pub use synthesis::{
    Asker, Critique, DocumentQa, DraftRevise, Guidance, KeepTraces, RationaleMemory, RationaleStep,
    Revised, WeakToStrong, passages,
};
pub use text::{Numbers, Split, Words, ngrams};
pub use transform::{
    AnswerTurn, Flaw, FlawedPrefix, Intervention, MaskSchedule, Perturbation, PlanExecute,
    SearchTrace, SearchVerdict, Template, TemplatePool, TwoTargets, backtracking_trace,
    first_error, flawed_prefix, intervene, into_turns, mask_thought, perturb, plan_execute,
    split_steps, steps_of, two_targets,
};

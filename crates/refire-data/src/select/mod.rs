//! Which answers and which questions to learn from, once answers have been verified.

mod attempt;
mod difficulty;
mod diversity;
mod ifd;
mod negatives;
mod pairs;
mod pass_rate;
mod ranking;
mod rejection;
mod sources;
mod variance;

pub use attempt::{Attempt, Attempts, Success};
pub(crate) use difficulty::softmax;
pub use difficulty::{sample_without_replacement, target_probabilities};
pub use diversity::{distinct_n, edit_distance, mean_edit_distance, self_bleu};
pub use ifd::{ifd, perplexity};
pub use negatives::{GainWeight, LabelledTrace, retain_negatives};
pub use pairs::{Pair, PairRule, long_to_short, pairs};
pub use pass_rate::{PassRate, gradient_bearing};
pub use ranking::{Normalise, select_to_reason, top_share};
pub use refire_core::pass_at_k;
pub(crate) use rejection::whole_equations;
pub use rejection::{Distinct, Order, RejectionSampling, equations};
pub use sources::{SourceQuality, source_quality};
pub use variance::{VarianceScore, min_max};

use super::duplicates::duplicates;
use super::functions;
use crate::{Cot, DataError, Decontaminator, NearConfig, NearDedup, Profile, Words};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use std::sync::Arc;

/// Normalisation, hashing, quality, benchmark overlap and duplicate search as functions of Apache
/// DataFusion. They run wherever DataFusion plans run: in one process, or on the workers of a
/// distributed engine (`tests/distributed` does both), where the functions are registered on every
/// worker with the same configuration.
///
/// | function | gives |
/// |---|---|
/// | `refire_normalise(text)` | the words that duplicate search compares, as text |
/// | `refire_hash(text)` | 16 bytes that texts of equal words share |
/// | `refire_bands(text)` | a list of 64-bit keys; near-duplicates share one |
/// | `refire_similarity(a, b)` | Jaccard similarity of two texts' n-grams |
/// | `refire_renumbered(a, b)` | whether two texts' numbers differ; see [`renumbered`](crate::renumbered) |
/// | `refire_quality(prompt, response, answer)` | the rule that turns a trace down, or null |
/// | `refire_overlap(text)` | the benchmark item a text overlaps with, as a struct, or null |
/// | `refire_duplicates(earlier, later)` | of pairs of alike ids those to remove: an aggregate |
///
/// [`exact_dedup`](Self::exact_dedup) and [`near_dedup`](Self::near_dedup) put them together; what
/// they keep is what [`ExactDedup`](crate::ExactDedup) and [`NearDedup`] keep of the
/// texts in the order of their ids.
///
/// ```
/// use datafusion::{execution::FunctionRegistry, prelude::SessionContext};
/// use refire_data::{NearConfig, SqlStages};
/// let mut context = SessionContext::new();
/// SqlStages::new(NearConfig::default())?.register(&mut context)?;
/// assert!(context.udf("refire_hash").is_ok());
/// assert!(context.udf("refire_overlap").is_err(), "it needs a benchmark");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqlStages {
    pub(super) near: Arc<NearDedup>,
    pub(super) words: Words,
    /// Least similarity, and whether it is computed.
    pub(super) verify: Option<f64>,
    profile: Arc<Profile>,
    benchmark: Option<Arc<Decontaminator>>,
}

impl SqlStages {
    /// Functions with a configuration of duplicate search, and the `cot` profile.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn new(near: NearConfig) -> Result<Self, DataError> {
        let (words, verify) = (near.words, near.verify);
        let profile = Arc::new(Profile::Cot(Cot::default()));
        Ok(Self { near: Arc::new(NearDedup::new(near)?), words, verify, profile, benchmark: None })
    }

    /// Sets the rules of `refire_quality`.
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Arc::new(profile);
        self
    }

    /// Sets the benchmarks of `refire_overlap`.
    pub fn with_benchmark(mut self, benchmark: Decontaminator) -> Self {
        self.benchmark = Some(Arc::new(benchmark));
        self
    }

    /// The scalar functions.
    pub fn scalars(&self) -> Vec<ScalarUDF> {
        let mut all = vec![
            functions::normalise(self.words),
            functions::hash(self.words),
            functions::bands(Arc::clone(&self.near)),
            functions::similarity(Arc::clone(&self.near)),
            functions::renumbered(),
            functions::quality(Arc::clone(&self.profile)),
        ];
        all.extend(self.benchmark.clone().map(functions::overlap));
        all
    }

    /// The aggregates.
    pub fn aggregates(&self) -> Vec<AggregateUDF> {
        vec![duplicates()]
    }

    /// Registers all of them: with a context, or with the session of a worker.
    ///
    /// # Errors
    /// When the registry doesn't take functions.
    pub fn register(&self, registry: &mut dyn FunctionRegistry) -> Result<()> {
        for function in self.scalars() {
            registry.register_udf(Arc::new(function))?;
        }
        for aggregate in self.aggregates() {
            registry.register_udaf(Arc::new(aggregate))?;
        }
        Ok(())
    }
}

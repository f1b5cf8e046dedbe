use super::Attempts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a source of questions and answers is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceQuality {
    /// Its name.
    pub source: String,
    /// Questions.
    pub questions: usize,
    /// Mean pass rate of the questions that were judged.
    pub pass_rate: f64,
    /// Share of questions with right and wrong answers.
    pub mixed: f64,
    /// Share of questions none of whose answers is right: hard, or broken.
    pub unsolved: f64,
    /// Mean length of the right answers.
    pub length: f64,
}

/// Sources, the one with the largest share of mixed questions first. Few good sources beat many
/// (Klear-Reasoner), so this is where to cut.
///
/// ```
/// let asked = refire_data::Attempts::default();
/// assert_eq!(refire_data::source_quality([("web", &asked)])[0].questions, 1);
/// ```
pub fn source_quality<'a>(
    asked: impl IntoIterator<Item = (&'a str, &'a Attempts)>,
) -> Vec<SourceQuality> {
    let mut sources: BTreeMap<&str, Vec<&Attempts>> = BTreeMap::new();
    for (source, attempts) in asked {
        sources.entry(source).or_default().push(attempts);
    }
    let mut found: Vec<SourceQuality> =
        sources.into_iter().map(|(source, asked)| quality(source, &asked)).collect();
    found.sort_by(|a, b| b.mixed.total_cmp(&a.mixed));
    found
}

fn quality(source: &str, asked: &[&Attempts]) -> SourceQuality {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let rates: Vec<_> = asked.iter().map(|a| a.pass_rate()).filter(|r| r.judged > 0).collect();
    let share = |hit: fn(&super::PassRate) -> bool| {
        rates.iter().filter(|rate| hit(rate)).count() as f64 / rates.len().max(1) as f64
    };
    let lengths = asked.iter().flat_map(|a| a.right()).map(|a| a.length() as f64);
    SourceQuality {
        source: source.to_owned(),
        questions: asked.len(),
        pass_rate: mean(&rates.iter().filter_map(super::PassRate::mean).collect::<Vec<_>>()),
        mixed: share(super::PassRate::is_mixed),
        unsolved: share(|rate| rate.correct == 0),
        length: mean(&lengths.collect::<Vec<_>>()),
    }
}

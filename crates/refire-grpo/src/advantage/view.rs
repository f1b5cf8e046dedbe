//! What advantages read of a step, as plain rows.

use super::KlInReward;
use crate::GrpoError;
use refire_core::{
    AdvantageValues, Advantages, BoxError, CoreError, Provenance, Ragged, Score, Source, StepView,
};

/// Group of each row.
pub(super) fn groups(step: &StepView<'_>) -> Vec<usize> {
    step.iter().map(|(group, _, _)| group).collect()
}

/// A column of the step in 64 bits.
pub(super) fn column(
    ragged: &Option<Ragged>,
    name: &'static str,
) -> Result<Vec<Vec<f64>>, CoreError> {
    let ragged = ragged.as_ref().ok_or(CoreError::MissingColumn { column: name })?;
    Ok(ragged.iter().map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect())
}

/// Which rows have a score.
pub(super) fn scored(step: &StepView<'_>) -> Vec<bool> {
    step.scores.iter().map(|score| score.total().is_some()).collect()
}

/// The loss masks of rows with a score; of the others nothing is seen.
pub(super) fn scored_mask(step: &StepView<'_>) -> Vec<Vec<bool>> {
    let rows = step.mask.iter().zip(scored(step));
    rows.map(|(mask, scored)| mask.iter().map(|m| *m && scored).collect()).collect()
}

/// Rewards of single tokens: what the scores say of them, the total at the last visible token,
/// and the divergence from the reference where it is part of the reward.
pub(super) fn token_rewards(
    step: &StepView<'_>,
    totals: &[Option<f64>],
    kl: Option<&KlInReward>,
) -> Result<Vec<Vec<f64>>, BoxError> {
    let mask = scored_mask(step);
    let totals: Vec<f64> = totals.iter().map(|t| t.unwrap_or(0.0)).collect();
    let mut rewards = super::terminal_rewards(&totals, &mask)?;
    for ((row, score), mask) in rewards.iter_mut().zip(step.scores).zip(&mask) {
        let Score::Value { per_token: Some(extra), .. } = score else { continue };
        if extra.len() != mask.len() {
            let (found, tokens) = (extra.len(), mask.len());
            let column = "score.per_token";
            return Err(CoreError::ColumnLength { column, found, tokens }.into());
        }
        for ((reward, extra), _) in row.iter_mut().zip(extra).zip(mask).filter(|(_, m)| **m) {
            *reward += f64::from(*extra);
        }
    }
    if let Some(kl) = kl {
        let old = column(&step.columns.old_logprobs, "old_logprobs")?;
        let reference = column(&step.columns.ref_logprobs, "ref_logprobs")?;
        kl.subtract(&mut rewards, &old, &reference, &mask)?;
    }
    Ok(rewards)
}

/// Rows of one number per token as a column of the step.
pub(super) fn ragged(rows: &[Vec<f64>], step: &StepView<'_>) -> Ragged {
    let from = Provenance { source: Source::Trainer, version: step.step, temperature: None };
    Ragged::from_rows(rows.iter().map(|r| r.iter().map(|v| *v as f32).collect::<Vec<f32>>()), from)
}

/// Advantages per token.
pub(super) fn per_token(rows: &[Vec<f64>], step: &StepView<'_>) -> Advantages {
    Advantages { values: AdvantageValues::PerToken(ragged(rows, step)), returns: None }
}

/// A row's number at each of its visible tokens.
pub(super) fn spread(values: &[f64], mask: &[Vec<bool>]) -> Result<Vec<Vec<f64>>, GrpoError> {
    let (found, expected) = (values.len(), mask.len());
    if found != expected {
        return Err(GrpoError::Count { what: "advantages of rows", found, expected });
    }
    let row = |(value, mask): (&f64, &Vec<bool>)| {
        mask.iter().map(|m| if *m { *value } else { 0.0 }).collect()
    };
    Ok(values.iter().zip(mask).map(row).collect())
}

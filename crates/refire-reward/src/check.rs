use crate::RewardError;
use refire_core::{Score, Scored};

/// Checks that there is one score per item, with finite numbers and fitting token rewards.
pub(crate) fn check_scores(
    reward: &str,
    items: &[Scored<'_>],
    scores: &[Score],
) -> Result<(), RewardError> {
    let (found, expected) = (scores.len(), items.len());
    if found != expected {
        return Err(RewardError::Count { reward: reward.to_owned(), found, expected });
    }
    for (row, (item, score)) in items.iter().zip(scores).enumerate() {
        if let Some((what, value)) = not_finite(score) {
            return Err(RewardError::NotFinite { reward: reward.to_owned(), row, what, value });
        }
        let tokens = item.completion.len();
        if let Some(found) = token_rewards(score).map(<[f32]>::len).filter(|n| *n != tokens) {
            return Err(RewardError::PerToken { reward: reward.to_owned(), row, found, tokens });
        }
    }
    Ok(())
}

/// Rewards of single tokens, if there are any.
pub(crate) fn token_rewards(score: &Score) -> Option<&[f32]> {
    match score {
        Score::Value { per_token, .. } => per_token.as_deref(),
        Score::Unscorable { .. } | Score::Unavailable { .. } => None,
    }
}

fn not_finite(score: &Score) -> Option<(String, f64)> {
    let Score::Value { total, parts, .. } = score else { return None };
    if !total.is_finite() {
        return Some(("the total".to_owned(), *total));
    }
    if let Some((name, value)) = parts.iter().find(|(_, value)| !value.is_finite()) {
        return Some((format!("part `{name}`"), *value));
    }
    let tokens = token_rewards(score).unwrap_or_default();
    let token = tokens.iter().position(|value| !value.is_finite())?;
    Some((format!("the reward of token {token}"), f64::from(tokens[token])))
}

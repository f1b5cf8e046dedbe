use refire_core::{Completion, Group};
use serde::{Deserialize, Serialize};

/// The outcome of a vote.
#[derive(Debug, Clone, PartialEq)]
pub struct Vote<K> {
    /// The answer with the most weight, the first of equals.
    pub answer: K,
    /// Index of the first completion that gave it.
    pub index: usize,
    /// Its share of the weight of all completions that gave an answer.
    pub share: f64,
    /// Every answer with its weight, in the order of appearance.
    pub answers: Vec<(K, f64)>,
}

/// What a completion's vote counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteWeight {
    /// One, as in self-consistency (Wang et al. 2022).
    #[default]
    Count,
    /// Its probability per token, `exp(mean logprob)`: the paper's "normalised weighted sum".
    MeanProbability,
    /// Its probability, `exp(sum of logprobs)`, which favours short ones: the paper's "unnormalised".
    Probability,
}

/// Adds up the weights of equal answers; those without an answer have no vote, weights that aren't
/// positive count nothing. `None` if nobody gave an answer that counts.
///
/// With scores of a reward for weights it is weighted best-of-n.
///
/// ```
/// let votes = [(Some("7"), 0.2), (Some("9"), 0.5), (None, 1.0), (Some("7"), 0.4)];
/// let vote = refire_sample::vote(votes).ok_or("no vote")?;
/// assert_eq!((vote.answer, vote.index), ("7", 0));
/// # Ok::<(), &str>(())
/// ```
pub fn vote<K: PartialEq + Clone>(
    votes: impl IntoIterator<Item = (Option<K>, f64)>,
) -> Option<Vote<K>> {
    let mut tally: Vec<(K, f64, usize)> = Vec::new();
    for (index, (answer, weight)) in votes.into_iter().enumerate() {
        let Some(answer) = answer else { continue };
        let weight = if weight > 0.0 { weight } else { 0.0 };
        match tally.iter_mut().find(|(known, ..)| *known == answer) {
            Some((_, sum, _)) => *sum += weight,
            None => tally.push((answer, weight, index)),
        }
    }
    let total: f64 = tally.iter().map(|(_, weight, _)| weight).sum();
    let best = tally.iter().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let (answer, weight, index) = best.clone();
    let answers = tally.into_iter().map(|(answer, weight, _)| (answer, weight)).collect();
    (weight > 0.0).then(|| Vote { answer, index, share: weight / total, answers })
}

/// Self-consistency: the answer that most completions of a group come to.
///
/// `key` extracts what is compared, such as a normalised final answer; its `PartialEq` may be wider
/// than equality of texts. Log-probabilities are the model's, over the tokens that the policy drew.
///
/// ```
/// use refire_core::{Completion, Group, Request};
/// use refire_sample::{VoteWeight, self_consistency};
/// let completions = [vec![5, 1], vec![6, 2], vec![7, 1]].map(Completion::given).to_vec();
/// let group = Group { request: Request::default(), completions };
/// let last = |c: &Completion| c.tokens.last().copied();
/// let vote = self_consistency(&group, VoteWeight::Count, last).ok_or("no answer")?;
/// assert_eq!((vote.answer, vote.share), (1, 2.0 / 3.0));
/// # Ok::<(), &str>(())
/// ```
pub fn self_consistency<K: PartialEq + Clone>(
    group: &Group,
    weight: VoteWeight,
    key: impl Fn(&Completion) -> Option<K>,
) -> Option<Vote<K>> {
    // Sums may be far below what `exp` can tell from 0; only their differences matter.
    let logs: Vec<f64> = group.completions.iter().map(|c| log_weight(c, weight)).collect();
    let answers: Vec<Option<K>> = group.completions.iter().map(key).collect();
    let voting = logs.iter().zip(&answers).filter(|(_, answer)| answer.is_some());
    let highest = voting.map(|(log, _)| *log).fold(f64::NEG_INFINITY, f64::max);
    vote(answers.into_iter().zip(logs.iter().map(|log| (log - highest).exp())))
}

fn log_weight(completion: &Completion, weight: VoteWeight) -> f64 {
    let pairs = completion.model_logprobs.iter().zip(&completion.loss_mask);
    let drawn = pairs.filter(|(_, mask)| **mask).map(|(logprob, _)| f64::from(*logprob));
    let (sum, count) = drawn.fold((0.0, 0_usize), |(sum, n), logprob| (sum + logprob, n + 1));
    match weight {
        VoteWeight::Count => 0.0,
        VoteWeight::MeanProbability => sum / count.max(1) as f64,
        VoteWeight::Probability => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refire_core::Request;

    fn drawn(answer: u32, logprobs: &[f32]) -> Completion {
        let mut completion = Completion::given(vec![answer; logprobs.len()]);
        completion.loss_mask.fill(true);
        completion.model_logprobs = logprobs.to_vec();
        completion
    }

    fn winner(completions: Vec<Completion>, weight: VoteWeight) -> Option<(u32, f64)> {
        let group = Group { request: Request::default(), completions };
        let answer = |c: &Completion| c.tokens.last().copied().filter(|token| *token > 0);
        self_consistency(&group, weight, answer).map(|vote| (vote.answer, vote.share))
    }

    #[test]
    fn ties_go_to_the_first_and_silence_has_no_vote() {
        let count = |answers: &[u32]| {
            winner(answers.iter().map(|a| drawn(*a, &[-1.0])).collect(), VoteWeight::Count)
        };
        assert_eq!(count(&[4, 3, 3, 4]), Some((4, 0.5)));
        assert_eq!(count(&[0, 0, 0, 9]), Some((9, 1.0)));
        assert_eq!(count(&[0, 0]), None);
        assert_eq!(count(&[]), None);
    }

    #[test]
    fn weights_are_probabilities_however_small() {
        let long = drawn(7, &[-1.0; 2000]);
        let short = || drawn(8, &[-2.0; 900]);
        let group = || vec![short(), long.clone(), short()];
        // exp(-1800) twice against exp(-2000), exp(-2) twice against exp(-1).
        assert_eq!(winner(group(), VoteWeight::Probability), Some((8, 1.0)));
        let (answer, share) = winner(group(), VoteWeight::MeanProbability).unwrap_or_default();
        let expected = 1.0 / (1.0 + 2.0 * (-1.0_f64).exp());
        assert!(answer == 7 && (share - expected).abs() < 1e-12, "{answer} with {share}");
    }

    #[test]
    fn weights_that_are_no_numbers_count_nothing() {
        let vote = |weights: &[f64]| vote(weights.iter().map(|w| (Some("a"), *w)));
        assert!(vote(&[f64::NAN, -3.0, 0.0]).is_none());
        assert!(vote(&[f64::NAN, 0.5]).is_some_and(|vote| vote.share == 1.0));
    }
}

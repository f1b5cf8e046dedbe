use crate::RewardError;
use crate::check::check_scores;
use refire_core::{BoxError, Parts, Reward, Score, Scored};
use std::collections::HashSet;

/// The weighted sum of several rewards.
///
/// `total = sum_i weight_i * total_i`, and token rewards likewise. The parts of a score are the
/// members' totals under their names, *unweighted*, followed by the members' own parts as
/// `member/part`.
///
/// A row is a value only if it is one for every member, whatever its weight: if any member is
/// [`Score::Unavailable`] the row is (asking again may help only if it may for each such member);
/// otherwise, if any is [`Score::Unscorable`] the row is. Reasons begin with the member's name.
///
/// TRL sums over what is there and skips the rest, so that the rows of one group may be sums of
/// different things; here such a row has no score.
///
/// ```
/// use refire_core::{Reward, Score, reward_fn};
/// use refire_reward::Weighted;
/// let right = reward_fn("right", |_| Ok(Score::value(1.0)));
/// let short = reward_fn("short", |item| Ok(Score::value(-(item.completion.len() as f64))));
/// let sum = Weighted::new(vec![(1.0, Box::new(right)), (0.01, Box::new(short))])?;
/// assert_eq!(sum.name(), "weighted");
/// # Ok::<(), refire_reward::RewardError>(())
/// ```
pub struct Weighted {
    name: String,
    members: Vec<(f64, Box<dyn Reward>)>,
}

impl std::fmt::Debug for Weighted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members: Vec<_> = self.members.iter().map(|(w, reward)| (w, reward.name())).collect();
        f.debug_struct("Weighted").field("name", &self.name).field("members", &members).finish()
    }
}

impl Weighted {
    /// The sum of `(weight, reward)` pairs, named `weighted`.
    ///
    /// # Errors
    /// Without members, with a weight that is not finite, or with two members of one name.
    pub fn new(members: Vec<(f64, Box<dyn Reward>)>) -> Result<Self, RewardError> {
        RewardError::collect("weighted", problems(&members))?;
        Ok(Self { name: "weighted".to_owned(), members })
    }

    /// The same sum under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    fn member_scores(&self, items: &[Scored<'_>]) -> Result<Vec<Vec<Score>>, RewardError> {
        let score = |(_, member): &(f64, Box<dyn Reward>)| {
            let scores = member.score(items).map_err(|source| RewardError::Member {
                reward: member.name().to_owned(),
                source,
            })?;
            check_scores(member.name(), items, &scores).map(|()| scores)
        };
        self.members.iter().map(score).collect()
    }

    fn row(&self, scores: &[&Score]) -> Score {
        self.without_value(scores).unwrap_or_else(|| self.sum(scores))
    }

    fn without_value(&self, scores: &[&Score]) -> Option<Score> {
        let named = || self.members.iter().map(|(_, member)| member.name()).zip(scores);
        let unavailable = named().find_map(|(name, score)| match score {
            Score::Unavailable { reason, .. } => Some(format!("{name}: {reason}")),
            Score::Value { .. } | Score::Unscorable { .. } => None,
        });
        if let Some(reason) = unavailable {
            let hopeless = |s: &&Score| matches!(s, Score::Unavailable { retry: false, .. });
            return Some(Score::unavailable(reason, !scores.iter().any(hopeless)));
        }
        named().find_map(|(name, score)| match score {
            Score::Unscorable { reason } => Some(Score::unscorable(format!("{name}: {reason}"))),
            Score::Value { .. } | Score::Unavailable { .. } => None,
        })
    }

    fn sum(&self, scores: &[&Score]) -> Score {
        let (mut sum, mut all) = (0.0, Parts::new());
        let mut tokens: Option<Vec<f32>> = None;
        for ((weight, member), score) in self.members.iter().zip(scores) {
            let Score::Value { total, parts, per_token } = score else { continue };
            sum += weight * total;
            all.push((member.name().to_owned(), *total));
            all.extend(parts.iter().map(|(part, v)| (format!("{}/{part}", member.name()), *v)));
            if let Some(rewards) = per_token {
                let sums = tokens.get_or_insert_with(|| vec![0.0; rewards.len()]);
                for (sum, reward) in sums.iter_mut().zip(rewards) {
                    *sum = (f64::from(*sum) + weight * f64::from(*reward)) as f32;
                }
            }
        }
        Score::Value { total: sum, parts: all, per_token: tokens }
    }
}

impl Reward for Weighted {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let columns = self.member_scores(items)?;
        let row = |i: usize| -> Vec<&Score> { columns.iter().map(|column| &column[i]).collect() };
        let scores: Vec<_> = (0..items.len()).map(|i| self.row(&row(i))).collect();
        check_scores(&self.name, items, &scores)?;
        Ok(scores)
    }
}

fn problems(members: &[(f64, Box<dyn Reward>)]) -> Vec<RewardError> {
    let count = members.len();
    let mut problems: Vec<_> =
        RewardError::unless(count > 0, "members", count, "at least 1").into_iter().collect();
    let mut names = HashSet::new();
    for (weight, member) in members {
        let name = member.name();
        let value = format!("{weight} for `{name}`");
        problems.extend(RewardError::unless(
            weight.is_finite(),
            "weight",
            value,
            "a finite number",
        ));
        let fresh = names.insert(name);
        problems.extend(RewardError::unless(fresh, "members", name, "rewards of different names"));
    }
    problems
}

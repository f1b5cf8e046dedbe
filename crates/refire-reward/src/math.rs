use crate::RewardError;
use refire_core::{BoxError, Reward, Score, Scored};
use refire_math::{Checker, Profile, Reason, Verdict};
use serde::{Deserialize, Serialize};

/// Settings of [`MathReward`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MathConfig {
    /// Reward of an answer that equals the reference.
    pub correct: f64,
    /// Reward of every other reply.
    pub wrong: f64,
    /// Whether a completion that the token limit cut off is wrong whatever it says. Otherwise
    /// "box a guess early, then ramble" pays.
    pub truncated_is_wrong: bool,
    /// How answers are found and compared.
    pub profile: Profile,
}

impl Default for MathConfig {
    /// 1 and 0, as DeepSeek-R1 and TRL's `accuracy_reward`; DAPO uses 1 and -1.
    fn default() -> Self {
        Self { correct: 1.0, wrong: 0.0, truncated_is_wrong: true, profile: Profile::strict() }
    }
}

impl MathConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<RewardError> {
        let finite = "a finite number";
        let values = [
            RewardError::unless(self.correct.is_finite(), "correct", self.correct, finite),
            RewardError::unless(self.wrong.is_finite(), "wrong", self.wrong, finite),
        ];
        let mut problems: Vec<_> = values.into_iter().flatten().collect();
        for source in self.profile.validate() {
            problems.push(RewardError::Member { reward: "math".to_owned(), source: source.into() });
        }
        problems
    }
}

/// Whether the final answer equals the reference answer in
/// [`Prompt::answer`](refire_core::Prompt::answer).
///
/// | what happened | score |
/// |---|---|
/// | the prompt has no reference, or one that can't be read | [`Score::Unscorable`] |
/// | the token limit cut the reply off (if `truncated_is_wrong`) | `wrong` |
/// | the answer is shown to be equal | `correct` |
/// | it is shown to be different, can't be read or can't be decided | `wrong` |
///
/// A fault of the data leaves the statistics; a fault of the completion never does, or a policy
/// would learn to be unreadable. A reference is read once for all completions of its prompt, and
/// completions are checked on all cores.
///
/// ```
/// use refire_core::{Completion, Finish, Prompt, Reward, Scored};
/// use refire_reward::{MathConfig, MathReward};
///
/// let prompt = Prompt { answer: Some("1/2".into()), ..Default::default() };
/// let completion = Completion {
///     tokens: vec![1],
///     loss_mask: vec![true],
///     model_logprobs: vec![0.0],
///     behaviour_logprobs: vec![0.0],
///     versions: vec![0],
///     turns: vec![],
///     text: r"It is \boxed{0.5}".into(),
///     finish: Finish::EndToken { token: 1 },
/// };
/// let reward = MathReward::new(MathConfig::default())?;
/// let scores = reward.score(&[Scored { prompt: &prompt, completion: &completion, group: 0 }])?;
/// assert_eq!(scores[0].total(), Some(1.0));
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MathReward {
    checker: Checker,
    correct: f64,
    wrong: f64,
    truncated_is_wrong: bool,
}

impl MathReward {
    /// The reward.
    ///
    /// # Errors
    /// When [`MathConfig::validate`] finds a problem.
    pub fn new(config: MathConfig) -> Result<Self, RewardError> {
        RewardError::collect("math", config.validate())?;
        let MathConfig { correct, wrong, truncated_is_wrong, profile } = config;
        let checker = Checker::new(profile).map_err(|source| RewardError::Member {
            reward: "math".to_owned(),
            source: source.into(),
        })?;
        Ok(Self { checker, correct, wrong, truncated_is_wrong })
    }

    fn judge(&self, item: &Scored<'_>, verdict: Verdict) -> Score {
        if item.prompt.answer.is_none() {
            return Score::unscorable("the prompt has no reference answer");
        }
        if let Verdict::Unknown(Reason::Gold(fault)) = verdict {
            return Score::unscorable(format!("the reference answer can't be read: {fault:?}"));
        }
        let counts = !(self.truncated_is_wrong && item.completion.is_truncated());
        Score::value(if counts && verdict.is_equal() { self.correct } else { self.wrong })
    }
}

impl Reward for MathReward {
    fn name(&self) -> &str {
        "math"
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let pairs: Vec<(&str, &str)> = items
            .iter()
            .map(|item| {
                (item.prompt.answer.as_deref().unwrap_or_default(), item.completion.text.as_str())
            })
            .collect();
        let verdicts = self.checker.check_batch(&pairs);
        Ok(items.iter().zip(verdicts).map(|(item, verdict)| self.judge(item, verdict)).collect())
    }
}

use crate::ModelError;
use refire_core::{BoxError, Reward, Score, Scored};
use refire_objective::{ObjectiveError, RewardModel};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Settings of [`ModelReward`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRewardConfig {
    /// Rows that the model reads at once, at least 1: memory against speed.
    pub batch_rows: usize,
    /// Subtracted from the model's score: its mean over reference answers, say.
    pub center: f64,
    /// What the centred score is divided by, above 0: its deviation, say.
    pub scale: f64,
    /// The result is held within `-clip..=clip`; `None` leaves it.
    pub clip: Option<f64>,
}

impl Default for ModelRewardConfig {
    /// The model's score as it is, 16 rows at once.
    fn default() -> Self {
        Self { batch_rows: 16, center: 0.0, scale: 1.0, clip: None }
    }
}

impl ModelRewardConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let checks = [
            ("batch_rows", self.batch_rows.to_string(), self.batch_rows > 0, "at least 1"),
            ("center", self.center.to_string(), self.center.is_finite(), "a finite number"),
            ("scale", self.scale.to_string(), positive(self.scale), "a positive number"),
            (
                "clip",
                self.clip.unwrap_or_default().to_string(),
                self.clip.is_none_or(positive),
                "a positive number, or nothing",
            ),
        ];
        let bad = checks.into_iter().filter(|(_, _, ok, _)| !ok);
        bad.map(|(field, value, _, expected)| ObjectiveError::OutOfRange { field, value, expected })
            .collect()
    }

    fn reward(&self, score: f64) -> f64 {
        let reward = (score - self.center) / self.scale;
        self.clip.map_or(reward, |clip| reward.clamp(-clip, clip))
    }
}

/// A [`RewardModel`] as a [`Reward`].
///
/// ```text
/// reward = clip((score - center) / scale)
/// ```
///
/// The model reads the prompt's tokens and the completion's, as they are: it must share the
/// policy's tokenizer, and judges at the completion's last token, whatever ended it. The part
/// `score` of a value is the model's own number.
///
/// Rows are read in batches of similar length, equal rows once; the order of the items doesn't
/// matter, other rows change a score by rounding only. A row that the model refuses (beyond its
/// context, say) is [`Score::Unscorable`] with the model's reason and costs no other row its
/// score. A score that isn't finite is [`Score::Unavailable`].
///
/// ```
/// use burn::tensor::Device;
/// use refire_core::{Completion, Prompt, Reward, Scored};
/// use refire_model::{Decoder, ModelReward, ModelRewardConfig, ScoreModel, TinyLlama};
///
/// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let judge = ScoreModel::new(&decoder.with_score_head(1))?;
/// let config = ModelRewardConfig { clip: Some(5.0), ..ModelRewardConfig::default() };
/// let reward = ModelReward::new(judge, config)?;
/// let prompt = Prompt { tokens: vec![1, 5], ..Prompt::default() };
/// let completion = Completion::given(vec![7, 2]);
/// let scores = reward.score(&[Scored { prompt: &prompt, completion: &completion, group: 0 }])?;
/// assert_eq!(scores[0].total(), scores[0].part("score"));
/// # Ok::<(), refire_core::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ModelReward<M> {
    name: String,
    model: M,
    config: ModelRewardConfig,
}

impl<M: RewardModel> ModelReward<M> {
    /// The reward, named `reward_model`.
    ///
    /// # Errors
    /// When [`ModelRewardConfig::validate`] finds a problem.
    pub fn new(model: M, config: ModelRewardConfig) -> Result<Self, ModelError> {
        ModelError::collect("reward_model", config.validate())?;
        Ok(Self { name: "reward_model".to_owned(), model, config })
    }

    /// The same reward under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Scores of a batch; of its rows one by one if the model refuses the whole.
    fn read(&self, rows: &[&[u32]]) -> Result<Vec<Score>, BoxError> {
        let scores = match self.model.scores(rows) {
            Ok(scores) => scores,
            Err(error) => {
                return match rows {
                    [_] => Ok(vec![Score::unscorable(error.to_string())]),
                    _ => rows.chunks(1).map(|row| Ok(self.read(row)?.swap_remove(0))).collect(),
                };
            }
        };
        let (found, expected) = (scores.len(), rows.len());
        if found != expected {
            let what = "scores of a reward model";
            return Err(ObjectiveError::Count { what, found, expected }.into());
        }
        Ok(scores.into_iter().map(|score| self.value(score)).collect())
    }

    fn value(&self, score: f64) -> Score {
        let total = self.config.reward(score);
        if !(score.is_finite() && total.is_finite()) {
            return Score::unavailable(format!("the model's score is {score}"), false);
        }
        Score::Value { total, parts: vec![("score".to_owned(), score)], per_token: None }
    }
}

impl<M: RewardModel> Reward for ModelReward<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let row = |item: &Scored<'_>| [&item.prompt.tokens[..], &item.completion.tokens].concat();
        let rows: Vec<Vec<u32>> = items.iter().map(row).collect();
        let mut distinct: Vec<&[u32]> =
            rows.iter().map(Vec::as_slice).filter(|row| !row.is_empty()).collect();
        // One order whatever the items' order is: batches, and so their rounding, are the same.
        distinct.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        distinct.dedup();
        let mut scores = Vec::with_capacity(distinct.len());
        for batch in distinct.chunks(self.config.batch_rows) {
            scores.extend(self.read(batch)?);
        }
        let scores: HashMap<&[u32], Score> = distinct.into_iter().zip(scores).collect();
        let score = |row: &Vec<u32>| match scores.get(&row[..]) {
            Some(score) => score.clone(),
            None => Score::unscorable("neither the prompt nor the completion has a token"),
        };
        Ok(rows.iter().map(score).collect())
    }
}

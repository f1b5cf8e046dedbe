use super::{Problem, verify};
use refire_core::{BoxError, Finish, Reward, Score, Scored};

/// 1 for a right solution that ends by itself, 0 for anything else.
///
/// The problem is read from the prompt's `meta`: `numbers` and `target`.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountdownReward;

impl CountdownReward {
    /// The problem that a prompt asks.
    fn problem(item: &Scored<'_>) -> Option<Problem> {
        serde_json::from_value(serde_json::Value::Object(item.prompt.meta.clone())).ok()
    }
}

impl Reward for CountdownReward {
    fn name(&self) -> &str {
        "countdown"
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        let score = |item: &Scored<'_>| match Self::problem(item) {
            None => Score::unscorable("the prompt's meta holds no `numbers` and `target`"),
            Some(problem) => {
                let ended = matches!(item.completion.finish, Finish::EndToken { .. });
                let right = ended && verify(&problem, &item.completion.text).is_ok();
                Score::value(f64::from(u8::from(right)))
            }
        };
        Ok(items.iter().map(score).collect())
    }
}

use refire_core::{BoxError, Group, Reward, Score, Scored};

/// Index of the best score, the first of equals; those without a value never win.
///
/// ```
/// use refire_core::Score;
/// let scores = [Score::value(0.5), Score::value(1.0), Score::value(1.0)];
/// assert_eq!(refire_sample::best_of(&scores), Some(1));
/// ```
pub fn best_of(scores: &[Score]) -> Option<usize> {
    let values = scores.iter().enumerate().filter_map(|(i, score)| Some((i, score.total()?)));
    let numbers = values.filter(|(_, value)| !value.is_nan());
    numbers.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(i, _)| i)
}

/// Best-of-n: index of the completion that a reward likes best; `None` if it can score none.
///
/// # Errors
/// When the reward fails.
///
/// ```
/// use refire_core::{BoxError, Completion, Group, Request, Score, reward_fn};
/// let completions = vec![Completion::given(vec![1]), Completion::given(vec![1, 2, 3])];
/// let group = Group { request: Request::default(), completions };
/// let longest = reward_fn("length", |s| Ok(Score::value(s.completion.len() as f64)));
/// assert_eq!(refire_sample::best_of_n(&group, &longest)?, Some(1));
/// # Ok::<(), BoxError>(())
/// ```
pub fn best_of_n(group: &Group, reward: &dyn Reward) -> Result<Option<usize>, BoxError> {
    let prompt = &group.request.prompt;
    let scored = |completion| Scored { prompt, completion, group: 0 };
    let items: Vec<Scored<'_>> = group.completions.iter().map(scored).collect();
    Ok(best_of(&reward.score(&items)?))
}

use super::split_steps;

/// One turn of a decomposed trace: a thought, and the answer it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerTurn {
    /// The thought.
    pub thought: String,
    /// The candidate it ends with.
    pub answer: String,
}

/// Cuts a long thought at the points where it comes to a candidate answer (MinD): each turn is a
/// thought and its answer, so that a policy can learn to stop after the first right one. `answer_in`
/// finds the answer a step comes to. What follows the last candidate belongs to the last turn.
///
/// ```
/// let answer_in = |step: &str| step.strip_prefix("So it is ").map(str::to_owned);
/// let turns = refire_data::into_turns("2 + 3\n\nSo it is 6\n\nWait, no.\n\nSo it is 5", &answer_in);
/// assert_eq!(turns.iter().map(|turn| turn.answer.as_str()).collect::<Vec<_>>(), ["6", "5"]);
/// ```
pub fn into_turns(thought: &str, answer_in: &dyn Fn(&str) -> Option<String>) -> Vec<AnswerTurn> {
    let (mut turns, mut start): (Vec<AnswerTurn>, usize) = (Vec::new(), 0);
    for range in split_steps(thought) {
        if let Some(answer) = answer_in(thought[range.clone()].trim()) {
            let thought = thought[start..range.end].trim().to_owned();
            turns.push(AnswerTurn { thought, answer });
            start = range.end;
        }
    }
    if let (Some(last), rest) = (turns.last_mut(), thought[start..].trim())
        && !rest.is_empty()
    {
        last.thought.push_str("\n\n");
        last.thought.push_str(rest);
    }
    turns
}

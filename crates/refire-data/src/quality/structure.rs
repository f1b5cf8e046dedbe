use serde::{Deserialize, Serialize};

/// What is asked of `<think>` tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Think {
    /// They may be missing; where one stands, the form must be right.
    #[default]
    Optional,
    /// The form must be right.
    Required,
    /// They are text like any other.
    Ignored,
}

/// Splits a response into (thought, answer): one `<think>`, first of all, one `</think>`, and
/// something behind it. A response without tags is all answer. `Err` says what is wrong.
///
/// ```
/// use refire_data::split_thought;
/// assert_eq!(split_thought("<think>2 + 3 = 5</think>\n5"), Ok((Some("2 + 3 = 5"), "5")));
/// assert!(split_thought("<think>2 + 3").is_err());
/// ```
///
/// # Errors
/// The sentence that says what is wrong with the tags.
pub fn split_thought(response: &str) -> Result<(Option<&str>, &str), &'static str> {
    let (opening, closing) = ("<think>", "</think>");
    match (response.matches(opening).count(), response.matches(closing).count()) {
        (0, 0) => return Ok((None, response.trim())),
        (1, 1) => {}
        (1, 0) => return Err("the thought isn't closed"),
        (0, 1) => return Err("a thought is closed that wasn't opened"),
        _ => return Err("there is more than one thought"),
    }
    let (before, rest) = response.split_once(opening).unwrap_or(("", response));
    if !before.trim().is_empty() {
        return Err("something stands before the thought");
    }
    let (thought, answer) =
        rest.split_once(closing).ok_or("the thought is closed before it opens")?;
    match (thought.trim(), answer.trim()) {
        ("", _) => Err("the thought is empty"),
        (_, "") => Err("nothing follows the thought"),
        (thought, answer) => Ok((Some(thought), answer)),
    }
}

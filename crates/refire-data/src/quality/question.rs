use serde::{Deserialize, Serialize};

/// Kinds of question that a rule can't verify, or not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// Asks for a proof.
    Proof,
    /// Needs a figure that isn't there.
    Figure,
    /// Asks several things.
    MultiPart,
    /// Offers answers to choose from: a guess is right too often.
    MultipleChoice,
}

/// The kind of a question if it is one that reinforcement learning with verifiers leaves out
/// (Big-Math, Light-R1); `None` for plain questions.
///
/// ```
/// use refire_data::{QuestionKind, question_kind};
/// assert_eq!(question_kind("Prove that 2 + 2 = 4."), Some(QuestionKind::Proof));
/// assert_eq!(question_kind("What is 2 + 2?"), None);
/// ```
pub fn question_kind(question: &str) -> Option<QuestionKind> {
    let lower = question.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    if has(&["prove that", "prove the", "show that", "give a proof", "prove or disprove"]) {
        return Some(QuestionKind::Proof);
    }
    if has(&[
        "in the figure",
        "figure below",
        "as shown in",
        "diagram below",
        "the graph below",
        "[asy]",
        "<img",
        "in the diagram",
    ]) {
        return Some(QuestionKind::Figure);
    }
    let listed = |marks: &[&str]| marks.iter().filter(|mark| lower.contains(**mark)).count() >= 3;
    if listed(&["(a)", "(b)", "(c)", "(d)"])
        || listed(&["\na.", "\nb.", "\nc.", "\nd."])
        || listed(&["\na)", "\nb)", "\nc)", "\nd)"])
    {
        return Some(QuestionKind::MultipleChoice);
    }
    let parts = listed(&["(i)", "(ii)", "(iii)"])
        || lower.contains("part (a)")
        || lower.contains("(1)") && lower.contains("(2)");
    parts.then_some(QuestionKind::MultiPart)
}

use std::ops::Range;

/// Words with which a thought turns to something new, at the beginning of a sentence.
const TURNS: [&str; 12] = [
    "Wait",
    "But wait",
    "Alternatively",
    "However",
    "Hmm",
    "Let me",
    "Let's",
    "First,",
    "Then",
    "Next",
    "Finally",
    "So,",
];

/// Byte ranges of the steps of a trace, which together cover it: parted by blank lines; a trace
/// without any by lines; a single line by the words with which thoughts turn.
///
/// ```
/// let text = "2 + 3 = 5\n5 * 2 = 10";
/// assert_eq!(refire_data::split_steps(text), [0..10, 10..20]);
/// ```
pub fn split_steps(text: &str) -> Vec<Range<usize>> {
    for mark in ["\n\n", "\n"] {
        if text.trim().contains(mark) {
            return behind(text, mark);
        }
    }
    let mut cuts: Vec<usize> = TURNS
        .iter()
        .flat_map(|turn| text.match_indices(turn))
        .map(|(at, _)| at)
        .filter(|at| text[..*at].trim_end().ends_with(['.', '!', '?', ',', ';']))
        .collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    cuts.dedup();
    ranges(cuts)
}

/// The steps themselves, trimmed, without empty ones.
///
/// ```
/// let text = "2 + 3 = 5\n\n5 * 2 = 10\n\n";
/// assert_eq!(refire_data::steps_of(text), ["2 + 3 = 5", "5 * 2 = 10"]);
/// ```
pub fn steps_of(text: &str) -> Vec<&str> {
    let steps = split_steps(text).into_iter().map(|range| text[range].trim());
    steps.filter(|step| !step.is_empty()).collect()
}

/// Pieces that end behind each run of marks.
fn behind(text: &str, mark: &str) -> Vec<Range<usize>> {
    let mut cuts: Vec<usize> = text
        .match_indices(mark)
        .map(|(at, _)| text.len() - text[at..].trim_start_matches('\n').len())
        .filter(|at| *at < text.len())
        .collect();
    cuts.dedup();
    cuts.push(text.len());
    ranges(cuts)
}

fn ranges(cuts: Vec<usize>) -> Vec<Range<usize>> {
    let mut start = 0;
    let pieces = cuts.into_iter().map(|end| {
        let range = start..end;
        start = end;
        range
    });
    pieces.filter(|range| !range.is_empty()).collect()
}

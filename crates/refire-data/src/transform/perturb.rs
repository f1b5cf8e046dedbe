use super::steps_of;
use crate::DataError;
use refire_core::Stream;
use serde::{Deserialize, Serialize};

/// A change to a trace that keeps it readable and breaks one thing: what of a long thought matters,
/// its content or its structure (Li et al., arXiv 2502.07374)? Shares are in `[0, 1]`; the paper
/// takes 0.2, 0.5, 0.7 and 1 for content, 0.33, 0.67 and 1 for structure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Perturbation {
    /// Content: a share of the digits becomes others.
    Digits {
        /// Share of digits.
        share: f64,
    },
    /// Content: a share of the words by which a thought turns ("wait", "alternatively") goes.
    Keywords {
        /// Share of their occurrences.
        share: f64,
    },
    /// Structure: a share of the steps goes.
    Delete {
        /// Share of steps.
        share: f64,
    },
    /// Structure: behind a share of the steps comes one from `others`.
    Insert {
        /// Share of steps.
        share: f64,
    },
    /// Structure: a share of the steps changes places among each other.
    Shuffle {
        /// Share of steps.
        share: f64,
    },
}

const KEYWORDS: [&str; 8] =
    ["wait", "alternatively", "however", "hmm", "but", "actually", "maybe", "let me check"];

/// Perturbs a trace. Steps are those of [`split_steps`](crate::split_steps) and are joined by blank
/// lines again; `others` are traces whose steps may be inserted. The number of things changed is
/// the share of their number, rounded.
///
/// ```
/// use refire_core::{Purpose, Stream};
/// use refire_data::{Perturbation, perturb};
/// let draw = Stream::new(0, Purpose::named("example"), 0, 0, 0);
/// let shuffled = perturb("a\n\nb\n\nc", Perturbation::Delete { share: 0.34 }, &[], draw)?;
/// assert_eq!(shuffled.split("\n\n").count(), 2);
/// # Ok::<(), refire_data::DataError>(())
/// ```
///
/// # Errors
/// For a share outside `[0, 1]`, and for an insertion without other traces.
pub fn perturb(
    trace: &str,
    change: Perturbation,
    others: &[&str],
    mut draw: Stream,
) -> Result<String, DataError> {
    let (Perturbation::Digits { share }
    | Perturbation::Keywords { share }
    | Perturbation::Delete { share }
    | Perturbation::Insert { share }
    | Perturbation::Shuffle { share }) = change;
    if !(0.0..=1.0).contains(&share) {
        return Err(DataError::out_of_range("share", share, "from 0 to 1"));
    }
    let steps = || -> Vec<String> { steps_of(trace).into_iter().map(str::to_owned).collect() };
    let joined = |steps: Vec<String>| steps.join("\n\n");
    Ok(match change {
        Perturbation::Digits { .. } => digits(trace, share, &mut draw),
        Perturbation::Keywords { .. } => keywords(trace, share, &mut draw),
        Perturbation::Delete { .. } => {
            let steps = steps();
            let gone = choose(steps.len(), share, &mut draw);
            let kept = steps.into_iter().enumerate().filter(|(at, _)| !gone.contains(at));
            joined(kept.map(|(_, step)| step).collect())
        }
        Perturbation::Insert { .. } => {
            let foreign: Vec<&str> = others.iter().flat_map(|other| steps_of(other)).collect();
            if foreign.is_empty() {
                return Err(DataError::Empty { what: "other traces to insert steps of" });
            }
            let (steps, mut out) = (steps(), Vec::new());
            let places = choose(steps.len(), share, &mut draw);
            for (at, step) in steps.into_iter().enumerate() {
                out.push(step);
                if places.contains(&at) {
                    out.push(foreign[draw.below(foreign.len())].to_owned());
                }
            }
            joined(out)
        }
        Perturbation::Shuffle { .. } => {
            let mut steps = steps();
            let places = choose(steps.len(), share, &mut draw);
            let mut moved: Vec<String> = places.iter().map(|at| steps[*at].clone()).collect();
            draw.shuffle(&mut moved);
            places.into_iter().zip(moved).for_each(|(at, step)| steps[at] = step);
            joined(steps)
        }
    })
}

/// Positions of a share of `n` things, ascending.
fn choose(n: usize, share: f64, draw: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    draw.shuffle(&mut order);
    order.truncate((n as f64 * share).round() as usize);
    order.sort_unstable();
    order
}

fn digits(trace: &str, share: f64, draw: &mut Stream) -> String {
    let places: Vec<usize> =
        trace.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
    let mut bytes = trace.as_bytes().to_vec();
    for chosen in choose(places.len(), share, draw) {
        let digit = &mut bytes[places[chosen]];
        // One of the nine others.
        *digit = b'0' + (*digit - b'0' + 1 + draw.below(9) as u8) % 10;
    }
    // Digits were replaced by digits: the text stays UTF-8.
    String::from_utf8(bytes).unwrap_or_else(|_| trace.to_owned())
}

fn keywords(trace: &str, share: f64, draw: &mut Stream) -> String {
    let lower = trace.to_ascii_lowercase();
    let letter = |at: usize| lower.as_bytes().get(at).is_some_and(u8::is_ascii_alphanumeric);
    let mut places: Vec<(usize, usize)> = KEYWORDS
        .iter()
        .flat_map(|word| lower.match_indices(word))
        .map(|(at, word)| (at, at + word.len()))
        .filter(|(start, end)| !(letter(*end) || *start > 0 && letter(start - 1)))
        .collect();
    places.sort_unstable();
    let mut out = String::new();
    let mut from = 0;
    for chosen in choose(places.len(), share, draw) {
        let (start, end) = places[chosen];
        out.push_str(&trace[from..start]);
        // A comma and the space behind the word go with it.
        let rest = &trace[end..];
        let rest = rest.strip_prefix(',').unwrap_or(rest);
        from = trace.len() - rest.strip_prefix(' ').unwrap_or(rest).len();
    }
    out.push_str(&trace[from..]);
    out
}

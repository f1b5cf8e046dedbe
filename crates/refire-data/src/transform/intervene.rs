use super::flawed_prefix::value;
use super::{split_steps, steps_of};
use crate::select::whole_equations;

/// A corrected trace: what a model said up to its first error, and one step that puts it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervention {
    /// The steps before the error, as they were: context, not learned.
    pub kept: String,
    /// The step in place of the wrong one: the target.
    pub fix: String,
    /// Index of the wrong step.
    pub step: usize,
}

/// Index of the first step of a trace that holds an equation that is false; `None` if all hold.
/// Equations are sums of products of plain numbers; others are passed over.
///
/// ```
/// assert_eq!(refire_data::first_error("2+3=5\n5*4=25\nso 25"), Some(1));
/// assert_eq!(refire_data::first_error("2+3=5"), None);
/// ```
pub fn first_error(trace: &str) -> Option<usize> {
    let wrong = |step: &&str| {
        whole_equations(step).iter().any(|(_, equation)| {
            let percent = equation.contains('%');
            let sides: Vec<Option<f64>> = equation.split('=').map(value).collect();
            sides.windows(2).any(|pair| match pair {
                [Some(a), Some(b)] => {
                    // A percentage may be written as such or as a number.
                    !(close(*a, *b) || percent && (close(*a, 100.0 * b) || close(100.0 * a, *b)))
                }
                _ => false,
            })
        })
    };
    steps_of(trace).iter().position(wrong)
}

/// Equal up to rounding: worked solutions round to cents, and large numbers more.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.01_f64.max(0.01 * a.abs())
}

/// Intervention training: cuts a wrong trace before step `error` and puts `fix` there. With a
/// reference solution at hand the step can be found by a model, or by [`first_error`]. `None` when
/// there is no such step.
///
/// ```
/// let fixed = refire_data::intervene("2+3=5\n5*4=25\nso 25", 1, "5*4=20").unwrap();
/// assert_eq!((fixed.kept.as_str(), fixed.fix.as_str()), ("2+3=5\n", "5*4=20"));
/// ```
pub fn intervene(trace: &str, error: usize, fix: &str) -> Option<Intervention> {
    let steps: Vec<_> = split_steps(trace)
        .into_iter()
        .filter(|range| !trace[range.clone()].trim().is_empty())
        .collect();
    let start = steps.get(error)?.start;
    Some(Intervention { kept: trace[..start].to_owned(), fix: fix.to_owned(), step: error })
}

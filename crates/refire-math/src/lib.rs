//! Extracts the final answer from a completion and decides whether it equals the gold answer.
//!
//! ```text
//! completion --extract--> text --parse--> syntax --read--> value --compare--> Verdict
//! ```
//!
//! Values are exact: rationals of any size, radicals, pi, e and i, quotients of polynomials in
//! symbols, elementary functions, percentages, amounts with units, lists, tuples, sets, regions of
//! the real line, matrices, equations, inequalities, words, options, times and ratios.
//!
//! Four rules hold everywhere:
//!
//! - **Two-sided.** [`Verdict::Equal`] comes from equal normal forms, or from algebraic numbers
//!   closer than two different ones can be; [`Verdict::NotEqual`] from different normal forms or
//!   from certified bounds that don't meet. What can't be decided is [`Verdict::Unknown`] with its
//!   [`Reason`], never a guess. Each verdict names the [`Path`] that decided it.
//! - **Nothing is skipped.** An answer is read from its first to its last character or not at all.
//! - **Nothing is believed.** A chain such as `0 = 42` must hold, a list of guesses is a list, and a
//!   marker that is broken is not replaced by something else in the text.
//! - **Bounded.** Scans are linear, nesting and numbers are limited, every other cost is paid from
//!   a budget of steps. There is no clock, no thread and no global state, so a verdict is the same
//!   on every machine.
//!
//! ```
//! use refire_math::{Checker, Path, Verdict};
//!
//! let checker = Checker::default();
//! let verdict = checker.check("0.5", r"so the answer is $\boxed{\frac{1}{2}}$.");
//! assert_eq!(verdict, Verdict::Equal(Path::Rational));
//! assert!(checker.compare(r"\sin 2x", r"2 \sin x \cos x").is_equal());
//! assert!(checker.compare("1 < x < 2", "(1, 2)").is_equal());
//! assert_eq!(checker.check("42", r"\boxed{0 = 42}"), Verdict::NotEqual(Path::FalseChain));
//! ```

mod ball;
mod canon;
mod checker;
mod equal;
mod error;
mod exact;
mod extract;
mod fuel;
mod profile;
mod reading;
mod syntax;
mod unit;
mod value;
mod verdict;
mod wrapper;

pub use checker::{Checker, Gold};
pub use error::MathError;
pub use extract::{ExtractRules, Extraction, Fault, Tier, extract};
pub use profile::{
    BracketRule, ChainRule, DecimalRule, FormRule, Limits, PercentRule, Profile, SetRule,
};
pub use verdict::{Path, Reason, Verdict};
